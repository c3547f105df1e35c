import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { until } from '../../support/until.js';

const MASTER_KEY = 'sk-master-key-of-the-watched-file-0123456789';
const folder = mkdtempSync(join(tmpdir(), 'follows-'));
const path = join(folder, 'config.yaml');
let provider: TestProvider;
let app: GatewayApp;

interface Written {
  readonly budget?: number;
  readonly models?: readonly string[];
  readonly dropParams?: boolean;
}

/** JSON is YAML, too. */
function write({ budget, models = ['chat'], dropParams = false }: Written): void {
  const prices = { input_cost_per_request: 1 };
  const config = {
    model_list: models.map((name) => provider.deployment(name, prices, { id: name })),
    litellm_settings: { ...(budget !== undefined && { max_budget: budget }), drop_params: dropParams },
    general_settings: { master_key: MASTER_KEY },
  };
  writeFileSync(path, JSON.stringify(config));
}

const ask = async (model: string): Promise<number> => {
  const { status } = await app.post(
    '/v1/chat/completions',
    { model, messages: [{ role: 'user', content: 'Hello' }] },
    { authorization: `Bearer ${MASTER_KEY}` },
  );
  return status;
};

beforeAll(async () => {
  provider = await startProvider('openai', { script: 'Hello.' });
  write({ budget: 0.5 });
  app = await GatewayApp.start('Fastify', {}, { module: { router: { configPath: path, watch: true } } });
});

afterAll(async () => {
  await app.stop();
  await provider.close();
  rmSync(folder, { recursive: true });
});

describe('a gateway with a watched file', () => {
  it('follows its models and the budget of the proxy, and keeps what was spent', async () => {
    const { configuration } = app.llm;
    expect(await ask('chat')).toBe(429);
    write({ budget: 2.5, models: ['chat', 'second'] });
    await until(() => configuration.current().version === 2);
    expect(configuration.current()).toMatchObject({ cause: 'watch' });
    expect([await ask('chat'), await ask('second'), await ask('chat')]).toEqual([200, 200, 429]);
    write({ budget: 3.5, models: ['chat', 'second'] });
    await until(() => configuration.current().version === 3);
    expect([await ask('chat'), await ask('chat')]).toEqual([200, 429]);
  });

  it('keeps the budget if a file lacks it, and shows that in health', async () => {
    const { configuration } = app.llm;
    const { version } = configuration.current();
    write({ models: ['chat'] });
    await until(() => configuration.rejected() !== null);
    expect(configuration.rejected()?.message).toContain('litellm_settings.max_budget: must not be removed');
    expect(await ask('chat')).toBe(429);
    const { components } = await app.llm.healthCheckAsync();
    expect(components.configuration).toMatchObject({ status: 'degraded', version });
    write({ budget: 100, models: ['chat'] });
    await until(() => configuration.rejected() === null);
    expect([await ask('chat'), await ask('second')]).toEqual([200, 404]);
  });

  it('lets a call that has begun finish with the settings of its client and a removed model', async () => {
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    write({ budget: 100, models: ['chat', 'slow'] });
    await until(() => app.llm.router.models().includes('slow'));
    provider.use(async () => {
      await released;
      return 'Late.';
    });
    const call = ask('slow');
    await until(() => provider.inFlight === 1);
    write({ budget: 100, models: ['chat'], dropParams: true });
    await until(() => !app.llm.router.models().includes('slow'));
    release();
    expect(await call).toBe(200);
    expect(await ask('slow')).toBe(404);
    expect(app.llm.router.status().map(({ inFlight }) => inFlight)).toEqual([0]);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RateLimitOptions } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';
import { until } from '../../support/until.js';

const PRICES = { input_cost_per_token: 0.001, output_cost_per_token: 0.001 };
const CHAT = { model: 'gpt-4o', max_tokens: 20, messages: [{ role: 'user', content: 'Hello' }] };

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('litellm_settings.max_budget of a config.yaml on %s', (adapter) => {
  let folder: string;
  let configPath: string;
  let provider: TestProvider;
  let gateway: GatewayApp | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'proxy-budget-'));
    configPath = join(folder, 'config.yaml');
    provider = await startProvider('openai', { script: 'Hello.' });
  });
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await provider.close();
  });

  async function start(settings: object, handledSettings: string[] = [], rateLimit?: RateLimitOptions): Promise<GatewayApp> {
    const models = [provider.deployment('gpt-4o', { model: 'openai/gpt-4o', ...PRICES })];
    writeFileSync(configPath, JSON.stringify({ model_list: models, litellm_settings: settings }));
    return (gateway = await GatewayApp.start(adapter, {}, { module: { rateLimit, router: { configPath, handledSettings } } }));
  }
  const LIMIT = 'litellm-proxy-budget';

  it('limits what all requests spend together, whatever key they send', async () => {
    const { llm, post } = bound(await start({ max_budget: 0.05, budget_duration: '30d' }));
    const { status, headers } = await post('sk-first-0123456789');
    expect([status, headers['x-ratelimit-limit-usd'], headers['x-litellm-key-spend']]).toEqual([200, '0.05', undefined]);
    const of = { limit: LIMIT, limits: { usdPerWindow: 0.05, usdWindow: '30d' } };
    await until(() => llm.rateLimiter.getBudgets('all', of)[0].heldUsd === 0);
    const [{ spentUsd }] = llm.rateLimiter.getBudgets('all', of);
    expect(spentUsd).toBeGreaterThan(0.005);
    await llm.rateLimiter.setSpent('all', 0.045, of);
    const refused = await post('sk-second-0123456789');
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({
      error: { type: 'budget_exceeded', code: 'budget_exhausted', scope: LIMIT, limit_usd: 0.05, resets_at: expect.any(String) as string },
    });
    expect((await gateway!.ask('/v1/models', { method: 'GET' })).status).toBe(200);
  });

  it('never starts again without budget_duration', async () => {
    const { llm, post } = bound(await start({ max_budget: '0.05' }));
    await llm.rateLimiter.setSpent('all', 0.05, { limit: LIMIT, limits: { usdTotal: 0.05 } });
    const refused = await post('sk-first-0123456789');
    expect(JSON.parse(refused.text)).toMatchObject({ error: { scope: LIMIT, spent_usd: 0.05 } });
    expect(refused.text).not.toContain('resets_at');
  });

  it('does not limit where it is 0, or where the app limits spending itself', async () => {
    for (const [settings, handled] of [
      [{ max_budget: 0 }, []],
      [{ max_budget: 0.000_001 }, ['litellm_settings.max_budget']],
    ] as const) {
      const { post } = bound(await start(settings, [...handled]));
      expect((await post('sk-first-0123456789')).status).toBe(200);
      await gateway?.stop();
    }
  });

  it.each([
    [{ max_budget: 'much' }, 'litellm_settings.max_budget: must be an amount in USD of at least 0'],
    [{ max_budget: 1, budget_duration: '10y' }, 'litellm_settings.budget_duration: must be a duration such as'],
    [{ max_budget: 'os.environ/NO_SUCH_BUDGET' }, 'litellm_settings.max_budget: names the variable NO_SUCH_BUDGET, which is not set'],
  ])('stops the start at %j, because there would be no limit', async (settings, message) => {
    await expect(start(settings)).rejects.toThrow(`${configPath}: ${message}`);
  });

  const bound = (app: GatewayApp) => ({
    llm: app.llm,
    post: (key: string) => app.post('/v1/chat/completions', CHAT, { authorization: `Bearer ${key}` }),
  });
});

import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { register } from 'prom-client';
import { AppModule } from '../../../sample-app/app.module.js';
import { createHttpAdapter } from '../../../sample-app/start.js';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { broken, entry, withoutKeys, working } from './uncallable-deployments.js';

describe('the sample gateway with uncallable deployments', () => {
  const folder = mkdtempSync(join(tmpdir(), 'uncallable-'));
  let app: NestFastifyApplication;
  let url: string;
  let giveKeysBack: () => void;

  beforeAll(async () => {
    giveKeysBack = withoutKeys();
    const provided = await provider('working');
    const config = {
      model_list: [
        ...broken,
        working(provided.apiBase),
        { ...working(provided.apiBase, '', 'named'), model_info: undefined },
        entry({ model: 'groq/x' }, 'lonely', 'lonely'),
        entry({ model: '*' }, 'any', '*'),
      ],
      router_settings: { num_retries: 0 },
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    process.env.LITELLM_CONFIG = join(folder, 'config.json');
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    testing.useLogger(false);
    app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterAll(async () => {
    delete process.env.LITELLM_CONFIG;
    await app.close();
    register.clear();
    rmSync(folder, { recursive: true });
    await stopProviders();
    giveKeysBack();
  });

  const chat = (model: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk-pro-demo' },
      body: JSON.stringify({ model, messages: HELLO }),
    });

  it('lists the models that can be called', async () => {
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { readonly data: readonly { readonly id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(['chat', 'named', '*']);
  });

  it('answers 503 for the operator’s mistake, and 400 for a wrong model', async () => {
    const misconfigured = await chat('lonely');
    const body = await misconfigured.text();
    expect([misconfigured.status, JSON.parse(body)]).toEqual([
      503,
      { error: expect.objectContaining({ code: 'deployment_misconfigured' }) as object },
    ]);
    expect(body).not.toMatch(/GROQ_API_KEY|sk-/);
    for (const model of ['nobody/x', 'bedrock/claude', 'groq/llama', 'some-name']) {
      const refused = await chat(model);
      expect([model, refused.status, await refused.json()]).toEqual([
        model,
        400,
        { error: expect.objectContaining({ code: 'invalid_argument', param: 'model' }) as object },
      ]);
    }
    const any = app
      .get(FastLiteLLM)
      .router.status()
      .find(({ id }) => id === 'any');
    expect(any).toMatchObject({ state: 'available', failures: 0, inFlight: 0 });
  });

  it('answers by the callable deployment every time', async () => {
    for (let i = 0; i < 30; i++) {
      const response = await chat('chat');
      expect([response.status, response.headers.get('x-litellm-model-id')]).toEqual([200, 'working']);
      await response.arrayBuffer();
    }
  });

  it('names a deployment without an id readably, in headers and metrics', async () => {
    const response = await chat('named');
    await response.arrayBuffer();
    const name = response.headers.get('x-litellm-model-id') ?? '';
    expect(name).toMatch(/^named\/openai\/gpt-4o@127\.0\.0\.1:\d+~[0-9a-f]{8}$/);
    // A family of metrics is shown from the scrape after its first sample.
    await (await fetch(`${url}/metrics`)).text();
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(`deployment="${name}",outcome="success"`);
  });

  it('reports a degraded health with the reason, and counts them', async () => {
    const health = (await (await fetch(`${url}/health`)).json()) as object;
    expect(JSON.stringify(health)).toContain('16 of 19 deployments cannot be called');
    expect(JSON.stringify(health)).not.toContain('sk-secret');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/router_deployments\{state="uncallable"[^}]*\} 16/);
    const page = await (await fetch(`${url}/dashboard`)).text();
    expect(page).toContain('GROQ_API_KEY');
    expect(page).toContain('cannot be called');
    expect(await (await fetch(`${url}/dashboard/models`)).text()).toContain('uncallable');
    expect(page).not.toContain('sk-secret');
  });
});

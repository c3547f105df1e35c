import type { ModelCallHook } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';

const PRICES = { input_cost_per_token: 0.001, output_cost_per_token: 0.001 };
/** The name of a group: only `LlmClient` knows what a call of it may cost. */
const CHAT = { model: 'chat', max_tokens: 20, messages: [{ role: 'user', content: 'Hello' }] };
const BUDGET = { limit: 'team', limits: { usdPerMonth: 0.1 } };

describe('a call that is denied', () => {
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'Hello.' });
    const modelList = ['east', 'west'].map((id) => ({
      ...provider.deployment('chat', { model: 'openai/gpt-4o', ...PRICES }),
      model_info: { id },
    }));
    const hook: ModelCallHook = {
      onRequest: ({ body }) => (JSON.stringify(body).includes('forbidden') ? { deny: 'Not here.' } : undefined),
    };
    const rateLimit = [{ name: 'team', usdPerMonth: 0.1, key: () => 'red' }];
    gateway = await GatewayApp.start('Fastify', { rateLimit }, { module: { router: { modelList }, hooks: [hook] } });
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
  });

  function valueOf(metric: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const matches = (own: Readonly<Record<string, string>> = {}) => Object.entries(labels).every(([label, value]) => own[label] === value);
    return gateway.llm.metrics().find((sample) => sample.name === metric && matches(sample.labels))?.value;
  }

  it('counts as denied by the budget, not as failed, and as no attempt at any deployment', async () => {
    expect((await gateway.post('/v1/chat/completions', CHAT)).status).toBe(200);
    await gateway.llm.rateLimiter.setSpent('red', 0.095, BUDGET);
    const refused = await gateway.post('/v1/chat/completions', CHAT);
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining('budget_exhausted')]);

    expect(valueOf('rate_limit_denied_total', { exceeded: 'usd' })).toBe(1);
    expect(valueOf('llm_client_calls_total', { outcome: 'denied' })).toBe(1);
    expect(valueOf('llm_client_calls_total', { outcome: 'failed' })).toBe(0);
    expect(valueOf('call_errors_total', { component: 'llm_client', operation: 'chat' })).toBe(0);
    expect([valueOf('llm_client_attempts_total'), valueOf('llm_client_retries_total')]).toEqual([1, 0]);
    expect(valueOf('router_calls_total', { outcome: 'cancelled' })).toBe(0);
  });

  it('counts as denied, not as failed, where a hook denies it', async () => {
    const body = { ...CHAT, messages: [{ role: 'user', content: 'forbidden' }] };
    expect((await gateway.post('/v1/chat/completions', body)).status).toBe(400);
    expect(valueOf('llm_client_calls_total', { outcome: 'denied' })).toBe(2);
    expect(valueOf('llm_client_calls_total', { outcome: 'failed' })).toBe(0);
  });
});

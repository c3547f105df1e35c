import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { oneOrAll } from '../../support/long.js';

const PRICES = { input_cost_per_token: 0.001, output_cost_per_token: 0.001 };
const chat = (more: object = {}) => ({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }], ...more });

interface Denial {
  readonly message: string;
  readonly code: string;
  readonly used_tokens?: number;
  readonly estimated_tokens?: number;
  readonly spent_usd?: number;
  readonly estimated_usd?: number;
}

describe.each(oneOrAll(Object.keys(ADAPTERS) as AdapterName[]))('a denial of a gateway on %s', (adapter) => {
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'Hello.' });
  });
  afterEach(() => gateway.stop());
  afterAll(() => provider.close());

  const start = async (rateLimit: object, name = 'gpt-4o'): Promise<void> => {
    const modelList = [provider.deployment(name, { model: 'openai/gpt-4o', ...PRICES })];
    gateway = await GatewayApp.start(adapter, {}, { module: { rateLimit, router: { modelList } } });
  };
  const denied = async (body: object): Promise<Denial> => {
    const { status, text } = await gateway.post('/v1/chat/completions', body);
    expect(status).toBe(429);
    return (JSON.parse(text) as { error: Denial }).error;
  };

  it.each([
    ['a small body', {}],
    ['a large body', { messages: [{ role: 'user', content: 'word '.repeat(5_000) }] }],
  ])('by tokens states what is used and what the request may need: %s', async (_, more) => {
    await start({ tokensPerMinute: 1_000 });
    const { message, used_tokens, estimated_tokens } = await denied(chat({ max_tokens: 2_000, ...more }));
    expect(used_tokens).toBe(0);
    expect(estimated_tokens).toBeGreaterThan(2_000);
    expect(message).toContain(
      `Rate limit reached: 1000 tokens per minute (default): 0 used or reserved, and this request may need ${estimated_tokens}.`,
    );
  });

  it('by a budget names it, and states what is spent and what the request may cost', async () => {
    await start({ usdPerMonth: 0.1, tokensPerMinute: 1_000_000 });
    const { llm } = gateway;
    const address = 'ip:127.0.0.1';
    await llm.rateLimiter.setSpent(address, 0.0995);
    const { message, code, spent_usd, estimated_usd = NaN } = await denied(chat({ max_tokens: 100 }));
    expect([code, spent_usd]).toEqual(['budget_exhausted', 0.0995]);
    expect(estimated_usd).toBeGreaterThan(100 * 0.000_01);
    expect(message).toContain('Budget exceeded: 0.1 USD a month (limit default): 0.0995 USD spent, 0 USD held by requests in flight, and');
    expect(message).toContain(`this request may cost up to ${estimated_usd} USD.`);
  });

  it('by the client, which knows the price, states the same', async () => {
    await start({ usdPerDay: 0.05 }, 'own name');
    const { message, code, estimated_usd } = await denied(chat({ model: 'own name', max_tokens: 100 }));
    expect(code).toBe('request_exceeds_budget');
    expect(estimated_usd).toBeGreaterThan(0.1);
    expect(message).toContain(`0.05 USD a day (limit default): 0 USD spent`);
    expect(message).toContain(`this request may cost up to ${estimated_usd} USD.`);
  });
});

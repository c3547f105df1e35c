import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { GatewayApp } from '../../support/gateway-app.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

// One call of an SDK with its default retries makes as many attempts upstream as the gateway allows.

const MESSAGES = [{ role: 'user' as const, content: 'Hello' }];
const ANSWER = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
};

describe.each(['Express', 'Fastify'] as const)('a call of an SDK with its default retries, on %s', (adapter) => {
  let seen: string[] = [];
  let answer: (attempt: number) => { readonly status: number; readonly headers?: Readonly<Record<string, string>> } = () => ({
    status: 500,
  });
  const gateways: GatewayApp[] = [];
  const start = async (router: object, llmClient: object = {}): Promise<GatewayApp> => {
    const api_base = await scripted((request, response) => {
      seen.push(request.url ?? '');
      const { status, headers } = answer(seen.length);
      const body = status === 200 ? ANSWER : { error: { message: 'no', code: null } };
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    });
    const modelList = ['chat', 'spare'].map((model_name) => ({
      model_name,
      litellm_params: { model: 'openai/m', api_base, api_key: 'sk-1' },
    }));
    const module = { router: { modelList, disableCooldowns: true, ...router }, llmClient } as never;
    const gateway = await GatewayApp.start(adapter, { rateLimit: { default: false } }, { module });
    gateways.push(gateway);
    return gateway;
  };
  beforeEach(() => void (seen = []));
  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
    await stopProviders();
  });
  const calls: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
    openai: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' }).chat.completions.create({ model: 'chat', messages: MESSAGES }),
    'openai, a stream': (url) =>
      new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' }).chat.completions.create({ model: 'chat', messages: MESSAGES, stream: true }),
    anthropic: (url) =>
      new Anthropic({ baseURL: url, apiKey: 'none' }).messages.create({ model: 'chat', messages: MESSAGES, max_tokens: 9 }),
  };
  const statusOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 200,
      ({ status }: { readonly status?: number }) => status,
    );

  it.each(Object.keys(calls))('is sent as often as the gateway retries: %s', async (sdk) => {
    for (const status of [500, 503, 529]) {
      answer = () => ({ status });
      const { url } = await start({ numRetries: 2 });
      seen = [];
      expect([await statusOf(calls[sdk](url)), seen.length]).toEqual([status, 3]);
    }
  });

  it("is not repeated after fallbacks or if the provider's key is wrong", async () => {
    answer = () => ({ status: 500 });
    const withFallback = await start({ numRetries: 0, fallbacks: [{ chat: ['spare'] }] });
    expect([await statusOf(calls.openai(withFallback.url)), seen.length]).toEqual([500, 2]);
    seen = [];
    answer = () => ({ status: 401 });
    const plain = await start({ numRetries: 0 });
    expect([await statusOf(calls.anthropic(plain.url)), seen.length]).toEqual([503, 1]);
  });

  it("is not repeated if the gateway's retry budget is spent", async () => {
    answer = () => ({ status: 500 });
    const { url } = await start({ numRetries: 2 }, { retryRatio: 0, retriesPerSecond: 0 });
    expect([await statusOf(calls.openai(url)), seen.length]).toEqual([500, 1]);
  });

  it('is repeated if the gateway does not retry, after the time that the provider states', async () => {
    answer = (attempt) => ({ status: attempt === 1 ? 500 : 200 });
    const plain = await start({ numRetries: 0 });
    expect([await statusOf(calls.openai(plain.url)), seen.length]).toEqual([200, 2]);
    seen = [];
    answer = (attempt) => (attempt <= 2 ? { status: 429, headers: { 'retry-after-ms': '1' } } : { status: 200 });
    const retrying = await start({ numRetries: 1 });
    expect([await statusOf(calls.openai(retrying.url)), seen.length]).toEqual([200, 3]);
  });
});

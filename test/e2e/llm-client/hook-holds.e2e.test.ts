import {
  FastLiteLLM,
  redisRateLimitStore,
  type HookedCall,
  type LogSink,
  type ModelCallHook,
  type RateLimitOptions,
  type RequestVerdict,
} from 'nestjs-fast-litellm';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const KEY = 'ip:127.0.0.1';
const quiet: LogSink = { log: () => {}, warn: () => {}, error: () => {} };
/** USD for a token of output. */
const PRICE = 0.001;
const opened: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.stop()));
  await stopProviders();
});

/** Changes requests as the test says. */
class Change implements ModelCallHook {
  to: (body: HookedCall['body']) => RequestVerdict | undefined = () => undefined;
  onRequest({ body }: HookedCall): RequestVerdict | undefined {
    return this.to(body);
  }
}

async function start(rateLimit: RateLimitOptions) {
  /** Tokens that are left, and money that is held, while the provider is asked. */
  const left: { tokens: number | undefined; heldUsd: number | undefined }[] = [];
  const provider = await testProvider('openai', {
    script: async () => {
      left.push(await standing());
      return { text: 'Hello', usage: { promptTokens: 20, completionTokens: 30 } };
    },
  });
  const change = new Change();
  const app = await GatewayApp.start(
    'Fastify',
    {},
    {
      module: {
        router: { modelList: [provider.deployment('m', { input_cost_per_token: 0, output_cost_per_token: PRICE })] },
        rateLimit,
        hooks: [change],
        tokenCounter: { pricing: { overrides: { m: { inputPerMillion: 0, outputPerMillion: PRICE * 1e6 } } } },
      },
    },
  );
  opened.push(app);
  const { rateLimiter } = app.llm;
  const standing = async () => {
    const { remainingTokens } = await rateLimiter.peekAsync(KEY, { cost: 0 });
    const [budget] = rateLimit.usdPerDay === undefined ? [] : await rateLimiter.getBudgetsAsync(KEY);
    return { tokens: remainingTokens, heldUsd: budget?.heldUsd };
  };
  const ask = async (more: object = {}) => {
    left.length = 0;
    const messages = [{ role: 'user', content: 'Hello' }];
    const { status, headers, text } = await app.post('/v1/chat/completions', { model: 'm', messages, max_tokens: 100, ...more });
    return { status, headers, error: (JSON.parse(text) as { error?: { type: string; code: string } }).error, left: left[0] };
  };
  return { provider, change, ask, standing, rateLimiter };
}

const stores: readonly (readonly [string, () => Promise<Partial<RateLimitOptions>>])[] = [
  ['in memory', () => Promise.resolve({})],
  ...(hasRedis
    ? ([
        [
          'over Redis',
          async () => {
            const server = await RedisServer.start();
            opened.push(server);
            return { store: redisRateLimitStore({ url: server.url, onStoreError: 'deny', timeoutMs: 10_000 }) };
          },
        ],
      ] as const)
    : []),
];

describe.each(stores)('what a request holds %s, when a hook has changed it', (_, store) => {
  it('is raised by what the new body asks for more, before anything is sent, and settled by the usage', async () => {
    const { change, ask, standing } = await start({ tokensPerMinute: 1_000, maxConcurrent: 1, ...(await store()) });
    const { status, left } = await ask();
    expect(status).toBe(200);
    const prompt = 1_000 - 100 - (left.tokens ?? NaN);
    expect(prompt).toBeGreaterThan(0);
    await until(async () => (await standing()).tokens === 950);

    change.to = (body) => ({ replace: { ...body, max_tokens: 300, n: 2 } });
    expect(await ask()).toMatchObject({ status: 200, left: { tokens: 950 - prompt - 600 } });
    await until(async () => (await standing()).tokens === 900);

    // In place.
    change.to = (body) => {
      const { messages } = body as { messages: object[] };
      messages.push({ role: 'user', content: 'word '.repeat(200) });
      return undefined;
    };
    const { left: longer } = await ask();
    expect(longer.tokens).toBeLessThan(900 - prompt - 100 - 190);
    await until(async () => (await standing()).tokens === 850);

    change.to = (body) => ({ replace: { ...body, max_tokens: 1 } });
    expect(await ask()).toMatchObject({ status: 200, left: { tokens: 850 - prompt - 100 } });
    await until(async () => (await standing()).tokens === 800);
  });

  it('is not exceeded: the call is refused with 429, nothing is sent, and nothing stays held', async () => {
    const { provider, change, ask, standing, rateLimiter } = await start({ tokensPerMinute: 1_000, ...(await store()) });
    const long = [{ role: 'user', content: 'word '.repeat(2_000) }];
    const inFlight = await rateLimiter.reserveAsync(KEY, { tokens: 300 });
    change.to = (body) => ({ replace: { ...body, max_tokens: 900 } });
    const refused = await ask({ max_tokens: 400 });
    expect([refused.status, Number(refused.headers['retry-after']) > 50]).toEqual([429, true]);
    await rateLimiter.settleAsync(inFlight, 0);
    for (const changed of [{ max_tokens: 995 }, { max_tokens: 5_000 }, { max_tokens: 1, messages: long }]) {
      change.to = (body) => ({ replace: { ...body, ...changed } });
      const { status, headers, error } = await ask({ max_tokens: 400 });
      expect({ status, error }).toMatchObject({ status: 429, error: { type: 'tokens', code: 'rate_limit_exceeded' } });
      expect(headers['retry-after']).toBeUndefined();
      await until(async () => (await standing()).tokens === 1_000);
    }
    expect(provider.requests).toHaveLength(0);
  });

  it('is raised in money, too', async () => {
    const { provider, change, ask, standing } = await start({ usdPerDay: 1, ...(await store()) });
    change.to = (body) => ({ replace: { ...body, max_tokens: 700 } });
    const { status, left } = await ask();
    expect(status).toBe(200);
    expect(left.heldUsd).toBeCloseTo(0.7);
    await until(async () => (await standing()).heldUsd === 0);
    change.to = (body) => ({ replace: { ...body, max_tokens: 1_200 } });
    expect(await ask()).toMatchObject({ status: 429, error: { type: 'budget_exceeded', code: 'request_exceeds_budget' } });
    await until(async () => (await standing()).heldUsd === 0);
    expect(provider.requests).toHaveLength(1);
  });
});

describe('what a hook gives', () => {
  const open = async (hook: ModelCallHook) => {
    const provider = await testProvider('openai');
    const llm = new FastLiteLLM({
      router: { modelList: [provider.deployment('m')] },
      hooks: [hook],
      llmClient: { maxAnswerBytes: 100_000 },
      logger: quiet,
    });
    opened.push({ stop: () => llm.close() });
    return { llm, provider };
  };
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const text = 'é'.repeat(40_000);

  it.each<[string, ModelCallHook, sent: number]>([
    ['a request of 33 MiB', { onRequest: ({ body }) => ({ replace: { ...body, user: 'x'.repeat(33 * 1024 * 1024) } }) }, 0],
    ['a text a thousand times', { onRequest: ({ body }) => ({ replace: { ...body, stop: Array<string>(1_000).fill(text) } }) }, 0],
    ['a body that holds itself', { onRequest: ({ body }) => ({ replace: { ...body, metadata: cyclic } }) }, 0],
    ['bytes', { onRequest: ({ body }) => ({ replace: { ...body, input: Buffer.alloc(20_000_000) } }) }, 0],
    ['a long answer', { onRequest: () => ({ answer: text + text }) }, 0],
    ['an answer that holds itself', { onRequest: () => ({ answer: cyclic }) }, 0],
    ['a long text in the place of a short one', { onText: () => text + text }, 1],
    ['a long answer in the place of a short one', { onAnswer: () => ({ replace: { choices: [], text: [text, text] } }) }, 1],
  ])('is bounded as any body: %s', async (_, hook, sent) => {
    const { llm, provider } = await open(hook);
    const call = llm.client.chat({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] });
    await expect(call).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED', status: 503 });
    expect(provider.requests).toHaveLength(sent);
    expect(llm.client.callsInFlight).toBe(0);
  });

  it('is bounded in bytes in a stream', async () => {
    const { llm } = await open({ onText: () => text + text });
    const stream = await llm.client.chat({ model: 'm', stream: true, messages: [{ role: 'user', content: 'Hello' }] });
    await expect(
      (async () => {
        for await (const each of stream) void each;
      })(),
    ).rejects.toMatchObject({ code: 'CALL_HOOK_FAILED' });
  });
});

import { HttpException } from '@nestjs/common';
import * as root from 'nestjs-fast-litellm';
import { engineNames } from '../support/engine-names.js';
import { HOSTILE_VALUES, OwnError } from './hostile-values.js';

const { FastLiteLLMError } = root;

/** A function, and arguments that it takes. */
type Call = readonly [(...args: never[]) => unknown, ...(() => unknown)[]];

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const modelList = (): object[] => [
  {
    model_name: 'chat',
    litellm_params: { model: 'openai/gpt-4o', api_key: 'sk-1', rpm: 1000, weight: 1, tags: ['a'] },
    model_info: { id: 'one' },
  },
];
const message = (): object => ({
  role: 'user',
  name: 'a',
  content: [
    { type: 'text', text: 'Hello' },
    { type: 'image_url', image_url: { url: 'https://x.test/a.png', detail: 'low' } },
  ],
  tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
});
const tool = (): object => ({
  type: 'function',
  function: { name: 'f', description: 'd', parameters: { type: 'object', properties: { a: { type: 'string', enum: ['b'] } } } },
});
const limits = (): object => ({ requestsPerSecond: 9, burst: 9, requestsPerMinute: 90, tokensPerMinute: 900, maxConcurrent: 9 });
const text = (): string => 'Hello world';
const countOptions = (): object => ({ model: 'gpt-4o', allowedSpecial: ['<|endoftext|>'], requestId: 'a' });
const limitOptions = (): object => ({ cost: 1, tokens: 1, limit: 'own', limits: limits() });
const routing = (): object => ({ inputTokens: 3, tags: ['a'], blockedModels: ['b'], strategy: 'least_busy', stream: false });
const record = (): object => ({ component: 'c', operation: 'o', durationMs: 1, success: true, inputSize: 1, outputSize: 1 });
const id = (): number => 1;

function callsOf(llm: root.FastLiteLLM): Readonly<Record<string, Call>> {
  const { tokenCounter, rateLimiter, connectionPool, router, monitor, featureFlags, acceleration, client } = llm;
  const picked = <R>(use: (pick: root.RoutedSelection, outcome: never) => R) => {
    return (pick: root.RoutedSelection, outcome: never): R => {
      try {
        return use(pick, outcome);
      } finally {
        if (booked !== undefined) router.cancelled(booked);
      }
    };
  };
  let booked: root.RoutedSelection | undefined;
  const pick = (): root.RoutedSelection => (booked = router.acquire('chat'));
  const usage = (): object => ({ latencyMs: 5, promptTokens: 1, completionTokens: 1, timeToFirstTokenMs: 1 });
  const storage = new root.FastThrottlerStorage(rateLimiter);
  return {
    countTokens: [tokenCounter.countTokens.bind(tokenCounter), text, countOptions],
    countTokensBatch: [tokenCounter.countTokensBatch.bind(tokenCounter), () => ['a', 'b'], countOptions],
    countTokensBatchAsync: [tokenCounter.countTokensBatchAsync.bind(tokenCounter), () => ['a', 'b'], countOptions],
    countMessages: [tokenCounter.countMessages.bind(tokenCounter), () => [message()], () => ({ model: 'gpt-4o', tools: [tool()] })],
    countRequest: [tokenCounter.countRequest.bind(tokenCounter), () => ({ messages: [message()], tools: [tool()] }), countOptions],
    'countRequest of input': [tokenCounter.countRequest.bind(tokenCounter), () => ({ instructions: 'a', input: [message()] })],
    encode: [tokenCounter.encode.bind(tokenCounter), text, countOptions],
    decode: [tokenCounter.decode.bind(tokenCounter), () => [1, 2], countOptions],
    isWithinTokenLimit: [tokenCounter.isWithinTokenLimit.bind(tokenCounter), text, id, countOptions],
    truncate: [tokenCounter.truncate.bind(tokenCounter), text, id, countOptions],
    trimMessages: [tokenCounter.trimMessages.bind(tokenCounter), () => [message(), message()], () => ({ maxTokens: 9, trimRatio: 0.5 })],
    estimateCost: [tokenCounter.estimateCost.bind(tokenCounter), id, id, () => 'gpt-4o', () => ({ cacheReadTokens: 1 })],
    getModelLimits: [tokenCounter.getModelLimits.bind(tokenCounter), () => 'gpt-4o'],
    check: [rateLimiter.check.bind(rateLimiter), text, limitOptions],
    getRemaining: [rateLimiter.getRemaining.bind(rateLimiter), text, limitOptions],
    peek: [rateLimiter.peek.bind(rateLimiter), () => ['a', { key: 'b', limits: limits() }], limitOptions],
    reserve: [rateLimiter.reserve.bind(rateLimiter), () => ['a', { key: 'b', limits: limits() }], limitOptions],
    reserveAsync: [rateLimiter.reserveAsync.bind(rateLimiter), () => ['a'], limitOptions],
    settle: [rateLimiter.settle.bind(rateLimiter), () => rateLimiter.reserve('a'), id],
    release: [rateLimiter.release.bind(rateLimiter), () => rateLimiter.reserve('a'), limitOptions],
    reset: [rateLimiter.reset.bind(rateLimiter), text, limitOptions],
    getStats: [rateLimiter.getStats.bind(rateLimiter), () => ['a']],
    increment: [storage.increment.bind(storage), text, () => 1000, () => 5, () => 1000, () => 'default'],
    FastThrottlerStorage: [(limiter: never) => new root.FastThrottlerStorage(limiter), () => rateLimiter],
    getConnection: [connectionPool.getConnection.bind(connectionPool), () => 'no url'],
    acquireConnection: [connectionPool.acquire.bind(connectionPool), () => 'no url', () => ({ timeoutMs: 1, signal: undefined })],
    use: [connectionPool.use.bind(connectionPool), () => 'no url', () => () => Promise.resolve(1), () => ({ signal: undefined })],
    request: [connectionPool.request.bind(connectionPool), id, () => ({ path: '/' })],
    returnConnection: [connectionPool.returnConnection.bind(connectionPool), id],
    removeConnection: [connectionPool.removeConnection.bind(connectionPool), id],
    healthCheckConnection: [connectionPool.healthCheck.bind(connectionPool), id],
    acquire: [(model: never, context: never) => router.cancelled(router.acquire(model, context)), () => 'chat', routing],
    'router.getAvailableDeployment': [router.getAvailableDeployment.bind(router), () => 'chat', routing],
    explain: [router.explain.bind(router), () => 'chat', routing],
    healthyCount: [router.healthyCount.bind(router), () => 'chat', routing],
    fallbacksOf: [router.fallbacksOf.bind(router), () => 'chat', () => 'general'],
    succeeded: [picked(router.succeeded.bind(router)), pick, usage],
    failed: [picked(router.failed.bind(router)), pick, () => ({ error: new Error('a') })],
    cancelled: [picked(router.cancelled.bind(router)), pick, usage],
    addDeployment: [
      (entry: never) => router.removeDeployment(router.addDeployment(entry).id),
      () => ({ ...modelList()[0], model_info: {} }),
    ],
    getAvailableDeployment: [
      root.getAvailableDeployment,
      modelList,
      () => 'chat',
      () => ['b'],
      routing,
      () => ({ strategy: 'cost_based' }),
    ],
    recordPerformance: [monitor.recordPerformance.bind(monitor), record],
    getPerformanceStats: [monitor.getPerformanceStats.bind(monitor), () => 'c'],
    compareImplementations: [monitor.compareImplementations.bind(monitor), () => 'c', () => 'd'],
    exportPerformanceData: [monitor.exportPerformanceData.bind(monitor), () => 'c', () => 'csv'],
    isEnabled: [featureFlags.isEnabled.bind(featureFlags), () => 'rust_routing', text],
    resetErrors: [featureFlags.resetErrors.bind(featureFlags), () => 'rust_routing'],
    applyAcceleration: [acceleration.apply.bind(acceleration), () => ({ targets: [] })],
    chat: [client.chat.bind(client), () => ({ model: 'unknown', messages: [message()] }), () => ({ routing: routing(), request: {} })],
    execute: [
      client.execute.bind(client),
      () => 'chat',
      () => () => Promise.resolve({ usage: { prompt_tokens: 1 } }),
      () => ({ request: {} }),
    ],
    reportUsage: [root.reportUsage, () => ({}), () => ({ total_tokens: 1 })],
    forRoot: [root.FastLiteLLMModule.forRoot.bind(root.FastLiteLLMModule), () => ({})],
    SimpleTokenCounter: [(most: never) => new root.SimpleTokenCounter(most), id],
    SimpleRateLimiter: [(most: never) => new root.SimpleRateLimiter(most), id],
    SimpleConnectionPool: [(name: never) => new root.SimpleConnectionPool(name), text],
    AdvancedRouter: [(strategy: never) => new root.AdvancedRouter(strategy), () => 'cost_based'],
  };
}

/** Every place in a value: itself, its fields, and theirs. */
function placesIn(value: unknown, place: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [place];
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? [place, ...Object.entries(value).flatMap(([key, part]) => placesIn(part, [...place, key]))] : [place];
}

function replaced(value: unknown, place: readonly string[], by: unknown): unknown {
  if (place.length === 0) return by;
  const [key, ...rest] = place;
  const holder = value as Record<string, unknown>;
  holder[key] = replaced(holder[key], rest, by);
  return holder;
}

async function complaint(call: () => unknown): Promise<string | undefined> {
  try {
    const result = await call();
    return Number.isNaN(result) ? 'NaN' : undefined;
  } catch (error) {
    if (error instanceof FastLiteLLMError) return error.message.length > 1000 ? 'a long message' : undefined;
    return error instanceof HttpException || error instanceof OwnError ? undefined : String((error as Error).stack).slice(0, 300);
  }
}

describe.each(engineNames())('hostile arguments to the %s engine', (engine) => {
  const llm = new root.FastLiteLLM({ engine, logger: quiet, router: { modelList: modelList() as never } });
  afterAll(() => llm.close());

  it.each(Object.entries(callsOf(llm)))('%s returns a result or throws an error with the argument’s path', async (_, [call, ...makers]) => {
    const complaints: string[] = [];
    for (const [index, maker] of makers.entries()) {
      for (const place of placesIn(maker())) {
        for (const [name, make] of Object.entries(HOSTILE_VALUES)) {
          const args = makers.map((each) => each());
          args[index] = replaced(args[index], place, make());
          const said = await complaint(() => call(...(args as never[])));
          if (said !== undefined) complaints.push(`argument ${index + 1} ${place.join('.')}: ${name}: ${said}`);
        }
      }
    }
    expect(complaints).toEqual([]);
  });

  it('does not count a hostile argument as a failure of the native engine', () => {
    expect(llm.engineStates().map(({ nativeErrors }) => nativeErrors)).toEqual(llm.engineStates().map(() => 0));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('does not count a hostile argument as a failure or a difference in shadow runs', async () => {
    const beside = new root.FastLiteLLM({
      engine,
      logger: quiet,
      featureFlags: { features: { rust_token_counting: 'shadow' } },
    });
    expect(() => beside.tokenCounter.countMessages([HOSTILE_VALUES.throwing() as never])).toThrow(OwnError);
    expect(beside.engineStates()[0]).toMatchObject({ nativeErrors: 0, shadow: { differences: 0 } });
    await beside.close();
  });
});

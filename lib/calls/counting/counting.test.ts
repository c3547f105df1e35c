import { ProviderError, type ProviderFailureFacts } from '../../common/provider-error.js';
import { CountCache } from './exact-counts.js';
import { countedOperationOf, localBody, promptFields } from '../../apis/counted-request.js';
import { CountingAccount, CountingSlots } from './counting-account.js';
import { resolveOptions } from '../../common/option.js';
import { EXACT_COUNTS } from './exact-counts.options.js';

const HELLO = [{ role: 'user', content: 'Hello' }];
const failure = (facts: Partial<ProviderFailureFacts>): ProviderError =>
  new ProviderError({ kind: 'server', message: 'no', provider: 'p', deploymentId: 'd', ...facts });

const accountOf = (requestsPerMinute: number): CountingAccount => new CountingAccount({ requestsPerMinute, maxConcurrent: 1 });

describe('countedOperationOf', () => {
  it.each<[string, object]>([
    ['chat', { messages: HELLO }],
    [
      'chat',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }], tools: [{ type: 'function', function: { name: 'f' } }] },
    ],
    ['chat', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }], thinking: { type: 'enabled' } }],
    ['messages', { messages: HELLO, system: 'Be brief.' }],
    ['messages', { messages: HELLO, tools: [{ name: 'f', input_schema: {} }] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] }] }],
    ['responses', { input: 'Hello' }],
    ['responses', { prompt: { id: 'p' } }],
    ['chat', { prompt: 'Hello' }],
    ['chat', {}],
  ])('is %s for %j', (operation, body) => expect(countedOperationOf(body as never)).toBe(operation));
});

describe('promptFields', () => {
  const own = { tags: ['a'], num_retries: 1 };

  it('keeps the prompt of a chat, and fields of the provider', () => {
    const prompt = { model: 'm', messages: HELLO, tools: [], reasoning_effort: 'low', cachedContent: 'c', ...own };
    const limits = { max_tokens: 1, n: 2, stop: ['a'], temperature: 3, stream: true, seed: 1, user: undefined };
    expect(promptFields({ ...prompt, ...limits }, 'chat')).toEqual(prompt);
  });

  it.each([
    ['messages', { messages: HELLO, system: 's', thinking: {} }, { max_tokens: 1, stream: true, top_k: 1, stop_sequences: [] }],
    ['responses', { input: 'a', reasoning: {}, text: {} }, { max_output_tokens: 1, stream: true, store: false, background: true }],
  ] as const)('keeps what makes the prompt of %s', (operation, prompt, limits) => {
    expect(promptFields({ ...prompt, ...limits, ...own }, operation)).toEqual({ ...prompt, ...own });
  });
});

describe('localBody', () => {
  it('puts a message around the text of a response', () => {
    expect(localBody({ model: 'm', input: 'Hello' }, 'responses')).toEqual({ model: 'm', input: HELLO, instructions: '' });
  });

  it.each([
    [{ input: 7 }, 'responses', 'input'],
    [{ input: [7] }, 'responses', 'input[0]'],
    [{}, 'chat', 'messages'],
    [{ messages: ['a'] }, 'messages', 'messages[0]'],
  ] as const)('refuses %j as %s', (body, operation, path) => {
    expect(() => localBody(body, operation)).toThrow(expect.objectContaining({ name: 'InvalidArgumentError', path }));
  });
});

describe('CountCache', () => {
  it('keeps a bounded number of counts, those that were used last', () => {
    const cache = new CountCache(2, 1000);
    cache.set('a', 1, 0);
    cache.set('b', 2, 0);
    expect(cache.get('a', 1)).toBe(1);
    cache.set('c', 3, 1);
    expect(['a', 'b', 'c'].map((key) => cache.get(key, 2))).toEqual([1, undefined, 3]);
  });

  it('forgets a count after its time, however often it is read', () => {
    const cache = new CountCache(2, 1000);
    cache.set('a', 1, 0);
    expect([cache.get('a', 999), cache.get('a', 1000), cache.get('a', 1)]).toEqual([1, undefined, undefined]);
  });

  it('keeps nothing with a time of 0', () => {
    const cache = new CountCache(2, 0);
    cache.set('a', 1, 0);
    expect(cache.get('a', 0)).toBeUndefined();
  });
});

describe('CountingAccount', () => {
  it('allows as many requests as the limit says in any minute', () => {
    const account = accountOf(3);
    const times = [0, 10_000, 20_000, 30_000, 59_999, 60_000, 60_001, 70_000, 79_999, 80_000];
    expect(times.filter((ms) => account.take('m', ms) === undefined)).toEqual([0, 10_000, 20_000, 60_000, 70_000, 80_000]);
    expect(account.take('m', 80_001)).toBe('limited');
  });

  it('rests as long as a 429 says, for all models', () => {
    const account = accountOf(10);
    expect(account.failed('m', failure({ kind: 'rate_limit', status: 429, retryAfterMs: 30_000 }), 0)).toBe('rate_limit');
    expect([account.take('n', 29_999), account.take('n', 30_000)]).toEqual(['rate_limit', undefined]);
  });

  it('rests no longer than ten minutes', () => {
    const account = accountOf(10);
    account.failed('m', failure({ kind: 'rate_limit', status: 429, retryAfterMs: 1e12 }), 0);
    expect(account.take('m', 600_000)).toBeUndefined();
  });

  it('rests twice as long after each failure in a row, and failures at once count as one', () => {
    const account = accountOf(10);
    for (let i = 0; i < 5; i++) account.failed('m', failure({ kind: 'timeout' }), 0);
    expect([account.refusal('m', 9_999), account.refusal('m', 10_000)]).toEqual(['timeout', undefined]);
    account.failed('m', failure({ kind: 'connection' }), 10_000);
    expect([account.refusal('m', 29_999), account.refusal('m', 30_000)]).toEqual(['connection', undefined]);
    account.succeeded();
    account.failed('m', failure({}), 30_000);
    expect(account.refusal('m', 40_000)).toBeUndefined();
  });

  it.each([
    { kind: 'not_found', status: 404 },
    { kind: 'bad_request', status: 405 },
    { kind: 'server', status: 501 },
    { kind: 'bad_request', status: 400, message: "The provided model doesn't support counting tokens." },
  ] as const)('does not ask for a model again after %j', (facts) => {
    const account = accountOf(10);
    expect(account.failed('m', failure(facts), 0)).toBe('unsupported');
    expect([account.take('m', 599_999), account.take('other', 1), account.take('m', 600_000)]).toEqual([
      'unsupported',
      undefined,
      undefined,
    ]);
  });

  it.each(['bad_request', 'context_window', 'content_policy'] as const)('asks on after %s', (kind) => {
    const account = accountOf(10);
    expect(account.failed('m', failure({ kind, status: 400 }), 0)).toBe(kind);
    expect(account.take('m', 1)).toBeUndefined();
  });
});

describe('CountingSlots', () => {
  it('gives places in the order of waiting, and none after the wait', async () => {
    const slots = new CountingSlots(1);
    expect(await slots.take(0)).toBe(true);
    const order: string[] = [];
    const late = slots.take(1).then((taken) => order.push(`late ${taken}`));
    const [first, second] = ['first', 'second'].map((name) => slots.take(60_000).then((taken) => order.push(`${name} ${taken}`)));
    await late;
    slots.release();
    await first;
    slots.release();
    await second;
    expect(order).toEqual(['late false', 'first true', 'second true']);
    slots.release();
    expect(await slots.take(0)).toBe(true);
  });
});

describe('the options of exact counts', () => {
  it('has a default for each field', () => {
    const defaults = { timeoutMs: 5000, requestsPerMinute: 100, maxConcurrent: 16, cacheTtlMs: 3_600_000, maxCached: 10_000 };
    expect(resolveOptions(EXACT_COUNTS, 'x')).toEqual(defaults);
    expect(resolveOptions(EXACT_COUNTS, 'x', { cacheTtlMs: 0 })).toEqual({ ...defaults, cacheTtlMs: 0 });
  });

  it.each([
    [7, 'x'],
    [{ ttl: 1 }, 'x.ttl'],
    [{ timeoutMs: 0 }, 'x.timeoutMs'],
    [{ requestsPerMinute: '9' }, 'x.requestsPerMinute'],
    [{ maxConcurrent: 1e9 }, 'x.maxConcurrent'],
    [{ cacheTtlMs: -1 }, 'x.cacheTtlMs'],
    [{ maxCached: 1.5 }, 'x.maxCached'],
  ])('refuses %j', (options, path) => {
    expect(() => resolveOptions(EXACT_COUNTS, 'x', options)).toThrow(expect.objectContaining({ name: 'InvalidConfigurationError', path }));
  });
});

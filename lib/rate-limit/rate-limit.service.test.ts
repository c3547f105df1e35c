import fc from 'fast-check';
import { engineNames } from '../../test/support/engine-names.js';
import type { EngineMode } from '../engine/engine-mode.js';
import { FastLiteLLMError, InvalidArgumentError } from '../common/errors.js';
import { FastLiteLLM } from '../fast-litellm.js';
import type { FastLiteLLMOptions } from '../fast-litellm.options.js';
import { NativeRateLimitEngine } from './engine/native.js';
import type { RateLimitStore } from './store.js';
import { TypeScriptRateLimitEngine } from './engine/typescript.js';
import type { Reservation } from './reservation.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };

let nowMs = 1_700_000_000_000;
const open = (engine: EngineMode, options: FastLiteLLMOptions) =>
  new FastLiteLLM({ logger, engine, ...options }, { env: {}, now: () => nowMs }).rateLimiter;

describe.each(engineNames())('RateLimiterService on the %s engine', (engine) => {
  const limiter = (rateLimit: FastLiteLLMOptions['rateLimit']) => open(engine, { rateLimit });

  it('returns the result of the contract', () => {
    const limits = limiter({ requestsPerMinute: 2 });
    expect(limits.check('a')).toMatchObject({ allowed: true, reason: 'ok', limit: 2, remainingRequests: 1, resetMs: 60_000 });
    expect(limits.check('a')).not.toHaveProperty('exceeded', expect.anything());
    nowMs += 10_000;
    const refused = limits.check('a');
    expect(refused).toMatchObject({ allowed: false, reason: 'rate_limit_exceeded', exceeded: 'minute', limit: 2, remainingRequests: 0 });
    expect(refused.retryAfterMs).toBe(50_000);
    expect(limits.isAllowed('b')).toBe(true);
    nowMs += 49_999;
    expect(limits.isAllowed('a')).toBe(false);
    nowMs += 1;
    expect(limits.isAllowed('a')).toBe(true);
  });

  it('names the limit that denied a request', () => {
    const refusedBy = (limits: object, options = {}) => {
      const one = limiter({ ...limits });
      one.check('a', { cost: 0 });
      return [one.check('a', options), one.check('a', options)][1].exceeded;
    };
    expect(refusedBy({ requestsPerSecond: 1 })).toBe('second');
    expect(refusedBy({ requestsPerMinute: 1 })).toBe('minute');
    expect(refusedBy({ requestsPerHour: 1 })).toBe('hour');
    expect(refusedBy({ requestsPerDay: 1 })).toBe('day');
    expect(refusedBy({ requestsPerWindow: 1, windowMs: 10 })).toBe('window');
    expect(refusedBy({ tokensPerMinute: 1 }, { tokens: 1 })).toBe('tokens');
    expect(refusedBy({ maxConcurrent: 1 })).toBe('concurrency');
  });

  it('reserves more tokens for a request in flight, takes no slot for that, and settles all of them', () => {
    const limits = limiter({ tokensPerMinute: 100, maxConcurrent: 1, limits: { team: { tokensPerMinute: 80 } } });
    const left = () => [limits.peek('a', { cost: 0 }), limits.peek('t', { cost: 0, limit: 'team' })].map((each) => each.remainingTokens);
    const take = () => limits.reserve(['a', { key: 't', limit: 'team' }], { tokens: 50 });
    const first = take();
    nowMs += 700;
    expect(limits.reserveMore(first, 20)).toBeUndefined();
    expect(left()).toEqual([30, 10]);
    // What the team has not is not taken from the key.
    expect(limits.reserveMore(first, 20)).toMatchObject({ limit: { name: 'team' }, retryAfterMs: expect.any(Number) as number });
    expect(left()).toEqual([30, 10]);
    expect(limits.reserveMore(first, 10_000)).toMatchObject({ limit: { name: 'default' } });
    limits.settle(first, 65);
    expect(left()).toEqual([35, 15]);
    limits.settle(first, 0);
    limits.settle(first, 99);
    expect(limits.reserveMore(first, 1)).toBeUndefined();
    expect(left()).toEqual([35, 15]);

    nowMs += 60_000;
    const second = take();
    expect(limits.reserveMore(second, 10)).toBeUndefined();
    limits.settle(second, 0);
    expect(left()).toEqual([100, 80]);
    const standing = take();
    expect(limits.reserveMore(standing, 10)).toBeUndefined();
    limits.settle(standing, { usd: 0 });
    expect(left()).toEqual([40, 20]);
    expect(take()).toMatchObject({ allowed: false, exceeded: 'tokens' });
  });

  it('returns remaining requests and peeks without taking', () => {
    const limits = limiter({ requestsPerMinute: 3, tokensPerMinute: 100 });
    for (let i = 0; i < 5; i++) expect(limits.getRemaining('a')).toBe(3);
    expect(limits.peek('a', { tokens: 101 })).toMatchObject({ allowed: false, exceeded: 'tokens', remainingTokens: 100 });
    expect(limits.peek('a', { tokens: 101 }).retryAfterMs).toBeUndefined();
    limits.check('a', { cost: 2, tokens: 60 });
    expect(limits.peek('a', { cost: 0 })).toMatchObject({ remainingRequests: 1, remainingTokens: 40 });
    expect(limits.check('a', { cost: 2 })).toMatchObject({ allowed: false, remainingRequests: 1 });
    expect(limits.getRemaining('a')).toBe(1);
  });

  it('allows only as many parallel reservations as there are tokens', () => {
    const limits = limiter({ tokensPerMinute: 100 });
    const made = Array.from({ length: 5 }, () => limits.reserve('a', { tokens: 50 }));
    expect(made.map(({ allowed }) => allowed)).toEqual([true, true, false, false, false]);
  });

  it('returns unused tokens once', () => {
    const limits = limiter({ tokensPerMinute: 100 });
    const reservation = limits.reserve('a', { tokens: 100 });
    for (let i = 0; i < 3; i++) limits.settle(reservation, 50);
    expect(limits.peek('a', { cost: 0 }).remainingTokens).toBe(50);
    const three = limiter({ tokensPerMinute: 1000 });
    for (let i = 0; i < 3; i++) three.settle(three.reserve('a', { tokens: 110 }), 110);
    expect(three.peek('a', { cost: 0 }).remainingTokens).toBe(670);
    three.settle(three.reserve('a', { tokens: 600 }), 900);
    expect(three.peek('a', { cost: 0 }).remainingTokens).toBe(0);
  });

  it('counts used tokens when none were reserved', () => {
    const limits = limiter({ tokensPerMinute: 100 });
    limits.settle(limits.reserve('a'), 90);
    expect(limits.peek('a', { cost: 0 }).remainingTokens).toBe(10);
  });

  it('settles nothing for a denial, and rejects a copy of a reservation', () => {
    const limits = limiter({ tokensPerMinute: 100 });
    limits.reserve('a', { tokens: 100 });
    const refused = limits.reserve('a', { tokens: 100 });
    limits.settle(refused, 0);
    expect(limits.peek('a', { cost: 0 }).remainingTokens).toBe(0);
    const made = { ...refused, allowed: true } as Reservation;
    for (const call of [() => limits.settle(made, 0), () => limits.release(made)]) expect(call).toThrow(InvalidArgumentError);
    for (const tokens of [-1, NaN, undefined]) expect(() => limits.settle(refused, tokens as number)).toThrow(InvalidArgumentError);
  });

  it('frees a slot by settling, by releasing and by its key', () => {
    const limits = limiter({ maxConcurrent: 2 });
    const [first, second] = [limits.reserve('a'), limits.reserve('a')];
    expect(limits.reserve('a')).toMatchObject({ allowed: false, exceeded: 'concurrency' });
    limits.release(first);
    limits.release(first);
    expect(limits.isAllowed('a')).toBe(true);
    expect(limits.isAllowed('a')).toBe(false);
    limits.settle(second, 0);
    expect(limits.isAllowed('a')).toBe(true);
    limits.release('a');
    expect(limits.isAllowed('a')).toBe(true);
  });

  it('takes from all scopes or from none', () => {
    const limits = limiter({ requestsPerMinute: 10, limits: { team: { requestsPerMinute: 3, tokensPerMinute: 100 } } });
    const scopes = ['user', { key: 'team', limit: 'team' }] as const;
    expect(limits.reserve(scopes, { tokens: 60 })).toMatchObject({ allowed: true, scope: 1, remainingRequests: 2 });
    expect(limits.reserve(scopes, { tokens: 60 })).toMatchObject({ allowed: false, scope: 1, exceeded: 'tokens' });
    expect(limits.getRemaining('user')).toBe(9);
    expect(limits.getRemaining('team', { limit: 'team' })).toBe(2);
    expect(limits.peek(scopes, { cost: 5 })).toMatchObject({ allowed: false, scope: 1, exceeded: 'minute' });
    const reserved = limits.reserve(scopes, { tokens: 40 });
    limits.settle(reserved, 10);
    expect(limits.peek('team', { limit: 'team', cost: 0 }).remainingTokens).toBe(30);
  });

  it('counts limits of different names apart, and accepts limits with the call', () => {
    const limits = limiter({ requestsPerMinute: 1, limits: { chat: { requestsPerMinute: 1 } } });
    expect([limits.isAllowed('a'), limits.isAllowed('a', { limit: 'chat' })]).toEqual([true, true]);
    const given = { requestsPerMinute: 2 };
    expect([1, 2, 3].map(() => limits.isAllowed('a', { limit: 'mine', limits: given }))).toEqual([true, true, false]);
    limits.reset('a', { limit: 'mine', limits: given });
    expect(limits.isAllowed('a', { limit: 'mine', limits: given })).toBe(true);
    expect(limits.isAllowed('a')).toBe(false);
  });

  it('opens one policy for equal limits that are written with each call', () => {
    const { prototype } = engine === 'native' ? NativeRateLimitEngine : TypeScriptRateLimitEngine;
    const opened = jest.spyOn(prototype, 'policy');
    const closed = jest.spyOn(prototype, 'closePolicy');
    const limits = limiter({ requestsPerMinute: 1 });
    const passes = (requestsPerMinute: number) => limits.isAllowed('a', { limit: 'mine', limits: { requestsPerMinute } });
    expect(Array.from({ length: 100 }, () => passes(3)).filter(Boolean)).toHaveLength(3);
    expect(opened.mock.calls.length - closed.mock.calls.length).toBe(1);
    // More than are remembered: these are asked for again, and held once.
    for (let round = 0; round < 3; round++) for (let more = 4; more < 1100; more++) passes(more);
    expect(opened.mock.calls.length).toBeGreaterThan(1097);
    expect(opened.mock.calls.length - closed.mock.calls.length).toBe(1097);
    expect(() => limits.check('a', { limits: { requestsPerMinute: 3, burst: null } as never })).toThrow(InvalidArgumentError);
    void limits.close();
    expect(opened.mock.calls.length).toBe(closed.mock.calls.length);
    jest.restoreAllMocks();
  });

  it('counts decisions, and returns details of the requested keys', () => {
    const limits = limiter({ requestsPerMinute: 1 });
    ['a', 'a', 'b'].forEach((key) => limits.check(key));
    expect(limits.getStats()).toEqual({ totalChecks: 3, allowedCount: 2, deniedCount: 1, keys: 2 });
    expect(limits.getStats(['a', '__proto__']).details).toMatchObject({ a: { remainingRequests: 0 } });
    const value = (name: string, exceeded?: string) =>
      limits.metrics().find((sample) => sample.name === `rate_limit_${name}` && sample.labels?.exceeded === exceeded)?.value;
    expect([value('allowed_total'), value('denied_total', 'minute'), value('denied_total', 'hour'), value('keys')]).toEqual([2, 1, 0, 2]);
  });

  it('decides and counts the same by every method, watched or not', async () => {
    const limits = limiter({ requestsPerMinute: 2, limits: { other: { tokensPerMinute: 1 } } });
    const round = async (key: string) => [
      limits.isAllowed(key),
      limits.isAllowed(key, { limit: 'other', tokens: 2 }),
      (await limits.checkAsync(key)).allowed,
      limits.check(key).exceeded,
      limits.reserve([key]).exceeded,
      limits.isAllowed(key, { limit: 'other', tokens: 1 }),
      limits.isAllowed(key),
    ];
    const answers = [true, false, true, 'minute', 'minute', true, false];
    await expect(round('a')).resolves.toEqual(answers);
    const watch = limits.watch();
    await expect(round('b')).resolves.toEqual(answers);
    await expect(watch.nearest(9)).resolves.toMatchObject([{ key: 'b' }, { key: 'b' }]);
    expect(limits.getStats()).toMatchObject({ totalChecks: 14, allowedCount: 6, deniedCount: 8 });
    const refused = limits
      .metrics()
      .flatMap(({ labels, value }) => (labels?.exceeded !== undefined && value > 0 ? [[labels.exceeded, value]] : []));
    expect(refused).toEqual([
      ['minute', 6],
      ['tokens', 2],
    ]);
  });

  it.each([
    ['check', [1]],
    ['check', [undefined]],
    ['check', [['a']]],
    ['isAllowed', [undefined]],
    ['isAllowed', ['a', { cost: -1 }]],
    ['isAllowed', ['a', null]],
    ['check', ['a', { cost: -1 }]],
    ['check', ['a', { cost: 0.5 }]],
    ['check', ['a', { tokens: 2 ** 32 }]],
    ['check', ['a', { limit: 'unknown' }]],
    ['check', ['a', { limits: {} }]],
    ['check', ['a', { limits: { requestsPerMinut: 1 } }]],
    ['check', ['a', { limits: { burst: 1 } }]],
    ['reserve', [[]]],
    ['reserve', [Array.from({ length: 65 }, () => 'a')]],
    ['reserve', [[{ key: 1 }]]],
    ['reserve', [[{ key: 'a', limit: 'a\0b', limits: { requestsPerMinute: 1 } }]]],
  ] as const)('rejects %s(%j)', (method, args) => {
    const limits = limiter({ requestsPerMinute: 1 });
    expect(() => (limits[method] as (...all: unknown[]) => unknown)(...args)).toThrow(InvalidArgumentError);
  });

  it('accepts any string as a key', () => {
    const limits = limiter({ requestsPerMinute: 1 });
    const keys = ['', '\0', '__proto__', 'constructor', '🦀', '\ud800', '*', '{a}', 'x'.repeat(1 << 20)];
    expect(keys.map((key) => limits.isAllowed(key))).toEqual(keys.map(() => true));
    expect(keys.map((key) => limits.isAllowed(key))).toEqual(keys.map(() => false));
  });

  it('is healthy, and forgets all keys when closed', async () => {
    const limits = limiter({ requestsPerMinute: 1 });
    expect(limits.health()).toMatchObject({ status: 'ok', engine, store: 'memory' });
    limits.check('a');
    await limits.close();
    await limits.close();
    expect(limits.isAllowed('a')).toBe(true);
    await limits.close();
  });

  it('shares counters by name', () => {
    const [first, second, other] = ['one', 'one', undefined].map((sharedAs) => limiter({ requestsPerMinute: 1, sharedAs }));
    expect(first.isAllowed('a')).toBe(true);
    if (engine === 'native') expect(second.isAllowed('a')).toBe(false);
    expect(other.isAllowed('a')).toBe(true);
    void first.close();
    void second.close();
  });
});

describe('a rollout', () => {
  it('keeps every key on one engine, and decides over both all or nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), { maxLength: 80 }), (pairs) => {
        const limits = open('auto', {
          rateLimit: { requestsPerMinute: 4 },
          featureFlags: { features: { rust_rate_limiting: 'canary:50' } },
        });
        const spent = new Map<string, number>();
        const left = (key: string) => 4 - (spent.get(key) ?? 0);
        for (const [a, b] of pairs) {
          const keys = a === b ? [`${a}`] : [`${a}`, `${b}`];
          const allowed = keys.every((key) => left(key) > 0);
          expect(limits.reserve(keys)).toMatchObject({ allowed, remainingRequests: expect.any(Number) });
          if (allowed) for (const key of keys) spent.set(key, (spent.get(key) ?? 0) + 1);
          for (const key of keys) expect(limits.getRemaining(key)).toBe(left(key));
        }
        void limits.close();
      }),
      { numRuns: 30 },
    );
  });
});

describe('another store', () => {
  it('is awaited, and gets the usage', async () => {
    const told: unknown[] = [];
    const late = (memory: RateLimitStore): RateLimitStore => ({
      ...({
        kind: 'late',
        stats: () => ({}),
        metrics: () => [],
        health: () => Promise.resolve({ status: 'degraded', reason: 'slow' }),
      } as const),
      check: async (...args) => memory.check(...args),
      peek: async (...args) => memory.peek(...args),
      settle: async (taken, actual) => void told.push([taken.tokens, actual]),
      release: async () => void told.push('release'),
      reset: async (scope) => memory.reset(scope),
      close: () => void told.push('close'),
    });
    const limits = open('auto', { rateLimit: { requestsPerMinute: 1, tokensPerMinute: 9, maxConcurrent: 5, store: late } });
    expect(() => limits.check('a')).toThrow(expect.objectContaining({ code: 'STORE_ANSWERS_LATER' }) as FastLiteLLMError);
    expect(() => limits.getStats(['a'])).toThrow(FastLiteLLMError);
    const reservation = await limits.reserveAsync('a', { tokens: 3 });
    expect(reservation.allowed).toBe(true);
    await expect(limits.checkAsync('a')).resolves.toMatchObject({ allowed: false });
    await expect(limits.peekAsync('b')).resolves.toMatchObject({ allowed: true });
    await limits.settleAsync(reservation, 2);
    await limits.settleAsync(reservation, 2);
    await expect(limits.health()).resolves.toMatchObject({ status: 'degraded', reason: 'slow', store: 'late' });
    await limits.resetAsync('a');
    await limits.close();
    expect(told).toEqual([[3, 2], 'release', 'close']);
    expect(limits.getStats()).toEqual({ totalChecks: 2, allowedCount: 1, deniedCount: 1, keys: undefined });
  });
});

import { compileLimit, type RateLimits } from '../../rate-limit/limits.js';
import type { RateLimitDecision, RateLimitStanding } from '../../rate-limit/store.js';
import { setHeaders } from '../response-headers.js';
import { retryAfterHeaders } from '../retry-after-headers.js';
import { duration, rateLimitHeaders } from './limit-headers.js';
import { policyHeader, quotasOf } from './quotas.js';

const plan = (label: string, limits: RateLimits, isOfKey = true) => {
  const limit = compileLimit(label, limits, 'test');
  return { limit, quotas: quotasOf(label, limit), isOfKey };
};

/** Headers set by Fastify's method. */
function headersOf(limits: ReturnType<typeof plan>[], standings: RateLimitStanding[], decision: Partial<RateLimitDecision> = {}) {
  const headers: Record<string, string> = {};
  const whole = { allowed: true, scope: 0, retryAfterMs: 0, atMs: 0, standings, ...decision };
  setHeaders({ header: (name, value) => (headers[name] = value) }, rateLimitHeaders({ limits, policyHeader: policyHeader(limits) }, whole));
  return headers;
}

describe('rate limit headers', () => {
  it('name a lone quota after its limit, and several after their parts', () => {
    expect(policyHeader([plan('a', { requestsPerMinute: 60 })])).toBe('"a";q=60;w=60');
    const all = { requestsPerSecond: 2, burst: 10, requestsPerHour: 5, requestsPerWindow: 9, windowMs: 1500, maxConcurrent: 3 };
    expect(policyHeader([plan('a', all), plan('b', { requestsPerDay: 7 })])).toBe(
      '"a-burst";q=10;w=5, "a-hour";q=5;w=3600, "a-window";q=9;w=2, "a-concurrency";q=3;qu="concurrent-requests", "b";q=7;w=86400',
    );
    expect(policyHeader([plan('a', { tokensPerMinute: 5 })])).toBe('');
    expect(policyHeader([plan('a', { requestsPerSecond: 0 })])).toBe('"a";q=0');
  });

  it('show the tightest quota of each limit, and in the headers of OpenAI the tightest limit', () => {
    const limits = [plan('a', { requestsPerMinute: 60, requestsPerDay: 100 }), plan('b', { requestsPerMinute: 9, tokensPerMinute: 500 })];
    const standings = [
      { limit: 100, remainingRequests: 8, resetMs: 86_000_000 },
      { limit: 9, remainingRequests: 3, resetMs: 1500, remainingTokens: 400, tokensResetMs: 20 },
    ];
    expect(headersOf(limits, standings)).toEqual({
      'ratelimit-policy': '"a-minute";q=60;w=60, "a-day";q=100;w=86400, "b";q=9;w=60',
      ratelimit: '"a-day";r=8;t=86000, "b";r=3;t=2',
      'x-ratelimit-limit-requests': '9',
      'x-ratelimit-remaining-requests': '3',
      'x-ratelimit-reset-requests': '2s',
      'x-ratelimit-limit-tokens': '500',
      'x-ratelimit-remaining-tokens': '400',
      'x-ratelimit-reset-tokens': '20ms',
    });
  });

  it.each([
    ['the first', [300, 400], '300', '500'],
    ['the second', [400, 300], '300', '900'],
    ['the first of equals', [300, 300], '300', '500'],
  ])('show the limit with the fewest tokens left: %s', (_, left, remaining, limit) => {
    const limits = [plan('a', { tokensPerMinute: 500 }), plan('b', { tokensPerMinute: 900 })];
    const standings = left.map((remainingTokens) => ({
      limit: Infinity,
      remainingRequests: Infinity,
      resetMs: 0,
      remainingTokens,
      tokensResetMs: 20,
    }));
    const headers = headersOf(limits, standings);
    expect([headers['x-ratelimit-remaining-tokens'], headers['x-ratelimit-limit-tokens']]).toEqual([remaining, limit]);
  });

  const [team, key, own] = [plan('team', { usdPerDay: 9 }, false), plan('paid', { usdPerDay: 9 }), plan('api-key', { usdPerDay: 9 })];
  const spent = (...usd: readonly [period: 'day' | 'total', spent: number][]): RateLimitStanding => ({
    limit: Infinity,
    remainingRequests: Infinity,
    resetMs: 0,
    budgets: usd.map(([period, spentUsd]) => ({
      ...{ period, limitNanoUsd: 9e9, spentNanoUsd: spentUsd * 1e9, heldNanoUsd: 0, totalNanoUsd: 0, resetsAtMs: Infinity },
    })),
  });
  it.each([
    ['its own, though a team has spent more', [team, key], [spent(['day', 8]), spent(['day', 1])], '1'],
    ['its own before that of a route', [key, own], [spent(['day', 8]), spent(['day', 2])], '2'],
    ['that of a route, where its own limits have none', [key, own], [spent(['day', 3]), { ...spent(), budgets: undefined }], '3'],
    ['the one that /key/info shows', [own], [spent(['day', 8], ['total', 4])], '4'],
    ['none, where only a team has one', [team], [spent(['day', 8])], undefined],
  ])('show what a key has spent in a budget: %s', (_, limits, standings, shown) => {
    expect(headersOf(limits, standings)['x-litellm-key-spend']).toBe(shown);
  });

  it('leave out a reset that no time brings', () => {
    const headers = headersOf([plan('a', { requestsPerSecond: 1e-13 })], [{ limit: 1, remainingRequests: 0, resetMs: Infinity }]);
    expect(headers).toEqual({
      'ratelimit-policy': expect.any(String),
      ratelimit: '"a";r=0',
      'x-ratelimit-limit-requests': '1',
      'x-ratelimit-remaining-requests': '0',
    });
  });

  it('never state a shorter wait than Retry-After', () => {
    const limits = [plan('a', { requestsPerMinute: 60, tokensPerMinute: 500 })];
    // Denied by tokens: the figure of the standing is that of the tokens.
    const standings = [{ limit: 500, remainingRequests: 50, resetMs: 1000, remainingTokens: 0, tokensResetMs: 60_000 }];
    expect(headersOf(limits, standings, { allowed: false, exceeded: 'tokens', retryAfterMs: 4001 })).toMatchObject({
      ratelimit: '"a";r=50;t=5',
      'x-ratelimit-limit-requests': '60',
    });
    expect(headersOf(limits, standings, { allowed: false, retryAfterMs: Infinity }).ratelimit).toBe('"a";r=50');
    const headers: Record<string, string> = {};
    const target = { setHeader: (name: string, value: string) => (headers[name] = value) };
    for (const [ms, seconds, whole] of [
      [0, '1', '1'],
      [1000.5, '2', '1001'],
    ] as const) {
      setHeaders(target, retryAfterHeaders(ms));
      expect(headers).toEqual({ 'retry-after': seconds, 'retry-after-ms': whole });
    }
  });

  it('leave out requests where only tokens are limited', () => {
    const limits = [plan('a', { tokensPerMinute: 500 })];
    const standings = [{ limit: Infinity, remainingRequests: Infinity, resetMs: 0, remainingTokens: 1, tokensResetMs: 60_000 }];
    expect(Object.keys(headersOf(limits, standings))).toEqual([
      'x-ratelimit-limit-tokens',
      'x-ratelimit-remaining-tokens',
      'x-ratelimit-reset-tokens',
    ]);
  });

  it.each([
    [0, '0ms'],
    [0.2, '1ms'],
    [999, '999ms'],
    [1000, '1s'],
    [59_001, '1m0s'],
    [360_000, '6m0s'],
    [3_661_000, '1h1m1s'],
  ])('write %d ms as OpenAI does', (ms, text) => expect(duration(ms)).toBe(text));
});

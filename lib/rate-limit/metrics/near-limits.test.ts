import { engineNames } from '../../../test/support/engine-names.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import type { RateLimitOptions } from '../rate-limit.options.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };

describe.each(engineNames())('LimitWatch on the %s engine', (engine) => {
  let nowMs: number;
  function limiterOf(rateLimit: RateLimitOptions) {
    nowMs = 1_800_000_000_000;
    return new FastLiteLLM({ logger, engine, rateLimit }, { env: {}, now: () => nowMs }).rateLimiter;
  }

  it('remembers nothing before watch() is called', async () => {
    const limiter = limiterOf({ requestsPerMinute: 2 });
    limiter.check('early');
    const watch = limiter.watch();
    expect(await watch.nearest(10)).toEqual([]);
    limiter.check('late');
    expect(await watch.nearest(10)).toEqual([
      { limit: 'default', key: 'late', unit: 'requests', total: 2, remaining: 1, resetMs: expect.any(Number) as number },
    ]);
    expect(limiter.watch()).toBe(watch);
  });

  it('sorts the nearest first, by requests or tokens, whichever is tighter', async () => {
    const limiter = limiterOf({ requestsPerMinute: 10, tokensPerMinute: 1000 });
    const watch = limiter.watch();
    for (let i = 0; i < 5; i++) limiter.check('half');
    limiter.check('greedy', { tokens: 900 });
    for (let i = 0; i < 12; i++) limiter.check('refused');
    const near = await watch.nearest(10);
    expect(near.map(({ key, unit, remaining, total }) => ({ key, unit, remaining, total }))).toEqual([
      { key: 'refused', unit: 'requests', remaining: 0, total: 10 },
      { key: 'greedy', unit: 'tokens', remaining: 100, total: 1000 },
      { key: 'half', unit: 'requests', remaining: 5, total: 10 },
    ]);
    expect(await watch.nearest(1)).toHaveLength(1);
  });

  it("ignores a decision without the standing of its scope, as an app's store can make it", async () => {
    const limiter = limiterOf({ requestsPerMinute: 1 });
    const watch = limiter.watch();
    const { limit } = limiter.options;
    const decision = await limiter.store.check([{ limit, key: 'odd' }], 1, 0);
    watch.saw([{ limit, key: 'odd' }], { ...decision, scope: 1 });
    expect(await watch.nearest(10)).toEqual([]);
  });

  it('remembers the tightest of several scopes', async () => {
    const limiter = limiterOf({ requestsPerMinute: 100, limits: { team: { requestsPerMinute: 3 } } });
    const watch = limiter.watch();
    limiter.reserve(['user', { key: 'team-a', limit: 'team' }]);
    expect((await watch.nearest(10)).map(({ limit, key }) => `${limit} ${key}`)).toEqual(['team team-a']);
  });

  it('leaves out keys with plenty left, and forgets recovered ones', async () => {
    const limiter = limiterOf({ requestsPerMinute: 1000 });
    const watch = limiter.watch();
    limiter.check('quiet');
    expect(await watch.nearest(10)).toEqual([]);
    limiter.check('busy', { cost: 800 });
    expect(await watch.nearest(10)).toMatchObject([{ key: 'busy', remaining: 200 }]);
    nowMs += 120_000;
    expect(await watch.nearest(10)).toEqual([]);
    limiter.check('busy');
    expect(await watch.nearest(10)).toEqual([]);
  });

  it('reports a limit of 0, and takes nothing itself', async () => {
    const limiter = limiterOf({ requestsPerMinute: 0, limits: { two: { requestsPerMinute: 2 } } });
    const watch = limiter.watch();
    limiter.check('exhausted');
    limiter.check('halved', { limit: 'two' });
    for (let i = 0; i < 5; i++) await watch.nearest(10);
    expect(await watch.nearest(10)).toMatchObject([
      { key: 'exhausted', total: 0, remaining: 0 },
      { key: 'halved', total: 2, remaining: 1 },
    ]);
  });

  it('stays bounded under any number of keys', async () => {
    const limiter = limiterOf({ requestsPerMinute: 1 });
    const watch = limiter.watch();
    for (let i = 0; i < 5000; i++) limiter.check(`key-${i}`);
    const near = await watch.nearest(10_000);
    expect(near).toHaveLength(128);
    expect(near.some(({ key }) => key === 'key-4999')).toBe(true);
  });

  it('has the budgets that are nearest to exhaustion, with what calls hold', async () => {
    const limiter = limiterOf({ limits: { team: { usdPerDay: 10 }, user: { usdPerDay: 1, usdPerMonth: 100 } } });
    const watch = limiter.watch();
    const reservation = limiter.reserve([{ key: 'team-a', limit: 'team' }], { usd: 8 });
    limiter.reserve([{ key: 'ann', limit: 'user' }], { usd: 0.3 });
    limiter.reserve([{ key: 'bob', limit: 'user' }], { usd: 0.01 });
    expect(await watch.nearestBudgets(10)).toEqual([
      { limit: 'team', key: 'team-a', period: 'day', limitUsd: 10, spentUsd: 0, heldUsd: 8, resetMs: expect.any(Number) as number },
      { limit: 'user', key: 'ann', period: 'day', limitUsd: 1, spentUsd: 0, heldUsd: 0.3, resetMs: expect.any(Number) as number },
      { limit: 'user', key: 'ann', period: 'month', limitUsd: 100, spentUsd: 0, heldUsd: 0.3, resetMs: expect.any(Number) as number },
    ]);
    limiter.settle(reservation, { usd: 2 });
    expect(await watch.nearestBudgets(1)).toMatchObject([{ key: 'ann', heldUsd: 0.3 }]);
    nowMs += 86_400_000;
    expect((await watch.nearestBudgets(10)).map(({ key, period }) => `${key} ${period}`)).toEqual(['ann month']);
  });
});

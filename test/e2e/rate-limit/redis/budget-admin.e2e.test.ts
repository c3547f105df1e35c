import { FastLiteLLM } from '../../../../lib/fast-litellm.js';
import type { RateLimitOptions } from '../../../../lib/rate-limit/rate-limit.options.js';
import type { RateLimiterService } from '../../../../lib/rate-limit/rate-limit.service.js';
import { cleanUp, limiter } from '../../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../../support/redis-server.js';
import { sleep } from '../../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const limits: RateLimitOptions = {
  usdPerDay: 1,
  limits: {
    team: { usdPerMonth: 10, usdPerWindow: 1, usdWindow: '1h', usdWindowKind: 'sliding' },
    burst: { usdPerWindow: 1, usdWindow: '2s', usdWindowKind: 'firstUse' },
    plain: { requestsPerMinute: 5 },
    all: { usdTotal: 1 },
  },
};

describe.each(hasRedis ? ['memory', 'Redis', 'Redis with oneSlot'] : ['memory'])('budgets by hand, in %s', (kind) => {
  let server: RedisServer | undefined;
  let service: RateLimiterService;
  beforeAll(async () => {
    if (kind !== 'memory') server = await RedisServer.start();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    await server?.ask((client) => client.flushall());
    if (server !== undefined) service = limiter({ url: server.url, oneSlot: kind.endsWith('oneSlot') }, limits);
    else {
      const llm = new FastLiteLLM({ logger: quiet, rateLimit: limits });
      cleanUp.push(() => llm.close());
      service = llm.rateLimiter;
    }
  });

  it('sets what was spent, and keeps what is held', async () => {
    const reservation = await service.reserveAsync('a', { usd: 0.3 });
    await service.settleAsync(await service.reserveAsync('a', { usd: 0.5 }), { usd: 0.5 });
    await service.setSpent('a', 0.1);
    expect(await service.getBudgetsAsync('a')).toMatchObject([{ spentUsd: 0.1, heldUsd: 0.3, totalUsd: 0.1, limitUsd: 1 }]);
    await service.settleAsync(reservation, { usd: 0.2 });
    expect(await service.getBudgetsAsync('a')).toMatchObject([{ spentUsd: 0.3, heldUsd: 0, totalUsd: 0.3 }]);
    await service.setSpent('new', 1);
    expect((await service.reserveAsync('new', { usd: 0.01 })).budgetDenial).toBe('budget_exhausted');
    await service.setSpent('team', 0.9, { limit: 'team', period: 'window' });
    expect(await service.getBudgetsAsync('team', { limit: 'team' })).toMatchObject([{ spentUsd: 0 }, { spentUsd: 0.9 }]);
  });

  it('raises a budget for its window, and once more', async () => {
    await service.settleAsync(await service.reserveAsync('a', { limit: 'burst', usd: 1 }), { usd: 1 });
    expect((await service.reserveAsync('a', { limit: 'burst', usd: 0.5 })).allowed).toBe(false);
    await service.raiseBudget('a', 0.5, { limit: 'burst' });
    await service.raiseBudget('a', 0.25, { limit: 'burst' });
    expect(await service.getBudgetsAsync('a', { limit: 'burst' })).toMatchObject([{ limitUsd: 1.75, spentUsd: 1 }]);
    await service.settleAsync(await service.reserveAsync('a', { limit: 'burst', usd: 0.75 }), { usd: 0.75 });
    expect((await service.reserveAsync('b', { limit: 'burst', usd: 1.5 })).budgetDenial).toBe('request_exceeds_budget');
    await sleep(2_100);
    expect(await service.getBudgetsAsync('a', { limit: 'burst' })).toMatchObject([{ limitUsd: 1, spentUsd: 0 }]);
  });

  it('raises a budget that never starts again for good', async () => {
    await service.raiseBudget('a', 0.5, { limit: 'all' });
    await service.settleAsync(await service.reserveAsync('a', { limit: 'all', usd: 1.25 }), { usd: 1.25 });
    expect(await service.getBudgetsAsync('a', { limit: 'all' })).toMatchObject([{ period: 'total', limitUsd: 1.5, spentUsd: 1.25 }]);
    expect((await service.reserveAsync('a', { limit: 'all', usd: 0.5 })).budgetDenial).toBe('budget_exhausted');
    await service.addSpent({ limit: service.limitOf({ limit: 'all' }), key: 'a' }, 250_000_000);
    expect(await service.getBudgetsAsync('a', { limit: 'all' })).toMatchObject([{ spentUsd: 1.5, totalUsd: 1.5 }]);
  });

  it('shows what calls in flight hold, the oldest first', async () => {
    const first = await service.reserveAsync('a', { usd: 0.1 });
    await sleep(30);
    await service.reserveAsync('a', { usd: 0.2 });
    const { count, oldest } = await service.getBudgetHolds('a');
    expect([count, oldest.map(({ usd }) => usd)]).toEqual([2, [0.1, 0.2]]);
    expect(oldest[0].ageMs).toBeGreaterThanOrEqual(29);
    expect(oldest[1].ageMs).toBeLessThan(oldest[0].ageMs);
    await service.settleAsync(first, { usd: 0.1 });
    expect(await service.getBudgetHolds('a')).toMatchObject({ count: 1, oldest: [{ usd: 0.2 }] });
    for (let i = 0; i < 30; i++) await service.reserveAsync('many', { usd: 0.001 });
    expect((await service.getBudgetHolds('many')).oldest).toHaveLength(20);
    expect(await service.getBudgetHolds('a', { limit: 'plain' })).toEqual({ count: 0, oldest: [] });
  });

  it('lists the keys that have spent or hold money, page by page', async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `user:${i}`);
    for (const key of keys) await service.settleAsync(await service.reserveAsync(key, { usd: 0.1 }), { usd: 0.01 });
    await service.reserveAsync('seven', { limit: 'team', usd: 0.2 });
    await service.reserveAsync('odd key', { usd: 0.3 });
    const found = new Map<string, number>();
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await service.listBudgets({ count: 10, cursor });
      for (const { limit, key, budgets } of page.keys) found.set(`${limit} ${key}`, budgets[0].spentUsd + budgets[0].heldUsd);
      cursor = page.cursor;
      pages++;
    } while (cursor !== undefined && pages < 100);
    const odd = kind === 'memory' ? 'odd key' : expect.stringMatching(/^~[\w-]{43}$/);
    expect(found.size).toBe(27);
    for (const key of keys) expect(found.get(`default ${key}`)).toBe(0.01);
    expect(found.get('team seven')).toBe(0.2);
    expect([...found].filter(([, usd]) => usd === 0.3).map(([name]) => name.slice('default '.length))).toEqual([odd]);
    const { keys: teams } = await service.listBudgets({ limit: 'team', count: 1_000 });
    expect(teams).toMatchObject([{ limit: 'team', key: 'seven', budgets: [{ period: 'month', heldUsd: 0.2 }, { period: 'window' }] }]);
    await service.resetAsync('seven', { limit: 'team' });
    expect((await service.listBudgets({ limit: 'team', count: 1_000 })).keys).toEqual([]);
  });

  it('lists the keys under the limits of a rule, which the options do not know', async () => {
    const rule = { limit: 'rule', limits: { usdPerDay: 2 } };
    await service.reserveAsync('of-a-rule', { ...rule, usd: 0.4 });
    const { keys } = await service.listBudgets({ ...rule, count: 1_000 });
    expect(keys).toMatchObject([{ limit: 'rule', key: 'of-a-rule', budgets: [{ limitUsd: 2, heldUsd: 0.4 }] }]);
    const all = await service.listBudgets({ count: 1_000 });
    expect(all.keys.filter(({ limit }) => limit === 'rule')).toEqual([]);
    await service.resetAsync('of-a-rule', rule);
  });

  it('refuses a period that the limit has not, and the cursor of another list', async () => {
    await expect(service.setSpent('a', 1, { limit: 'team' })).rejects.toThrow('period: must be one of month, window, got undefined');
    await expect(service.raiseBudget('a', 1, { period: 'month' })).rejects.toThrow('period: must be one of day, got "month"');
    await expect(service.setSpent('a', 1, { limit: 'plain' })).rejects.toThrow('period: requires a limit with a budget, got undefined');
    await expect(service.setSpent('a', -1)).rejects.toThrow('usd: must be a number from 0 to 4000000, got -1');
    await expect(service.listBudgets({ cursor: '9:x' })).rejects.toThrow('cursor: must be a cursor from an earlier page, got "9:x"');
    await expect(service.listBudgets({ count: 0 })).rejects.toThrow('count: must be an integer from 1 to 1000, got 0');
  });
});

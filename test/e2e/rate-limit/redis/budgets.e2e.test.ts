import type { Redis } from 'ioredis';
import type { BudgetReport } from '../../../../lib/rate-limit/rate-limit.service.js';
import { cleanUp, limiter, metric, openLimiter } from '../../../support/redis-limiter.js';
import { hasRedis, Proxy, RedisServer } from '../../../support/redis-server.js';
import { sleep, until } from '../../../support/until.js';

const DAY_MS = 86_400_000;

(hasRedis ? describe : describe.skip)('budgets over Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(() => server.ask((client) => client.flushall()));

  const budgetsOf = async (service: ReturnType<typeof limiter>, key = 'k', limit?: string): Promise<BudgetReport> =>
    (await service.getBudgetsAsync(key, { limit }))[0];

  it('allows exactly what the budget pays for, of 100 requests in two processes at once', async () => {
    const limits = { usdPerDay: 1 };
    const services = [limiter({ url: server.url }, limits), limiter({ url: server.url }, limits)];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => services[i % 2].reserveAsync('k', { usd: 0.03 })));
    const allowed = answers.filter((answer) => answer.allowed);
    expect(allowed).toHaveLength(33);
    expect(answers.find((answer) => !answer.allowed)).toMatchObject({ exceeded: 'usd', budgetDenial: 'budget_held', remainingUsd: 0.01 });
    await Promise.all(allowed.map((reservation) => services[0].settleAsync(reservation, { usd: 0.01 })));
    expect(await budgetsOf(services[1])).toMatchObject({ spentUsd: 0.33, heldUsd: 0, totalUsd: 0.33, limitUsd: 1 });
  });

  it('takes nothing from any scope where one denies, be it by money, requests, tokens or slots', async () => {
    const limits = {
      key: { usdPerDay: 1, requestsPerMinute: 2, tokensPerMinute: 100 },
      team: { usdPerMonth: 1.5 },
      all: { maxConcurrent: 2 },
    };
    const service = limiter({ url: server.url }, { requestsPerMinute: 100, limits });
    const scopes = (key: string) => [
      { key, limit: 'key' },
      { key: 'team', limit: 'team' },
      { key: '*', limit: 'all' },
    ];
    const first = await service.reserveAsync(scopes('a'), { usd: 0.9, tokens: 50 });
    expect(first).toMatchObject({ allowed: true, scope: 0, remainingRequests: 1 });
    expect(await service.reserveAsync(scopes('b'), { usd: 0.9 })).toMatchObject({ allowed: false, scope: 1, budgetDenial: 'budget_held' });
    expect(await service.peekAsync('b', { limit: 'key', cost: 0 })).toMatchObject({ remainingRequests: 2, remainingUsd: 1 });
    expect(await service.reserveAsync(scopes('a'), { tokens: 60 })).toMatchObject({ allowed: false, scope: 0, exceeded: 'tokens' });
    const second = await service.reserveAsync(scopes('c'), { usd: 0.1 });
    expect(await service.reserveAsync(scopes('d'), { usd: 0.1 })).toMatchObject({ exceeded: 'concurrency', scope: 2 });
    expect(await budgetsOf(service, 'team', 'team')).toMatchObject({ heldUsd: 1 });
    for (const reservation of [first, second]) await service.settleAsync(reservation, { usd: 0.3, tokens: 10 });
    expect(await service.peekAsync('a', { limit: 'key', cost: 0 })).toMatchObject({ remainingTokens: 90, remainingRequests: 1 });
    expect(await service.reserveAsync(scopes('b'), { usd: 0.9 })).toMatchObject({ allowed: true });
    expect(await budgetsOf(service, 'team', 'team')).toMatchObject({ spentUsd: 0.6, heldUsd: 0.9 });
  });

  it('extends, charges and settles a reservation once', async () => {
    const service = limiter({ url: server.url }, { usdPerDay: 1 });
    const reservation = await service.reserveAsync('k', { usd: 0.2 });
    expect(await service.extendAsync(reservation, 0.9)).toBe(true);
    expect(await service.extendAsync(reservation, 1.1)).toBe(false);
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0, heldUsd: 0.9 });
    service.charge(reservation);
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0.9, heldUsd: 0 });
    await service.settleAsync(reservation, { usd: 0.15 });
    await service.settleAsync(reservation, { usd: 0.5 });
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0.15, heldUsd: 0, totalUsd: 0.15 });
    expect(await server.ask((client) => client.hlen('fast-litellm:{default/k}/usd'))).toBe(2);
  });

  it('renews what its process holds, and counts it as spent when the process is dead', async () => {
    const redis = { url: server.url, slotTtlMs: 1_000 };
    const alive = limiter(redis, { usdPerDay: 1 });
    const dead = openLimiter(redis, { usdPerDay: 1 });
    const [kept, lost] = [await alive.reserveAsync('k', { usd: 0.3 }), await dead.reserveAsync('k', { usd: 0.4 })];
    await dead.close();
    await until(async () => (await budgetsOf(alive)).spentUsd === 0.4);
    expect(await budgetsOf(alive)).toMatchObject({ heldUsd: 0.3 });
    await sleep(1_500);
    expect(await budgetsOf(alive)).toMatchObject({ spentUsd: 0.4, heldUsd: 0.3 });
    await alive.settleAsync(kept, { usd: 0.1 });
    expect(await budgetsOf(alive)).toMatchObject({ spentUsd: 0.5, heldUsd: 0 });
    expect(lost.allowed).toBe(true);
  });

  it('keeps the settlement of a dead process for days, also where the next request comes with it', async () => {
    const redis = { url: server.url, slotTtlMs: 1_000 };
    const limits = { usdPerWindow: 1, usdWindow: '1m', usdWindowKind: 'sliding' } as const;
    const alive = limiter(redis, limits);
    const dead = openLimiter(redis, limits);
    await dead.reserveAsync('k', { usd: 0.4 });
    await dead.close();
    await sleep(1_200);
    await alive.settleAsync(await alive.reserveAsync('k', { usd: 0.1 }), { usd: 0.1 });
    const keptMs = await server.ask((client) => client.pttl('fast-litellm:{default/k}/usd/holds'));
    expect(keptMs).toBeGreaterThan(6 * DAY_MS);
    expect((await alive.listCrashSettlements()).settlements).toMatchObject([{ chargedUsd: 0.4 }]);
  });

  it('corrects what it counted as spent when a process was stopped and goes on', async () => {
    const proxy = await Proxy.start(server.port);
    cleanUp.push(() => proxy.stop());
    const stalled = limiter({ url: proxy.url, slotTtlMs: 1_000, timeoutMs: 500 }, { usdPerDay: 1 });
    const other = limiter({ url: server.url, slotTtlMs: 1_000 }, { usdPerDay: 1 });
    const reservation = await stalled.reserveAsync('k', { usd: 0.4 });
    proxy.target = 1;
    proxy.cut();
    await until(async () => (await budgetsOf(other)).spentUsd === 0.4);
    await stalled.settleAsync(reservation, { usd: 0.1 });
    expect(metric(stalled, 'rate_limit_store_failures_total', 'connection')).toBeGreaterThan(0);
    proxy.target = server.port;
    await until(async () => (await budgetsOf(other)).spentUsd === 0.1);
    expect(await budgetsOf(other)).toMatchObject({ heldUsd: 0, totalUsd: 0.1 });
  });

  it.each(['deny', 'allow', 'local'] as const)('answers by onStoreError %s while Redis is away', async (onStoreError) => {
    const proxy = await Proxy.start(server.port);
    cleanUp.push(() => proxy.stop());
    const service = limiter({ url: proxy.url, onStoreError, timeoutMs: 300, prefix: onStoreError }, { usdPerDay: 1 });
    // Alone, it has all of the budget.
    if (onStoreError === 'local') await until(async () => (await server.ask((client) => client.zcard('local{all}processes'))) === 1);
    await until(async () => (await service.peekAsync('k')).outage === undefined);
    proxy.target = 1;
    proxy.cut();
    await until(async () => (await service.peekAsync('k')).outage !== undefined);
    const reservation = await service.reserveAsync('k', { usd: 0.6 });
    expect(reservation).toMatchObject({ allowed: onStoreError !== 'deny', outage: onStoreError });
    const second = await service.reserveAsync('k', { usd: 0.6 });
    expect(second.allowed).toBe(onStoreError === 'allow');
    if (onStoreError !== 'local') return;
    expect(second).toMatchObject({ budgetDenial: 'budget_held' });
    expect(await service.extendAsync(reservation, 0.9)).toBe(true);
    expect(await service.extendAsync(reservation, 1.2)).toBe(false);
    await service.settleAsync(reservation, { usd: 0.3 });
    expect(await service.reserveAsync('k', { usd: 0.6 })).toMatchObject({ allowed: true, remainingUsd: 0.1 });
  });

  it.each(['deny', 'allow'] as const)('decides an extension by onStoreError %s while Redis is away', async (onStoreError) => {
    const proxy = await Proxy.start(server.port);
    cleanUp.push(() => proxy.stop());
    const service = limiter({ url: proxy.url, onStoreError, timeoutMs: 300 }, { usdPerDay: 1 });
    const reservation = await service.reserveAsync('k', { usd: 0.1 });
    proxy.target = 1;
    proxy.cut();
    expect(await service.extendAsync(reservation, 0.5)).toBe(onStoreError === 'allow');
  });

  it('forgets what Redis has lost, or denies until the window is over where onDataLoss is refuse', async () => {
    const forgetful = limiter({ url: server.url }, { usdPerDay: 1 });
    const reservation = await forgetful.reserveAsync('k', { usd: 0.5 });
    await server.ask((client) => client.flushall());
    await forgetful.settleAsync(reservation, { usd: 0.5 });
    expect(await budgetsOf(forgetful)).toMatchObject({ spentUsd: 0, heldUsd: 0 });
    const limits = { limits: { day: { usdPerDay: 1 }, short: { usdPerWindow: 1, usdWindow: '1s', usdWindowKind: 'sliding' as const } } };
    const careful = limiter({ url: server.url, onDataLoss: 'refuse' }, { requestsPerMinute: 1, ...limits });
    const denied = await careful.reserveAsync('k', { limit: 'day', usd: 0.1 });
    expect(denied).toMatchObject({ allowed: false, budgetDenial: 'budget_exhausted' });
    const untilMidnightMs = DAY_MS - (Date.now() % DAY_MS);
    expect(Math.abs((denied.retryAfterMs ?? 0) - untilMidnightMs) % DAY_MS).toBeLessThan(10_000);
    expect(await careful.reserveAsync('k', { limit: 'short', usd: 0.1 })).toMatchObject({ allowed: false });
    await until(async () => (await careful.reserveAsync('k', { limit: 'short', usd: 0.1 })).allowed);
    await server.ask((client) => client.set('fast-litellm:{all}mark', 0));
    expect(await careful.reserveAsync('k', { limit: 'day', usd: 0.1 })).toMatchObject({ allowed: true });
  });

  it('sends nothing more for a decision without budgets', async () => {
    const service = limiter({ url: server.url }, { requestsPerMinute: 100 });
    await service.reserveAsync('k');
    const commands = await server.ask(async (client) => {
      await client.config('RESETSTAT');
      for (let i = 0; i < 10; i++) await service.reserveAsync('k');
      return client.info('commandstats');
    });
    const calls = Object.fromEntries(
      [...commands.matchAll(/cmdstat_([\w|]+):calls=(\d+)/g)].map(([, name, count]) => [name, Number(count)]),
    );
    expect(calls).toMatchObject({ evalsha: 10, time: 10, mget: 10, set: 10 });
    expect(calls.hmget).toBeUndefined();
  });

  it('expires with its window where nothing was spent, and a year after it otherwise', async () => {
    const service = limiter({ url: server.url }, { usdPerWindow: 1, usdWindow: '1m', usdWindowKind: 'sliding' });
    const ttlOf = (key: string) => server.ask((client) => client.pttl(`fast-litellm:{default/${key}}/usd`));
    await service.reserveAsync('open', { usd: 0.1 });
    expect(await ttlOf('open')).toBeGreaterThan(60_000);
    expect(await ttlOf('open')).toBeLessThan(2_000_000);
    await service.settleAsync(await service.reserveAsync('failed', { usd: 0.1 }), { usd: 0 });
    expect(await ttlOf('failed')).toBe(-2);
    await service.settleAsync(await service.reserveAsync('spent', { usd: 0.1 }), { usd: 0.1 });
    expect(await ttlOf('spent')).toBeGreaterThan(365 * DAY_MS);
    await service.resetAsync('spent');
    expect(await ttlOf('spent')).toBe(-2);
  });

  it('never expires under usdTotal while something is spent or held, and is forgotten by a reset', async () => {
    const service = limiter({ url: server.url }, { usdTotal: 1, usdPerDay: 1 });
    const ttlOf = (key: string) => server.ask((client) => client.pttl(`fast-litellm:{default/${key}}/usd`));
    const reservation = await service.reserveAsync('a', { usd: 0.6 });
    expect(await ttlOf('a')).toBe(-1);
    await service.settleAsync(reservation, { usd: 0.5 });
    expect(await ttlOf('a')).toBe(-1);
    expect(await service.reserveAsync('a', { usd: 0.6 })).toMatchObject({
      budgetDenial: 'budget_exhausted',
      retryAfterMs: undefined,
    });
    expect(await service.getBudgetsAsync('a')).toMatchObject([
      { period: 'day', resetsAt: expect.any(Date) },
      { period: 'total', spentUsd: 0.5, limitUsd: 1, resetsAt: undefined },
    ]);
    await service.resetAsync('a');
    expect(await ttlOf('a')).toBe(-2);
    await service.settleAsync(await service.reserveAsync('failed', { usd: 0.6 }), { usd: 0 });
    expect(await ttlOf('failed')).toBe(-2);
  });

  it('denies under usdTotal and onDataLoss refuse until setSpent is called', async () => {
    const service = limiter({ url: server.url, onDataLoss: 'refuse' }, { usdTotal: 1 });
    const denied = await service.reserveAsync('a', { usd: 0.1 });
    expect(denied).toMatchObject({ budgetDenial: 'budget_exhausted', retryAfterMs: undefined });
    await service.setSpent('a', 0);
    await service.setSpent('b', 0.95);
    for (let i = 0; i < 2; i++) await service.settleAsync(await service.reserveAsync('a', { usd: 0.1 }), { usd: 0 });
    expect((await service.reserveAsync('a', { usd: 0.1 })).allowed).toBe(true);
    expect(await service.reserveAsync('b', { usd: 0.1 })).toMatchObject({ budgetDenial: 'budget_exhausted', remainingUsd: 0.05 });
  });

  it('keeps no text of a key that is not plain', async () => {
    const service = limiter({ url: server.url }, { usdPerDay: 1 });
    await service.reserveAsync('sk secret', { usd: 0.1 });
    const names = await server.ask((client: Redis) => client.keys('*'));
    expect(names).toHaveLength(2);
    for (const name of names) expect(name).toMatch(/^fast-litellm:\{default\/~[\w-]{43}\}\/usd(\/holds)?$/);
  });
});

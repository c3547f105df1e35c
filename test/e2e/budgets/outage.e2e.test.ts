import { Redis } from 'ioredis';
import type { RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import type { RateLimits } from '../../../lib/rate-limit/limits.js';
import { cleanUp, limiter, metric } from '../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { SwitchedRedis } from '../../support/switched-redis.js';
import { until } from '../../support/until.js';

const WAIT_MS = 30_000;
const MEMBERS = 'fast-litellm:{all}processes';

/** A process, as far as its limits and its Redis are concerned. */
interface Process {
  readonly service: RateLimiterService;
  readonly redis: SwitchedRedis;
}

(hasRedis ? describe : describe.skip)("budgets with onStoreError: 'local' while Redis is away", () => {
  let server: RedisServer;
  let client: Redis;
  let processes: Process[];
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    client = new Redis(server.url);
    cleanUp.push(() => client.disconnect());
    await client.flushall();
    processes = [];
  });

  const start = (limits: RateLimits, count: number): void => {
    for (let i = 0; i < count; i++) {
      const redis = new SwitchedRedis(client);
      processes.push({ redis, service: limiter({ client: redis.client, onStoreError: 'local' }, limits) });
    }
  };
  /** Every process has counted all of them. */
  const joined = async (count: number): Promise<void> => {
    const beats = new Map<string, Set<string>>();
    await until(async () => {
      const list = await client.zrange(MEMBERS, 0, '-1', 'WITHSCORES');
      for (let i = 0; i < list.length; i += 2) beats.set(list[i], (beats.get(list[i]) ?? new Set()).add(list[i + 1]));
      return beats.size === count && [...beats.values()].every((scores) => scores.size >= 3);
    }, WAIT_MS);
  };
  const switchAll = (state: SwitchedRedis['state']): void => processes.forEach(({ redis }) => (redis.state = state));
  /** Calls until a budget denies; returns what they have cost. */
  const spendAll = async (service: RateLimiterService, askUsd: number, costUsd: number): Promise<number> => {
    let spent = 0;
    for (;;) {
      const reservation = await service.reserveAsync('team', { usd: askUsd });
      if (!reservation.allowed) return spent;
      await service.settleAsync(reservation, { usd: costUsd });
      spent += costUsd;
    }
  };
  const isMerged = ({ service }: Process): boolean => metric(service, 'rate_limit_store_unmerged_usd') === 0;
  const spentIn = async ({ service }: Process): Promise<number> => (await service.getBudgetsAsync('team'))[0].spentUsd;
  const backAgain = async (): Promise<void> => {
    switchAll('up');
    await until(() => processes.every(isMerged), WAIT_MS);
    await until(async () => (await processes[0].service.peekAsync('team')).outage === undefined, WAIT_MS);
  };

  it.each([1, 3, 4])('are divided by the number of processes (%i), so that together they spend no more, and merged once', async (count) => {
    start({ usdPerMonth: 3 }, count);
    await joined(count);
    // All of them have seen what is left.
    const before = 0.24;
    for (const { service } of processes)
      await service.settleAsync(await service.reserveAsync('team', { usd: before / count }), { usd: before / count });
    for (const { service } of processes) await service.peekAsync('team');
    switchAll('down');
    const spent = await Promise.all(processes.map(({ service }) => spendAll(service, 0.05, 0.03)));
    const sum = spent.reduce((total, each) => total + each, before);
    expect(Math.min(...spent)).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(3);
    expect(sum).toBeGreaterThan(2.5);
    await backAgain();
    expect(await spentIn(processes[0])).toBeCloseTo(sum, 9);
    // A second outage begins with what is left.
    for (const { service } of processes) await service.peekAsync('team');
    switchAll('down');
    const more = await Promise.all(processes.map(({ service }) => spendAll(service, 0.05, 0.05)));
    expect(sum + more.reduce((total, each) => total + each, 0)).toBeLessThanOrEqual(3);
    await backAgain();
    expect(await spentIn(processes[0])).toBeCloseTo(sum + more.reduce((total, each) => total + each, 0), 9);
  });

  it('are closed to a process that starts meanwhile, which answers 503', async () => {
    start({ usdPerMonth: 1, requestsPerMinute: 100 }, 2);
    await joined(2);
    switchAll('down');
    const redis = new SwitchedRedis(client);
    redis.state = 'down';
    const late = limiter({ client: redis.client, onStoreError: 'local' }, { usdPerMonth: 1, limits: { rates: { requestsPerMinute: 5 } } });
    expect(await late.reserveAsync('team', { usd: 0.01 })).toMatchObject({ allowed: false, outage: 'deny', retryAfterMs: 1_000 });
    // Limits of requests are those of each process.
    expect(await late.reserveAsync('team', { limit: 'rates' })).toMatchObject({ allowed: true, outage: 'local' });
    expect(await processes[0].service.reserveAsync('team', { usd: 0.5 })).toMatchObject({ allowed: true, outage: 'local' });
    redis.state = 'up';
    await until(async () => (await late.reserveAsync('team', { usd: 0.01 })).outage === undefined, WAIT_MS);
  });

  it('count once if the reply to a merge is lost, or if calls end after it', async () => {
    start({ usdPerMonth: 10, usdPerWindow: 5, usdWindow: '1h', usdWindowKind: 'sliding' }, 2);
    await joined(2);
    switchAll('down');
    const [first, second] = processes;
    await first.service.settleAsync(await first.service.reserveAsync('team', { usd: 1 }), { usd: 0.25 });
    const open = await second.service.reserveAsync('team', { usd: 1 });
    const failed = await second.service.reserveAsync('team', { usd: 0.5 });
    expect([open.outage, failed.outage]).toEqual(['local', 'local']);
    switchAll('lost');
    await until(() => first.redis.lost >= 2 && second.redis.lost >= 2, WAIT_MS);
    expect(isMerged(first)).toBe(false);
    await backAgain();
    // What calls in flight hold counts until they end.
    expect(await first.service.getBudgetsAsync('team')).toMatchObject([{ spentUsd: 1.75, totalUsd: 1.75 }, { spentUsd: 1.75 }]);
    await second.service.settleAsync(open, { usd: 0.125 });
    await second.service.settleAsync(failed, { usd: 0 });
    await until(async () => (await spentIn(first)) === 0.375, WAIT_MS);
    expect(await first.service.getBudgetsAsync('team')).toMatchObject([
      { spentUsd: 0.375, heldUsd: 0, totalUsd: 0.375 },
      { spentUsd: 0.375, heldUsd: 0 },
    ]);
  });

  it('are merged by a process when it closes', async () => {
    start({ usdPerMonth: 10 }, 1);
    await joined(1);
    const [{ service, redis }] = processes;
    redis.state = 'down';
    await service.settleAsync(await service.reserveAsync('team', { usd: 1 }), { usd: 0.25 });
    redis.state = 'up';
    await service.close();
    const reader = limiter({ url: server.url, onStoreError: 'deny' }, { usdPerMonth: 10 });
    expect((await reader.getBudgetsAsync('team'))[0].spentUsd).toBe(0.25);
    expect(await client.zcard(MEMBERS)).toBe(0);
  });
});

(hasRedis ? describe : describe.skip)('requests that Redis has taken, and whose replies are lost', () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });
  beforeEach(() => client.flushall());

  const LIMITS: RateLimits = { usdPerMonth: 10, usdPerWindow: 5, usdWindow: '1h', usdWindowKind: 'sliding' };
  const shown = (service: RateLimiterService) => service.getBudgetsAsync('team');

  // An allowed request runs, and its cost is never told: all of it counts.
  it.each([
    ['deny', 0],
    ['local', 0],
    ['allow', 0.75],
  ] as const)('hold nothing once Redis answers again, and are no calls of a dead process (%s)', async (onStoreError, spentUsd) => {
    const redis = new SwitchedRedis(client);
    const service = limiter({ client: redis.client, onStoreError, slotTtlMs: 1_000 }, LIMITS);
    const reader = limiter({ url: server.url, onStoreError: 'deny' }, LIMITS);
    redis.state = 'mute';
    const reservations = await Promise.all([0.25, 0.5].map((usd) => service.reserveAsync('team', { usd })));
    expect(reservations.every(({ outage }) => outage !== undefined)).toBe(true);
    expect(await shown(reader)).toMatchObject([
      { heldUsd: 0.75, spentUsd: 0 },
      { heldUsd: 0.75, spentUsd: 0 },
    ]);
    redis.state = 'up';
    await until(async () => (await shown(reader)).every((budget) => budget.heldUsd === 0 && budget.spentUsd === spentUsd), WAIT_MS);
    expect((await reader.listCrashSettlements()).settlements).toEqual([]);
    // A settlement whose reply is lost counts once.
    const open = await service.reserveAsync('team', { usd: 1 });
    expect(open.outage).toBeUndefined();
    redis.state = 'mute';
    await service.settleAsync(open, { usd: 0.125 });
    redis.state = 'up';
    await until(async () => (await shown(reader)).every((budget) => budget.heldUsd === 0), WAIT_MS);
    expect((await shown(reader)).map((budget) => budget.spentUsd)).toEqual([spentUsd + 0.125, spentUsd + 0.125]);
  });

  it('hold nothing after the process has ended', async () => {
    const redis = new SwitchedRedis(client);
    const service = limiter({ client: redis.client, onStoreError: 'deny' }, LIMITS);
    redis.state = 'mute';
    await service.reserveAsync('team', { usd: 0.25 });
    redis.state = 'up';
    await service.close();
    const reader = limiter({ url: server.url, onStoreError: 'deny' }, LIMITS);
    expect(await shown(reader)).toMatchObject([{ heldUsd: 0, spentUsd: 0 }, { heldUsd: 0 }]);
  });
});

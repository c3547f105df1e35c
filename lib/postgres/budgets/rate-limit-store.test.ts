import { InvalidConfigurationError } from '../../common/errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import type { RateLimitOptions } from '../../rate-limit/rate-limit.options.js';
import type { BudgetReport, RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { hasPostgres, TestDatabase } from '../../../test/support/postgres.js';
import { sleep, until } from '../../../test/support/until.js';
import { postgresStore, type PostgresStore, type PostgresStoreOptions } from '../postgres-store.js';
import type { SqlClient } from '../sql-client.js';
import type { PostgresRateLimitStoreOptions } from './options.js';
import { postgresRateLimitStore } from './rate-limit-store.js';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const DAY_MS = 86_400_000;

describe('the options of budgets in PostgreSQL', () => {
  const store = postgresStore({ url: 'postgres://127.0.0.1:1/none' });
  it.each<[object, string]>([
    [{ onStoreError: 'deny' }, 'postgres.store: must be a store created with postgresStore(), got undefined'],
    [{ store: {}, onStoreError: 'deny' }, 'postgres.store: must be a store created with postgresStore(), got an object (Object)'],
    [{ store }, 'postgres.onStoreError: must be one of deny, allow, local, got undefined'],
    [{ store, onStoreError: 'deny', holdTtlMs: 1 }, 'postgres.holdTtlMs: must be an integer of at least 1000, got 1'],
  ])('are refused with their path (%#)', (options, message) => {
    const make = (): unknown => postgresRateLimitStore(options as PostgresRateLimitStoreOptions);
    expect(make).toThrow(InvalidConfigurationError);
    expect(make).toThrow(expect.objectContaining({ message }));
  });
});

(hasPostgres ? describe : describe.skip)('budgets in PostgreSQL', () => {
  let database: TestDatabase;
  let services: RateLimiterService[];
  const prepare = async (): Promise<void> => {
    database = await TestDatabase.create();
    await postgresStore({ pool: database.pool({ max: 1 }), timeoutMs: 60_000 }).migrate();
  };
  beforeAll(prepare);
  afterAll(() => database.drop());
  beforeEach(() => (services = []));
  afterEach(async () => {
    await Promise.all(services.map((service) => service.close()));
    await database.query('TRUNCATE fast_litellm.budget_accounts, fast_litellm.budget_holds, fast_litellm.budget_processes');
  });

  /** A limiter as of a process of its own; to be closed by the test. */
  const open = (
    limits: RateLimitOptions,
    { pool, ...budgets }: Partial<PostgresRateLimitStoreOptions> & Pick<PostgresStoreOptions, 'pool'> = {},
  ): RateLimiterService => {
    const store = postgresStore({ ...(pool === undefined ? { url: database.url } : { pool }), timeoutMs: 20_000 });
    const rateLimit = { ...limits, store: postgresRateLimitStore({ store, onStoreError: 'deny', ...budgets }) };
    return new FastLiteLLM({ logger, engine: 'typescript', rateLimit }).rateLimiter;
  };
  const limiter: typeof open = (...args) => {
    const service = open(...args);
    services.push(service);
    return service;
  };
  const budgetsOf = async (service: RateLimiterService, key = 'k', limit?: string): Promise<BudgetReport> =>
    (await service.getBudgetsAsync(key, { limit }))[0];
  const countOf = async (table: string): Promise<number> =>
    Number((await database.query(`SELECT count(*) FROM fast_litellm.${table}`))[0].count);

  it('allow exactly what the budget pays for, of 100 requests in two processes at once', async () => {
    const both = [limiter({ usdPerDay: 1 }), limiter({ usdPerDay: 1 })];
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => both[i % 2].reserveAsync('k', { usd: 0.03 })));
    const allowed = answers.filter((answer) => answer.allowed);
    expect(allowed).toHaveLength(33);
    expect(answers.find((answer) => !answer.allowed)).toMatchObject({ exceeded: 'usd', budgetDenial: 'budget_held', remainingUsd: 0.01 });
    await Promise.all(allowed.map((reservation, i) => both[i % 2].settleAsync(reservation, { usd: 0.01 })));
    expect(await budgetsOf(both[1])).toMatchObject({ spentUsd: 0.33, heldUsd: 0, totalUsd: 0.33, limitUsd: 1 });
    expect(await countOf('budget_holds')).toBe(0);
  });

  it('take nothing from any scope where one denies, be it by money, requests, tokens or slots', async () => {
    const limits = {
      key: { usdPerDay: 1, requestsPerMinute: 2, tokensPerMinute: 100 },
      team: { usdPerMonth: 1.5 },
      all: { maxConcurrent: 2 },
    };
    const service = limiter({ requestsPerMinute: 100, limits });
    const scopes = (key: string) => [
      { key, limit: 'key' },
      { key: 'team', limit: 'team' },
      { key: '*', limit: 'all' },
    ];
    const first = await service.reserveAsync(scopes('a'), { usd: 0.9, tokens: 50 });
    expect(first).toMatchObject({ allowed: true, remainingRequests: 1 });
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

  it('give the money back when another request has taken the last slot meanwhile', async () => {
    const service = limiter({ usdPerDay: 1, maxConcurrent: 1 });
    const answers = await Promise.all(Array.from({ length: 5 }, () => service.reserveAsync('k', { usd: 0.2 })));
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(1);
    expect(answers.filter(({ exceeded }) => exceeded === 'concurrency')).toHaveLength(4);
    await until(async () => (await budgetsOf(service)).heldUsd === 0.2);
  });

  it('are extended, charged and settled once', async () => {
    const service = limiter({ usdPerDay: 1 });
    const reservation = await service.reserveAsync('k', { usd: 0.2 });
    expect(await service.extendAsync(reservation, 0.9)).toBe(true);
    expect(await service.extendAsync(reservation, 1.1)).toBe(false);
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0, heldUsd: 0.9 });
    service.charge(reservation);
    await until(async () => (await budgetsOf(service)).spentUsd === 0.9);
    await service.settleAsync(reservation, { usd: 0.15 });
    await service.settleAsync(reservation, { usd: 0.5 });
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0.15, heldUsd: 0, totalUsd: 0.15 });
    expect(await countOf('budget_holds')).toBe(0);
  });

  it('renew what a process holds, and charge the expected cost when it is dead, which can be corrected once', async () => {
    const alive = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_500 });
    const dead = open({ usdPerDay: 1 }, { holdTtlMs: 1_500 });
    const [kept, lost] = [await alive.reserveAsync('k', { usd: 0.3 }), await dead.reserveAsync('k', { usd: 0.4, expectedUsd: 0.25 })];
    await dead.close();
    await until(async () => (await budgetsOf(alive)).spentUsd === 0.25);
    expect(await budgetsOf(alive)).toMatchObject({ heldUsd: 0.3 });
    await sleep(2_000);
    expect(await budgetsOf(alive)).toMatchObject({ spentUsd: 0.25, heldUsd: 0.3 });
    expect(await alive.getBudgetHolds('k')).toMatchObject({ count: 1, oldest: [{ usd: 0.3 }] });
    const { settlements } = await alive.listCrashSettlements();
    expect(settlements).toMatchObject([{ limit: 'default', key: 'k', heldUsd: 0.4, chargedUsd: 0.25 }]);
    const refunds = await Promise.all([0.1, 0.1].map((usd) => alive.refundCrashSettlement(settlements[0], usd)));
    expect(refunds.filter(Boolean)).toEqual([{ chargedUsd: 0.25 }]);
    await alive.settleAsync(kept, { usd: 0.1 });
    expect(await budgetsOf(alive)).toMatchObject({ spentUsd: 0.2, heldUsd: 0, totalUsd: 0.2 });
    expect(lost.allowed).toBe(true);
  });

  it('correct the charge when a process was only stopped', async () => {
    let isAway = false;
    const pool = database.pool();
    const query = (sql: string, params?: unknown[]): Promise<unknown> =>
      isAway ? Promise.reject(Object.assign(new Error('away'), { code: 'ECONNRESET' })) : pool.query(sql, params);
    const stalled = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_000, pool: { query } });
    const other = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_000 });
    await budgetsOf(other);
    const reservation = await stalled.reserveAsync('k', { usd: 0.4 });
    isAway = true;
    await until(async () => (await budgetsOf(other)).spentUsd === 0.4);
    await stalled.settleAsync(reservation, { usd: 0.1 });
    isAway = false;
    await until(async () => (await budgetsOf(other)).spentUsd === 0.1);
    expect(await budgetsOf(other)).toMatchObject({ heldUsd: 0, totalUsd: 0.1 });
  });

  it('count nothing twice when answers are lost: neither a hold nor a settlement', async () => {
    let loses = '';
    const pool = database.pool();
    const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
      const rows = await pool.query(sql, params);
      if (loses === '' || !sql.includes(loses)) return rows;
      loses = '';
      throw Object.assign(new Error('lost'), { code: 'ECONNRESET' });
    };
    const service = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_000, pool: { query } });
    const reservation = await service.reserveAsync('k', { usd: 0.4 });
    loses = 'budget_hold(';
    expect(await service.reserveAsync('k', { usd: 0.5 })).toMatchObject({ allowed: false, outage: 'deny' });
    expect(await budgetsOf(service)).toMatchObject({ heldUsd: 0.9 });
    await until(async () => (await budgetsOf(service)).heldUsd === 0.4);
    loses = 'budget_settle(';
    await service.settleAsync(reservation, { usd: 0.3 });
    await sleep(1_000);
    expect(await budgetsOf(service)).toMatchObject({ spentUsd: 0.3, heldUsd: 0, totalUsd: 0.3 });
    expect((await service.listCrashSettlements()).settlements).toEqual([]);
  });

  it('take nothing for a statement that arrives after its request was answered by onStoreError', async () => {
    const late: (() => Promise<unknown>)[] = [];
    let isSlow = false;
    const pool = database.pool();
    const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
      if (!isSlow || !sql.includes('budget_hold(')) return pool.query(sql, params);
      late.push(() => pool.query(sql, params));
      throw Object.assign(new Error('lost'), { code: 'ECONNRESET' });
    };
    const service = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_000, pool: { query } });
    await budgetsOf(service);
    isSlow = true;
    expect((await service.reserveAsync('k', { usd: 0.4 })).outage).toBe('deny');
    isSlow = false;
    await until(async () => (await countOf('budget_holds')) === 1);
    await expect(late[0]()).rejects.toMatchObject({ code: '23505' });
    expect(await budgetsOf(service)).toMatchObject({ heldUsd: 0, spentUsd: 0 });
  });

  it('never wait for each other in a circle, whatever the order of keys', async () => {
    const limits = {
      a: { usdPerDay: 50, usdPerMonth: 100 },
      b: { usdTotal: 100 },
      c: { usdPerWindow: 100, usdWindow: '1h', usdWindowKind: 'sliding' },
    } as const;
    const processes = Array.from({ length: 4 }, () => limiter({ requestsPerMinute: 1e6, limits }, { holdTtlMs: 1_000 }));
    const random = (count: number): number => Math.floor(Math.random() * count);
    const names = Object.keys(limits);
    let spent = 0;
    const call = async (service: RateLimiterService): Promise<void> => {
      const scopes = Array.from({ length: 1 + random(3) }, () => ({ key: `k${random(3)}`, limit: names[random(3)] }));
      const reservation = await service.reserveAsync(scopes, { usd: 0.001 });
      expect(reservation).toMatchObject({ allowed: true, outage: undefined });
      if (random(2) === 0) expect(await service.extendAsync(reservation, 0.002)).toBe(true);
      if (random(4) === 0) service.charge(reservation);
      await service.settleAsync(reservation, { usd: 0.001 });
      spent += scopes.length;
    };
    const rounds = usuallyOrLong(40, 400);
    await Promise.all(
      processes.flatMap((service) =>
        Array.from({ length: 8 }, async () => {
          for (let i = 0; i < rounds; i++) await call(service);
        }),
      ),
    );
    for (const service of processes) await service.close();
    const [{ held, total, deadlocks }] = await database.query(`SELECT sum(array_held)::int AS held, sum(total)::float8 AS total,
      (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())::int AS deadlocks
      FROM (SELECT total, (SELECT sum(h) FROM unnest(held) AS h) AS array_held FROM fast_litellm.budget_accounts WHERE budget NOT LIKE '%2592000000%') AS accounts`);
    expect({ held, total, deadlocks }).toEqual({ held: 0, total: spent * 1e6, deadlocks: 0 });
  }, 120_000);

  it('are shown page by page, changed and reset', async () => {
    const service = limiter({ requestsPerMinute: 100, limits: { team: { usdPerMonth: 5, usdPerDay: 3 }, user: { usdTotal: 2 } } });
    const strange = ['a', 'b/c', '', 'x'.repeat(300), '"{}\\,', 'ä\ud800', 'nul\0'];
    for (const key of strange) await service.setSpent(key, 1, { limit: 'team', period: 'day' });
    await service.setSpent('ann', 2, { limit: 'user' });
    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await service.listBudgets({ count: 2, cursor });
      listed.push(...page.keys.map(({ limit, key, budgets }) => `${limit} ${key} ${budgets.map(({ spentUsd }) => spentUsd).join()}`));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(listed).toHaveLength(strange.length + 1);
    expect(listed).toEqual(expect.arrayContaining(['team a 1,0', 'team b/c 1,0', 'team "{}\\, 1,0', 'user ann 2']));
    expect(listed.filter((line) => /^team ~[\w-]{43} 1,0$/.test(line))).toHaveLength(4);
    await service.raiseBudget('ann', 1, { limit: 'user' });
    expect(await service.reserveAsync('ann', { limit: 'user', usd: 0.9 })).toMatchObject({ allowed: true });
    expect(await service.reserveAsync('ann', { limit: 'user', usd: 3.1 })).toMatchObject({ budgetDenial: 'request_exceeds_budget' });
    expect(await service.reserveAsync('ann', { limit: 'user', usd: 1.1 })).toMatchObject({
      budgetDenial: 'budget_exhausted',
      retryAfterMs: undefined,
    });
    await service.resetAsync('ann', { limit: 'user' });
    expect(await budgetsOf(service, 'ann', 'user')).toMatchObject({ spentUsd: 0, heldUsd: 0, totalUsd: 0, limitUsd: 2 });
    await expect(service.listBudgets({ cursor: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(service.listCrashSettlements({ cursor: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('report the marks that their spend crosses, once, whichever process settles', async () => {
    const alerts: string[] = [];
    const budgets = { alertAt: [0.5, 1], onAlert: ({ key, mark }: { key: string; mark: number }) => void alerts.push(`${key} ${mark}`) };
    const both = [limiter({ usdPerDay: 1, budgets }), limiter({ usdPerDay: 1, budgets })];
    for (let i = 0; i < 4; i++) await both[i % 2].settleAsync(await both[i % 2].reserveAsync('k', { usd: 0.25 }), { usd: 0.25 });
    expect(alerts).toEqual(['k 0.5', 'k 1']);
  });

  it('need one statement for the requests of one turn, and none without a budget', async () => {
    let statements = 0;
    const pool = database.pool();
    const query: SqlClient['query'] = (sql, params) => {
      statements++;
      return pool.query(sql, params);
    };
    const service = limiter({ requestsPerMinute: 1_000, limits: { team: { usdPerDay: 1 } } }, { pool: { query } });
    await service.reserveAsync('k', { limit: 'team' });
    statements = 0;
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => service.reserveAsync(`k${i}`, { limit: 'team', usd: 0.1 })));
    expect(statements).toBe(1);
    await Promise.all(answers.map((answer) => service.settleAsync(answer, { usd: 0.1 })));
    expect(statements).toBe(2);
    for (let i = 0; i < 10; i++) await service.settleAsync(await service.reserveAsync('k', { tokens: 1 }), 1);
    expect(statements).toBe(2);
  });

  it('write settlements that are on their way before they close', async () => {
    const service = open({ usdPerDay: 1 });
    const reservations = await Promise.all(Array.from({ length: 20 }, () => service.reserveAsync('k', { usd: 0.01 })));
    for (const reservation of reservations) service.settle(reservation, { usd: 0.01 });
    await service.close();
    expect(await budgetsOf(limiter({ usdPerDay: 1 }))).toMatchObject({ spentUsd: 0.2, heldUsd: 0 });
  });

  it('share the connections of a store with its keys, whichever is closed first', async () => {
    const connections = async (): Promise<number> =>
      Number(
        (
          await database.query(
            `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-fast-litellm'`,
          )
        )[0].count,
      );
    const openBoth = (): readonly [PostgresStore, FastLiteLLM] => {
      const store = postgresStore({ url: database.url, timeoutMs: 20_000 });
      const rateLimit = { usdPerDay: 1, store: postgresRateLimitStore({ store, onStoreError: 'deny' }) };
      return [store, new FastLiteLLM({ logger, engine: 'typescript', rateLimit })];
    };
    const [first, llm] = openBoth();
    await first.list();
    const reservation = await llm.rateLimiter.reserveAsync('k', { usd: 0.1 });
    await first.close();
    expect(await connections()).toBeGreaterThan(0);
    llm.rateLimiter.settle(reservation, { usd: 0.1 });
    await llm.close();
    await until(async () => (await connections()) === 0);

    const [second, other] = openBoth();
    await second.list();
    expect((await other.rateLimiter.getBudgetsAsync('k'))[0]).toMatchObject({ spentUsd: 0.1, heldUsd: 0 });
    await other.close();
    expect(await second.list()).toEqual([]);
    await second.close();
    await until(async () => (await connections()) === 0);

    const [, alone] = openBoth();
    await alone.rateLimiter.reserveAsync('k', { usd: 0.1 });
    await alone.close();
    await until(async () => (await connections()) === 0);
  });

  it('read and write no table as a whole', async () => {
    // A new database: connections of the tests above may report their scans late.
    await database.drop();
    await prepare();
    const rows = usuallyOrLong(20_000, 1_000_000);
    const at = Date.now();
    await database.query(
      `INSERT INTO fast_litellm.budget_accounts (limit_name, key, budget, total, starts, ends, spent, held)
        SELECT 'default', 'k' || n, 'calendar:86400000:UTC', 5, ARRAY[$1::bigint], ARRAY[$2::bigint], '{5}', '{0}' FROM generate_series(1, $3::int) AS n`,
      [at - (at % DAY_MS), at - (at % DAY_MS) + DAY_MS, rows],
    );
    await database.query(
      `INSERT INTO fast_litellm.budget_holds (id, place, limit_name, key, budgets, starts, held, taken_at, expires_at)
        SELECT 'h' || n, 0, 'default', 'k' || n, ARRAY['calendar:86400000:UTC'], ARRAY[$1::bigint], 0, $2::bigint, $2::bigint + 3600000 FROM generate_series(1, $3::int) AS n`,
      [at - (at % DAY_MS), at, rows],
    );
    await database.query('ANALYZE fast_litellm.budget_accounts, fast_litellm.budget_holds');
    const scans = async (): Promise<number> =>
      Number(
        (
          await database.query(
            `SELECT sum(seq_tup_read) AS scans FROM pg_stat_user_tables WHERE relname IN ('budget_accounts', 'budget_holds')`,
          )
        )[0].scans,
      );
    await sleep(1_500);
    const before = await scans();
    const service = open({ usdPerDay: 1 }, { holdTtlMs: 1_000 });
    const reservation = await service.reserveAsync('k7', { usd: 0.1 });
    await service.extendAsync(reservation, 0.2);
    await service.settleAsync(reservation, { usd: 0.1 });
    await service.reserveAsync('k8', { usd: 0.1 });
    await service.getBudgetHolds('k8');
    await service.listBudgets({ count: 10 });
    await service.listCrashSettlements();
    await service.setSpent('k9', 0.1);
    await service.resetAsync('k10');
    await sleep(1_000);
    // The end of a connection reports what it has read.
    await service.close();
    await sleep(1_500);
    expect((await scans()) - before).toBe(0);
  }, 240_000);

  it('forget accounts that count nothing any more, but no spend of the last year', async () => {
    await database.query(`INSERT INTO fast_litellm.budget_accounts (limit_name, key, budget, total, starts, ends, spent, held, used_at) VALUES
      ('default', 'empty', 'total', 0, '{0}', '{9007199254740992}', '{0}', '{0}', now() - interval '2 hours'),
      ('default', 'held', 'total', 0, '{0}', '{9007199254740992}', '{0}', '{7}', now() - interval '2 hours'),
      ('default', 'spent', 'calendar:86400000:UTC', 9, '{0}', '{86400000}', '{9}', '{0}', now() - interval '200 days'),
      ('default', 'old', 'calendar:86400000:UTC', 9, '{0}', '{86400000}', '{9}', '{0}', now() - interval '400 days'),
      ('default', 'endless', 'total', 9, '{0}', '{9007199254740992}', '{9}', '{0}', now() - interval '400 days')`);
    // More than it looks at in one go.
    await database.query(`INSERT INTO fast_litellm.budget_accounts (limit_name, key, budget, used_at)
      SELECT 'default', 'busy' || n, 'total', now() - CASE WHEN n > 600 THEN interval '2 hours' ELSE interval '0' END FROM generate_series(1, 700) AS n`);
    const service = limiter({ usdPerDay: 1 }, { holdTtlMs: 1_000 });
    await budgetsOf(service);
    await until(async () => (await countOf('budget_accounts')) === 603);
    const keys = await database.query(`SELECT key FROM fast_litellm.budget_accounts WHERE key NOT LIKE 'busy%' ORDER BY key`);
    expect(keys.map(({ key }) => key)).toEqual(['endless', 'held', 'spent']);
  });
});

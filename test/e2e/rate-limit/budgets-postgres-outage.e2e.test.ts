import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import { postgresRateLimitStore } from '../../../lib/postgres/budgets/rate-limit-store.js';
import { postgresStore } from '../../../lib/postgres/postgres-store.js';
import type { BudgetReport, RateLimiterService } from '../../../lib/rate-limit/rate-limit.service.js';
import { hasPostgresBinaries, PostgresCluster } from '../../support/postgres-cluster.js';
import { until } from '../../support/until.js';

/** Where PostgreSQL answers or refuses, so that a busy machine is not too late. */
const PATIENT_MS = 10_000;
const HUNG_MS = 500;
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

(hasPostgresBinaries ? describe : describe.skip)('an outage of the PostgreSQL with the budgets', () => {
  let cluster: PostgresCluster;
  let opened: FastLiteLLM[];
  beforeAll(async () => {
    cluster = await PostgresCluster.start();
  }, 120_000);
  afterAll(() => cluster.remove());
  beforeEach(() => (opened = []));
  afterEach(async () => {
    for (const llm of opened) await llm.close();
  });

  const limiter = (schema: string, onStoreError: 'deny' | 'allow' | 'local', timeoutMs = PATIENT_MS): RateLimiterService => {
    const store = postgresStore({ url: cluster.url, schema, timeoutMs });
    const budgets = postgresRateLimitStore({ store, onStoreError, holdTtlMs: 3_000 });
    const llm = new FastLiteLLM({ logger: quiet, rateLimit: { usdPerDay: 1, maxConcurrent: 5, store: budgets } });
    opened.push(llm);
    return llm.rateLimiter;
  };
  const isBack = (service: RateLimiterService): Promise<void> => until(async () => (await service.peekAsync('k')).outage === undefined);
  const budgetOf = async (service: RateLimiterService): Promise<BudgetReport | undefined> => (await service.getBudgetsAsync('k')).at(0);
  const spentOnce = async (service: RateLimiterService, spentUsd: number): Promise<void> => {
    await until(async () => {
      const budget = await budgetOf(service);
      return budget?.heldUsd === 0 && budget.spentUsd === spentUsd && budget.totalUsd === spentUsd;
    });
  };

  it.each(['deny', 'allow'] as const)(
    'is answered by onStoreError %s, and a call that ends in it is counted once',
    async (onStoreError) => {
      const service = limiter(`outage_${onStoreError}`, onStoreError);
      const held = await service.reserveAsync('k', { usd: 0.3 });
      expect(held).toMatchObject({ allowed: true, outage: undefined });
      await cluster.kill();
      const during = await service.reserveAsync('k', { usd: 0.3 });
      expect(during).toMatchObject({ allowed: onStoreError === 'allow', outage: onStoreError });
      // Other limits are those of this process.
      const more = await Promise.all(Array.from({ length: 5 }, () => service.reserveAsync('k', { usd: 5 })));
      expect(more.filter(({ allowed }) => allowed)).toHaveLength(onStoreError === 'allow' ? 3 : 0);
      expect(await service.extendAsync(held, 0.5)).toBe(onStoreError === 'allow');
      expect(await service.health()).toMatchObject({ status: onStoreError === 'deny' ? 'down' : 'degraded', onStoreError });
      await service.settleAsync(held, { usd: 0.2 });
      for (const reservation of [during, ...more]) await service.settleAsync(reservation, { usd: 0.1 });
      await expect(service.setSpent('k', 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await cluster.start();
      await isBack(service);
      await spentOnce(service, 0.2);
      await until(async () => (await service.health()).status === 'ok');
      expect((await service.listCrashSettlements()).settlements).toEqual([]);
    },
    120_000,
  );

  it('is decided with an equal share by each process, whose spend counts once afterwards', async () => {
    const both = [limiter('outage_local', 'local'), limiter('outage_local', 'local')];
    await both[0].settleAsync(await both[0].reserveAsync('k', { usd: 0.2 }), { usd: 0.2 });
    for (const service of both) await service.peekAsync('k');
    const processes = (): Promise<Record<string, unknown>[]> => cluster.query('SELECT * FROM outage_local.budget_processes');
    await until(async () => (await processes()).length === 2);
    // A process counts itself with its second heartbeat.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await cluster.stop();
    for (const service of both) {
      await until(async () => (await service.peekAsync('k')).outage === 'local');
      const paid = await service.reserveAsync('k', { usd: 0.3 });
      expect(paid).toMatchObject({ allowed: true, outage: 'local' });
      expect(await service.reserveAsync('k', { usd: 0.2 })).toMatchObject({ allowed: false });
      await service.settleAsync(paid, { usd: 0.25 });
    }
    await cluster.start();
    await isBack(both[0]);
    await spentOnce(both[0], 0.7);
  }, 120_000);

  it('that hangs costs three time-outs, not one for each request', async () => {
    const patient = limiter('outage_hung', 'deny');
    await patient.reserveAsync('k', { usd: 0 });
    const service = limiter('outage_hung', 'deny', HUNG_MS);
    await isBack(service);
    cluster.signal('SIGSTOP');
    for (let i = 0; i < 3; i++) expect(await service.reserveAsync('k', { usd: 0.1 })).toMatchObject({ outage: 'deny' });
    const statements = (): number | undefined => service.metrics().find(({ name }) => name === 'rate_limit_store_calls_total')?.value;
    const before = statements();
    await Promise.all(Array.from({ length: 100 }, () => service.reserveAsync('k', { usd: 0.1 })));
    expect(statements()).toBe(before);
    expect(service.metrics().find(({ name }) => name === 'rate_limit_store_up')?.value).toBe(0);
    cluster.signal('SIGCONT');
    await isBack(service);
    await until(async () => (await budgetOf(service))?.heldUsd === 0);
    expect(await budgetOf(service)).toMatchObject({ spentUsd: 0 });
  }, 120_000);
});

import { usuallyOrLong } from '../../test/support/long.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { FastLiteLLMSpendService } from '../spend/spend.service.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';

const CALLS = usuallyOrLong(40_000, 1_000_000);
/** Three months of calls, and two years of sums. */
const NOW_MS = Date.UTC(2027, 2, 31, 12);

(hasPostgres ? describe : describe.skip)(`questions about ${CALLS} calls`, () => {
  let database: TestDatabase;
  let pool: TestPool;
  let store: PostgresStore;
  let spend: FastLiteLLMSpendService;
  let plans: string[] = [];
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
    await postgresStore({ pool, timeoutMs: 60_000 }).migrate();
    await database.query(`SELECT fast_litellm.create_spend_month(month)
      FROM generate_series('2027-01-01T00:00:00Z'::timestamptz, '2027-03-15', interval '1 month') AS month`);
    await database.query(`INSERT INTO fast_litellm.calls (id, started_at, duration_ms, operation, stream, model, model_group, upstream_model,
        provider, key_id, user_id, team_id, end_user, organization_id, session_id, request_id, tags, status, nano_usd, process_id)
      SELECT 'call' || n, timestamptz '2027-01-01T00:00:00Z' + n * interval '89 days' / ${CALLS}, 100, 'chat', false, 'gpt', 'group' || n % 20,
        'model' || n % 20, 'openai', 'key' || n % 5000, 'user' || n % 2000, 'team' || n % 200, 'customer' || n % 10000, 'org' || n % 50,
        'session' || n / 5, 'request' || n, ARRAY['tag' || n % 500], CASE WHEN n % 200 = 0 THEN 'failure' ELSE 'success' END, n, 'test'
      FROM generate_series(1, ${CALLS}) AS n`);
    await database.query(`INSERT INTO fast_litellm.daily_spend (day, dimension, entity, key_id, model_group, provider, operation, requests, nano_usd)
      SELECT date '2025-04-01' + n % 730, (ARRAY['all', 'key', 'team', 'user', 'tag', 'model', 'end_user'])[1 + n % 7],
        CASE WHEN n % 7 = 0 THEN '' ELSE 'e' || n % 300 END, 'key' || n % 5000, 'group' || n % 20, 'openai' || n / 1000, 'chat', 1, n
      FROM generate_series(1, ${CALLS}) AS n`);
    await database.query('ANALYZE fast_litellm.calls');
    await database.query('ANALYZE fast_litellm.daily_spend');
    const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
      if (/fast_litellm"\."?(?:calls|call_|daily)/.test(sql)) {
        const { rows } = await pool.query(`EXPLAIN ${sql}`, params);
        plans.push(rows.map((row) => String(row['QUERY PLAN'])).join('\n'));
      }
      return pool.query(sql, params);
    };
    store = postgresStore({ pool: { query }, migrate: false, timeoutMs: 60_000 });
    spend = new FastLiteLLMSpendService(store.spendQueries, () => NOW_MS);
  }, 300_000);
  afterAll(async () => {
    await store.close();
    await database.drop();
  });
  beforeEach(() => (plans = []));

  const week = { from: '2027-03-20', to: '2027-03-26' };
  const hours = { from: '2027-03-20T08:00', to: '2027-03-20T09:00' };

  it.each<[string, () => Promise<unknown>]>([
    ['spend by team', () => spend.spendBy({ by: 'team', ...week })],
    ['spend by key', () => spend.topSpenders({ by: 'key', ...week })],
    ['spend by model group of a team', () => spend.spendBy({ by: 'modelGroup', filter: { team: 'e7' }, ...week })],
    ['spend by tag of a key', () => spend.spendBy({ by: 'tag', filter: { key: 'key7' }, ...week })],
    ['spend by user of a team', () => spend.spendBy({ by: 'user', filter: { team: 'team7' }, ...week })],
    ['spend by tag of a user', () => spend.spendBy({ by: 'tag', filter: { user: 'user7' }, ...week })],
    ['spend by model of an hour', () => spend.spendBy({ by: 'model', ...hours })],
    ['the spend of two teams', () => spend.total({ filter: { team: ['e7', 'e8'] }, ...week })],
    ['days', () => spend.daily(week)],
    ['a comparison', () => spend.compare(week)],
    ['a forecast', () => spend.forecast({ filter: { key: 'key7' } })],
    ['parts of days', () => store.spendQueries.parts({ fromMs: Date.parse(week.from), toMs: NOW_MS - (NOW_MS % 86_400_000) }, {}, 'team')],
    ['the newest calls', () => spend.calls(week)],
    ['the oldest calls', () => spend.calls({ oldestFirst: true, ...week })],
    ['the number of calls of a user', () => store.spend.countOf('user', 'user7')],
    ['the number of calls of an end user', () => store.spend.countOf('end_user', 'customer7')],
    ['calls of a key', () => spend.calls({ filter: { key: 'key7' } })],
    ['calls of a team', () => spend.calls({ filter: { team: 'team7' } })],
    ['calls of teams', () => spend.calls({ filter: { team: ['team7', 'team8'] }, ...week })],
    ['calls of a user', () => spend.calls({ filter: { user: 'user7' } })],
    ['calls with a tag', () => spend.calls({ filter: { tag: 'tag7' } })],
    ['calls of a session', () => spend.calls({ filter: { sessionId: 'session7' } })],
    ['calls of a request', () => spend.calls({ filter: { id: 'request777' }, from: '2027-01-01' })],
    ['failed calls', () => spend.calls({ filter: { isFailed: true } })],
    ['a call', () => spend.call('call777')],
    ['the number of calls', () => store.spendQueries.countCalls({ fromMs: 0, toMs: NOW_MS }, { team: 'team7' }, 10_000)],
    [
      'the dearest calls of a team',
      () =>
        store.spendQueries.sortedCalls(
          { range: { fromMs: 0, toMs: NOW_MS }, filter: { team: 'team7' }, limit: 50, oldestFirst: false },
          'spend',
          10_000,
        ),
    ],
  ])('find %s by an index', async (_, ask) => {
    await ask();
    expect(plans.length).toBeGreaterThan(0);
    // Planning looks at empty partitions, too.
    const scans = plans.filter((plan) => /Seq Scan on (?:daily_spend|calls_2027_0[123])/.test(plan));
    expect(scans).toEqual([]);
  });

  it('read a page of calls in the order of an index, from the middle on', async () => {
    const { next } = await spend.calls({ from: '2027-01-01', limit: 100 });
    plans = [];
    const page = await spend.calls({ from: '2027-01-01', limit: 100, after: next });
    expect(page.calls[0].id).toBe(`call${CALLS - 100}`);
    expect(plans[0]).not.toMatch(/ Sort /);
  });
});

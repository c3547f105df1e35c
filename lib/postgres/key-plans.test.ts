import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { usuallyOrLong } from '../../test/support/long.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';

const KEYS = usuallyOrLong(30_000, 1_000_000);

(hasPostgres ? describe : describe.skip)(`statements on ${KEYS} keys`, () => {
  let database: TestDatabase;
  let pool: TestPool;
  let store: PostgresStore;
  let plans: string[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
    const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
      const { rows } = await pool.query(`EXPLAIN ${sql}`, params);
      plans.push(rows.map((row) => String(row['QUERY PLAN'])).join('\n'));
      return pool.query(sql, params);
    };
    await postgresStore({ pool, timeoutMs: 60_000 }).migrate();
    await database.query(`ALTER TABLE fast_litellm.keys DISABLE TRIGGER keys_changed;
      INSERT INTO fast_litellm.keys (public_id, alias, user_id, team_id, hashes, blocked, expires_at, created_at, record)
      SELECT id, 'alias' || n, 'user' || n % 5000, 'team' || n % 1000, ARRAY[md5(id)], n % 1000 = 0,
        CASE WHEN n % 1000 = 1 THEN now() - interval '1 day' END, now() - n * interval '1 minute',
        jsonb_build_object('publicId', id, 'hashes', jsonb_build_array(jsonb_build_object('sha256', repeat('a', 64))))
      FROM (SELECT n, 'k' || lpad(n::text, 11, '0') AS id FROM generate_series(1, ${KEYS}) AS n) AS ids`);
    await database.query('ANALYZE fast_litellm.keys');
    store = postgresStore({ pool: { query }, migrate: false, timeoutMs: 60_000 });
    plans = [];
    await store.findByPublicId('k00000000001');
  }, 240_000);
  afterAll(async () => {
    await store.close();
    await database.drop();
  });
  beforeEach(() => (plans = []));

  it.each<[string, () => Promise<unknown>]>([
    ['an id', () => store.findByPublicId('k00000000001')],
    ['an alias', () => store.findByAlias!('alias7')],
    ['the beginning of an alias', () => store.search!({ search: 'ALIAS77' })],
    ['the beginning of an alias in a team', () => store.search!({ search: 'alias7', team: 'team7' })],
    ['an id by the search for aliases', () => store.search!({ search: 'k00000000002' })],
    ['keys of a user', () => store.search!({ user: 'user7' })],
    ['keys of a team', () => store.search!({ team: 'team7', status: 'active' })],
    ['blocked keys', () => store.search!({ status: 'revoked' })],
    ['expired keys', () => store.search!({ status: 'expired' })],
    ['a change', () => store.put({ publicId: 'k00000000007', hashes: [{ sha256: 'a'.repeat(64) }], revision: 2 })],
    ['a deletion', () => store.delete('k00000000009')],
  ])('find %s by an index', async (_, run) => {
    await run();
    expect(plans.length).toBeGreaterThan(0);
    expect(plans.filter((plan) => /Seq Scan on keys/.test(plan))).toEqual([]);
  });

  it('search aliases by their beginning as a text, not as a pattern, and ids', async () => {
    const ids = async (search: string): Promise<readonly string[]> =>
      (await store.search!({ search })).records.map(({ publicId }) => publicId);
    const one = `k${String(KEYS).padStart(11, '0')}`;
    expect(await ids(`Alias${KEYS}`)).toEqual([one]);
    expect(await ids(one)).toEqual([one]);
    for (const other of ['alias%', 'alias_', '%', 'lias1', 'alias\\', one.slice(0, -1)])
      expect([other, await ids(other)]).toEqual([other, []]);
  });

  it('read a page of all keys in the order of an index', async () => {
    const { records, total } = await store.search!({ limit: 10 });
    expect([records.length, total]).toEqual([10, Math.min(100_000, KEYS - 1)]);
    expect(plans[1]).toContain('Index Scan using keys_created');
    expect(plans[1]).not.toContain('Sort');
  });
});

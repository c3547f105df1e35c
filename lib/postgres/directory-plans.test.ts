import { usuallyOrLong } from '../../test/support/long.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';

const ROWS = usuallyOrLong(30_000, 1_000_000);
const TABLES = ['budgets', 'organizations', 'teams', 'users', 'team_members', 'customers'] as const;

(hasPostgres ? describe : describe.skip)(`statements on ${ROWS} teams, users and others`, () => {
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
    const columns: Readonly<Record<(typeof TABLES)[number], readonly [string, string]>> = {
      budgets: ['', ''],
      organizations: ['alias, budget_id,', `'alias' || n, CASE WHEN n % 100 = 0 THEN 'b' || n END,`],
      teams: ['alias, organization_id,', `'alias' || n, 'o' || n % 1000,`],
      users: ['email, role,', `'user' || n || '@example.com', CASE WHEN n % 1000 = 0 THEN 'admin' END,`],
      team_members: ['team_id, user_id,', `'id' || n % 1000 + 1, 'u' || n % 5000,`],
      customers: ['budget_id,', `CASE WHEN n % 100 = 0 THEN 'b' || n END,`],
    };
    for (const table of TABLES) {
      const [names, values] = columns[table];
      await database.query(`ALTER TABLE fast_litellm.${table} DISABLE TRIGGER USER;
        INSERT INTO fast_litellm.${table} (id, ${names} created_at, record)
        SELECT 'id' || n, ${values} now() - n * interval '1 minute', jsonb_build_object('id', 'id' || n, 'team', 't', 'user', 'u')
          ${table === 'team_members' ? '' : `- 'team' - 'user'`}
        FROM generate_series(1, ${ROWS}) AS n; ANALYZE fast_litellm.${table}`);
    }
    store = postgresStore({ pool: { query }, migrate: false, timeoutMs: 60_000 });
    plans = [];
    await store.directory.find('teams', 'id1');
  }, 600_000);
  afterAll(async () => {
    await store.close();
    await database.drop();
  });
  beforeEach(() => (plans = []));

  it.each<[string, () => Promise<unknown>]>([
    ['records of requests', () => Promise.all(TABLES.map((table) => Promise.resolve(store.directory.lookUp?.(table, 'id7'))))],
    ['a team', () => store.directory.find('teams', 'id7')],
    ['teams by id', () => store.directory.list('teams', { ids: ['id7', 'id8'] })],
    ['teams of an organization', () => store.directory.list('teams', { organization: 'o7' })],
    ['teams by name', () => store.directory.list('teams', { alias: 'alias7' })],
    ['a user by address', () => store.directory.list('users', { email: 'USER7@example.com' })],
    ['users by role', () => store.directory.list('users', { role: 'admin' })],
    ['members of a team', () => store.directory.list('team_members', { teams: ['id7'] })],
    ['teams of a user', () => store.directory.list('team_members', { user: 'u7' })],
    ['a change', () => store.directory.put('teams', { id: 'id9', revision: 2 })],
    ['a deletion', () => store.directory.delete('teams', 'id5000')],
    ['the deletion of a budget', () => store.directory.delete('budgets', 'id77')],
  ])('find %s by an index', async (_, run) => {
    await run();
    expect(plans.length).toBeGreaterThan(0);
    expect(plans.filter((plan) => /Seq Scan on (?:budgets|organizations|teams|users|team_members|customers)/.test(plan))).toEqual([]);
  });

  it('read a page of all teams in the order of an index', async () => {
    expect((await store.directory.list('teams', { limit: 10 })).records).toHaveLength(10);
    expect(plans[1]).toContain('Index Scan using teams_created');
    expect(plans[1]).not.toContain('Sort');
  });
});

import { runCommand } from '../../test/support/command-run.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { applyMigrations, migrationState, readMigrations, type Migration } from './migrate.js';
import { postgresStore } from './postgres-store.js';

(hasPostgres ? describe : describe.skip)('migrations', () => {
  let database: TestDatabase;
  let pool: TestPool;
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
  });
  afterAll(() => database.drop());
  afterEach(() => database.query('DROP SCHEMA IF EXISTS fast_litellm CASCADE; DROP SCHEMA IF EXISTS "user" CASCADE'));

  const names = (migrations: readonly Migration[]): string[] => migrations.map(({ name }) => name);
  const of = (number: number, sql: string, isCompatible = true): Migration => ({ number, name: `000${number}-test`, sql, isCompatible });
  const tables = async (): Promise<unknown[]> =>
    (await database.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'fast_litellm' ORDER BY 1`)).map(
      ({ tablename }) => tablename,
    );

  it('have numbers of their own, in order', () => {
    const numbers = readMigrations().map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
  });

  it('are applied once, by any of several connections that start at the same time', async () => {
    const pools = [1, 2, 3, 4].map(() => database.pool());
    await Promise.all(pools.map((each) => applyMigrations(each, 'fast_litellm')));
    const applied = await database.query('SELECT name FROM fast_litellm.migrations ORDER BY number');
    expect(applied.map(({ name }) => name)).toEqual(names(readMigrations()));
    expect(await applyMigrations(pool, 'fast_litellm')).toEqual([]);
  });

  it('are applied in a schema whose name is a word of SQL', async () => {
    const store = postgresStore({ pool, schema: 'user', timeoutMs: 10_000 });
    expect(await store.put({ publicId: 'key000000001', hashes: [{ sha256: 'a'.repeat(64) }], revision: 1 })).toBe(true);
    expect(await database.query('SELECT entity, id FROM "user".changes')).toEqual([{ entity: 'keys', id: 'key000000001' }]);
    await store.close();
  });

  it('leave nothing of one that fails, and continue with it', async () => {
    const first = of(1, 'CREATE TABLE one (a int);');
    const broken = of(2, 'CREATE TABLE two (a int); INSERT INTO two VALUES (1); SELECT 1 / 0;');
    await expect(applyMigrations(pool, 'fast_litellm', [first, broken])).rejects.toMatchObject({
      code: 'DATABASE_FAILED',
      message: expect.stringMatching(/^PostgreSQL: migration 0002-test failed and was rolled back \(.*22012\)$/) as string,
    });
    expect(await tables()).toEqual(['migrations', 'one']);
    expect(names(await applyMigrations(pool, 'fast_litellm', [first, of(2, 'CREATE TABLE two (a int);')]))).toEqual(['0002-test']);
    expect(await tables()).toEqual(['migrations', 'one', 'two']);
  });

  it('of a newer version are accepted unless they are breaking', async () => {
    await applyMigrations(pool, 'fast_litellm', [of(1, ''), of(2, '')]);
    expect(await migrationState(pool, 'fast_litellm', [of(1, '')])).toEqual({ pending: [], breaking: undefined });
    await applyMigrations(pool, 'fast_litellm', [of(1, ''), of(2, ''), of(3, '', false)]);
    await expect(applyMigrations(pool, 'fast_litellm', [of(1, '')])).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
      message: expect.stringContaining('0003-test of a newer version') as string,
    });
  });

  it('are missing, as health and errors report, if the store must not apply them', async () => {
    const store = postgresStore({ pool, migrate: false, timeoutMs: 10_000 });
    await expect(store.list()).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });
    expect(store.fault?.()).toContain('run npx nestjs-fast-litellm migrate --schema fast_litellm');
    expect(await tables()).toEqual([]);
    expect(await store.migrate()).toEqual(names(readMigrations()));
    expect(await store.list()).toEqual([]);
    expect(store.fault?.()).toBeUndefined();
    await store.close();
  });

  it('are listed by a dry run of the command, then applied', async () => {
    const env = { DATABASE_URL: database.url };
    const listed = names(readMigrations()).map((name) => `  ${name}\n`);
    expect(await runCommand(['migrate', '--dry-run'], { env })).toEqual({
      code: 1,
      out: `schema fast_litellm: missing migrations\n${listed.join('')}`,
      err: '',
    });
    expect(await tables()).toEqual([]);
    const { code, out } = await runCommand(['migrate', '--json', '--url', database.url]);
    expect([code, JSON.parse(out)]).toEqual([0, { schema: 'fast_litellm', applied: true, migrations: names(readMigrations()) }]);
    expect(await runCommand(['migrate', '-n'], { env })).toEqual({ code: 0, out: 'schema fast_litellm is up to date\n', err: '' });
    expect(await runCommand(['migrate'], { env })).toMatchObject({ code: 0, out: 'schema fast_litellm is up to date\n' });
  });

  it('fail in the command with a reason and without the password', async () => {
    expect(await runCommand(['migrate'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--url or the variable DATABASE_URL must be set') as string,
    });
    expect(await runCommand(['migrate', '--url', 'mysql://me:hidden@h/x'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/migrate: --url: must be a postgres:\/\/ or postgresql:\/\/ URL, got a string of 21/) as string,
    });
    expect(await runCommand(['migrate', '--url', database.url, '--schema', 'A b'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--schema: must have 1 to 63 lower-case letters') as string,
    });
    const away = await runCommand(['migrate', '--url', 'postgres://me:hidden@127.0.0.1:1/x']);
    expect(away).toMatchObject({ code: 1, err: expect.stringContaining('ECONNREFUSED') as string });
    expect(away.err).not.toContain('hidden');
  });
});

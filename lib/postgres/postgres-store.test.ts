import { InvalidArgumentError } from '../common/errors.js';
import type { ApiKeyRecord } from '../keys/api-key-record.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { until } from '../../test/support/until.js';
import { postgresStore, type PostgresStore, type PostgresStoreOptions } from './postgres-store.js';

const HASH = 'a'.repeat(64);
const record = (publicId: string, more: object = {}): ApiKeyRecord => ({ publicId, hashes: [{ sha256: HASH }], revision: 1, ...more });
const AT = '2027-01-01T00:00:00.000Z';

(hasPostgres ? describe : describe.skip)('API keys in PostgreSQL', () => {
  let database: TestDatabase;
  let pool: TestPool;
  let stores: PostgresStore[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
  });
  afterAll(() => database.drop());
  beforeEach(() => (stores = []));
  afterEach(async () => {
    for (const store of stores) await store.close();
    await database.query('TRUNCATE fast_litellm.keys, fast_litellm.changes').catch(() => {});
  });

  const open = (options: PostgresStoreOptions): PostgresStore => {
    const store = postgresStore({ timeoutMs: 10_000, ...options });
    stores.push(store);
    return store;
  };
  const byUrl = (): PostgresStore => open({ url: database.url });
  const byPool = (): PostgresStore => open({ pool });
  /** Like an adapter that returns only rows and cannot lend connections. */
  const byRows = (): PostgresStore => open({ pool: { query: async (sql, params) => (await pool.query(sql, params)).rows } });

  it.each([
    ['a url', byUrl],
    ['a pool', byPool],
    ['an adapter', byRows],
  ])('keeps records, with %s', async (_, opened) => {
    const store = opened();
    const first = record('key000000001', {
      alias: 'one',
      models: [],
      metadata: { a: [] },
      limits: { usdPerWindow: 0.1, usdWindow: '30d' },
    });
    expect(await store.put(first)).toBe(true);
    expect(await store.put(first)).toBe(false);
    expect(await store.findByPublicId('key000000001')).toEqual(first);
    expect(await store.findByPublicId('key000000002')).toBeUndefined();
    expect(await store.findByAlias?.('one')).toEqual(first);
    expect(await store.findByAlias?.('two')).toBeUndefined();
    expect(await store.put(record('key000000001', { revision: 3 }))).toBe(false);
    expect(await store.put(record('key000000001', { revision: 2, blocked: true }))).toBe(true);
    expect(await store.delete('key000000002')).toBe(false);
    expect(await store.delete('key000000001')).toBe(true);
    expect(await store.list()).toEqual([]);
  });

  it('lets one of several processes write a revision', async () => {
    const writers = [byUrl(), byUrl(), byPool()];
    await writers[0].put(record('key000000001'));
    const wins = await Promise.all(writers.map((writer, i) => writer.put(record('key000000001', { revision: 2, user: `user${i}` }))));
    expect(wins.filter(Boolean)).toHaveLength(1);
    expect((await writers[0].findByPublicId('key000000001'))?.user).toBe(`user${wins.indexOf(true)}`);
  });

  it('gives an alias to one of several keys that are made at the same time, and back when it is free', async () => {
    const writers = [byUrl(), byPool(), byRows()];
    const made = await Promise.allSettled(writers.map((writer, i) => writer.put(record(`key00000000${i}`, { alias: 'one' }))));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = made.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ path: 'alias', rule: 'must be unique among keys' });
    const [store] = writers;
    const [kept] = await store.list();
    expect(await store.put({ ...kept, revision: 2, alias: 'other' })).toBe(true);
    expect(await store.put(record('key000000009', { alias: 'one' }))).toBe(true);
    expect(await store.delete('key000000009')).toBe(true);
    expect(await store.put(record('key000000008', { alias: 'one' }))).toBe(true);
  });

  it('rejects what PostgreSQL cannot store, as an argument', async () => {
    const store = byPool();
    for (const user of ['a\0b', 'a\ud800'])
      await expect(store.put(record('key000000001', { user }))).rejects.toBeInstanceOf(InvalidArgumentError);
    expect(store.fault?.()).toBeUndefined();
  });

  it('repeats fields in columns, with dates in UTC', async () => {
    const store = byPool();
    await store.put(
      record('key000000001', { alias: 'one', user: 'ann', team: 'red', expiresAt: '2027-01-31', blocked: true, createdAt: AT }),
    );
    await store.put(record('key000000001', { revision: 2, team: 'blue' }));
    const [row] = await database.query(
      `SELECT user_id, team_id, hashes, blocked, revision, alias, expires_at, created_at AT TIME ZONE 'UTC' = '2027-01-01' AS kept FROM fast_litellm.keys`,
    );
    expect(row).toEqual({
      user_id: null,
      team_id: 'blue',
      hashes: [HASH],
      blocked: false,
      revision: 2,
      alias: null,
      expires_at: null,
      kept: true,
    });
    await store.put(record('key000000001', { revision: 3, expiresAt: '2027-01-31' }));
    const [{ expiry }] = await database
      .query(`SET TIME ZONE 'Asia/Tokyo'; SELECT 1`)
      .then(() => database.query(`SELECT extract(epoch FROM expires_at)::int AS expiry FROM fast_litellm.keys`));
    expect(expiry).toBe(Date.parse('2027-01-31') / 1000);
  });

  it('searches by user, team, alias, id and status, the newest first, in pages', async () => {
    const store = byPool();
    const at = (day: number): string => `2027-01-${String(day).padStart(2, '0')}T00:00:00.000Z`;
    for (let i = 1; i <= 9; i++) {
      const more = { createdAt: at(i), user: i % 2 ? 'odd' : 'even', team: i < 4 ? 'low' : undefined, alias: `a${i}` };
      await store.put(
        record(`key00000000${i}`, {
          ...more,
          ...(i === 8 && { blocked: true }),
          ...(i === 9 && { expiresAt: AT.replace('2027', '2020') }),
        }),
      );
    }
    const found = async (query: object): Promise<string> => {
      const { records, total } = await store.search!(query);
      return `${records.map(({ publicId }) => publicId.at(-1)).join('')} of ${total}`;
    };
    expect(await found({})).toBe('987654321 of 9');
    expect(await found({ limit: 2, offset: 3 })).toBe('65 of 9');
    expect(await found({ user: 'odd', limit: 3 })).toBe('975 of 5');
    expect(await found({ team: 'low', user: 'even' })).toBe('2 of 1');
    expect(await found({ alias: 'a4' })).toBe('4 of 1');
    expect(await found({ publicId: 'key000000007' })).toBe('7 of 1');
    expect(await found({ status: 'revoked' })).toBe('8 of 1');
    expect(await found({ status: 'expired' })).toBe('9 of 1');
    expect(await found({ status: 'active', limit: 2 })).toBe('76 of 7');
    expect(await found({ user: `' OR ''='` })).toBe(' of 0');
  });

  it('lists more records than one answer has', async () => {
    const store = byPool();
    await store.list();
    await database.query(`INSERT INTO fast_litellm.keys (public_id, hashes, record)
      SELECT id, '{}', jsonb_build_object('publicId', id, 'hashes', jsonb_build_array(jsonb_build_object('sha256', repeat('a', 64))))
      FROM (SELECT 'k' || lpad(n::text, 11, '0') AS id FROM generate_series(1, 12000) AS n) AS ids`);
    const ids = (await store.list()).map(({ publicId }) => publicId);
    expect([ids.length, new Set(ids).size]).toEqual([12_000, 12_000]);
  });

  it('keeps the other keys manageable beside an unreadable record, tells of it, and removes it', async () => {
    const store = byPool();
    await store.put(record('key000000001', { alias: 'one' }));
    await database.query(
      `INSERT INTO fast_litellm.keys (public_id, hashes, record) VALUES ('broken000000', '{}', '{"publicId": "broken000000"}')`,
    );
    expect((await store.list()).map(({ publicId }) => publicId)).toEqual(['key000000001']);
    expect((await store.search!({})).records).toHaveLength(1);
    expect(store.fault?.()).toMatch(/^the record of the API key broken000000 in PostgreSQL/);
    await expect(store.findByPublicId('broken000000')).rejects.toThrow('the record of the API key broken000000');
    expect(await store.delete('broken000000')).toBe(true);
    expect(store.fault?.()).toBeUndefined();
  });

  it.each([
    ['notifications', byPool],
    ['polling', (): PostgresStore => open({ pool, listen: 'polling' })],
    ['polling, with an adapter', byRows],
    ['polling, with a pool of one connection', (): PostgresStore => open({ pool: database.pool({ max: 1 }) })],
    [
      'polling behind a pooler that swallows notifications',
      (): PostgresStore =>
        open({
          pool: {
            query: (sql, params) => pool.query(sql, params),
            async connect() {
              const session = (await pool.connect()) as { on(event: string, listener: () => void): void };
              const on = session.on.bind(session);
              session.on = (event, listener) => (event === 'notification' ? undefined : on(event, listener));
              return session;
            },
          },
        }),
    ],
  ])('reports the changes of other processes by %s', async (_, opened) => {
    const store = opened();
    const heard: (string | null)[] = [];
    const stop = store.onChange?.((publicId) => heard.push(publicId));
    await until(() => heard.length === 1);
    expect(store.isFollowing?.()).toBe(true);
    const writer = byUrl();
    await writer.put(record('key000000001'));
    await writer.put(record('key000000001'));
    await until(() => heard.length === 2);
    await writer.delete('key000000001');
    await writer.delete('key000000001');
    await until(() => heard.length === 3);
    expect(heard).toEqual([null, 'key000000001', 'key000000001']);
    stop?.();
    await store.close();
    expect(store.isFollowing?.()).toBe(false);
  });

  it('polls changes whose transactions commit in another order', async () => {
    const store = open({ pool, listen: 'polling' });
    const heard: (string | null)[] = [];
    store.onChange?.((publicId) => heard.push(publicId));
    await until(() => heard.length === 1);
    const slow = (await pool.connect()) as { query(sql: string): Promise<unknown>; release(): void };
    const insert = (id: string): string => `INSERT INTO fast_litellm.keys (public_id, hashes, record) VALUES ('${id}', '{}', '{}')`;
    await slow.query('BEGIN');
    await slow.query(insert('slow00000000'));
    await pool.query(insert('fast00000000'));
    await until(() => heard.length === 2);
    await slow.query('COMMIT');
    slow.release();
    await until(() => heard.length === 3);
    await pool.query(insert('last00000000'));
    await until(() => heard.length === 4);
    expect(heard).toEqual([null, 'fast00000000', 'slow00000000', 'last00000000']);
  });

  it('follows again after its connection is lost, and says that any key may have changed', async () => {
    const store = byUrl();
    const heard: (string | null)[] = [];
    store.onChange?.((publicId) => heard.push(publicId));
    await until(() => store.isFollowing?.() === true);
    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND application_name = 'nestjs-fast-litellm'`);
    await until(() => heard.length === 3);
    await until(() => store.isFollowing?.() === true);
    expect(heard).toEqual([null, null, null]);
    await until(async () => store.put(record('key000000001')).catch(() => false));
    await until(() => heard.length === 4);
    expect(heard[3]).toBe('key000000001');
  });

  it('has no connection before it is used, and checks its options', () => {
    expect(() => postgresStore({ url: 'postgres://127.0.0.1:1/x' })).not.toThrow();
    expect(() => postgresStore({})).toThrow('postgres: must have either a url or a pool');
    expect(() => postgresStore({ url: 'postgres://a', pool })).toThrow('postgres: must have either a url or a pool');
    expect(() => postgresStore({ url: 'mysql://me:secret@host/x' })).toThrow(
      /^postgres.url: must be a postgres:\/\/ or postgresql:\/\/ URL, got a string of/,
    );
    expect(() => postgresStore({ pool: {} as never })).toThrow('postgres.pool.query: must be a function');
    expect(() => postgresStore({ pool, schema: 'a"; DROP' })).toThrow('postgres.schema: must have 1 to 63 lower-case letters');
    expect(() => postgresStore({ pool, schema: 'A' })).toThrow('postgres.schema');
    expect(() => postgresStore({ pool, listen: 'no' as never })).toThrow('postgres.listen');
  });

  it('reports an unreachable database without the password of the URL', async () => {
    const store = open({ url: 'postgres://me:hidden-word@127.0.0.1:1/x' });
    await expect(store.findByPublicId('key000000001')).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    expect(store.fault?.()).toContain('ECONNREFUSED');
    expect(store.fault?.()).not.toContain('hidden-word');
  });

  it('can be used again after it was closed', async () => {
    const store = byUrl();
    await store.put(record('key000000001'));
    await store.close();
    await store.close();
    expect(await store.findByPublicId('key000000001')).toBeDefined();
  });

  it('queries the store of 10,000 unknown keys in a second at most ten times', async () => {
    const sentMs: number[] = [];
    const query = (sql: string, params?: unknown[]): Promise<unknown> => (sentMs.push(performance.now()), pool.query(sql, params));
    const store = open({ pool: { query } });
    await store.put(record('key000000001'));
    sentMs.length = 0;
    const lookups: Promise<ApiKeyRecord | undefined>[] = [];
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 100; j++) lookups.push(store.findByPublicId(`x${String(i * 100 + j).padStart(11, '0')}`));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await store.findByPublicId('key000000001')).toBeDefined();
    expect((await Promise.all(lookups)).every((found) => found === undefined)).toBe(true);
    sentMs.slice(10).forEach((ms, i) => expect(ms - sentMs[i]).toBeGreaterThan(1_000));
    expect(sentMs.length).toBeGreaterThan(4);
  });
});

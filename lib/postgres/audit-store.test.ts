import { maskSecrets } from '../common/audit-log.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../test/support/postgres.js';
import { until } from '../../test/support/until.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';

it('masks secrets by the names of fields and by their form', () => {
  const secrets = { password: 'a', api_key: 'b', clientSecret: 'c', token: 'd', hashes: ['e'], nested: [{ authorization: 'f' }] };
  expect(maskSecrets(secrets)).toEqual({
    ...{ password: '***', api_key: '***', clientSecret: '***', token: '***', hashes: '***', nested: [{ authorization: '***' }] },
  });
  const texts = ['sk-abcdefghijklmnop', 'Bearer abc', 'https://me:word@host/', 'plain', 7, null];
  expect(maskSecrets(texts)).toEqual(['***', '***', '***', 'plain', 7, null]);
  expect(maskSecrets({ tokensPerMinute: 5, max_tokens: 6, tokens: 7 })).toEqual({ tokensPerMinute: 5, max_tokens: 6, tokens: 7 });
});

(hasPostgres ? describe : describe.skip)('the audit log in PostgreSQL', () => {
  let database: TestDatabase;
  let pool: TestPool;
  let store: PostgresStore;
  let isAway = false;
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
    const query = (sql: string, params?: unknown[]): Promise<unknown> =>
      isAway ? Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' })) : pool.query(sql, params);
    store = postgresStore({ pool: { query }, timeoutMs: 10_000 });
    await store.migrate();
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  const entry = { actor: 'ann', action: 'updated', entity: 'teams', entityId: 't1' };

  it('keeps entries and returns them by any of their fields, the newest first', async () => {
    expect(
      await store.audit.record({ ...entry, address: '10.0.0.1', requestId: 'r1', before: { a: 1 }, after: { a: 2, password: 'x' } }),
    ).toBe(true);
    await store.audit.record({ ...entry, actor: 'bob', action: 'deleted', entityId: 't2' });
    const { entries, total } = await store.audit.search({});
    expect(total).toBe(2);
    expect(entries[0]).toMatchObject({ actor: 'bob', before: undefined, requestId: undefined });
    expect(entries[1]).toMatchObject({
      ...entry,
      address: '10.0.0.1',
      requestId: 'r1',
      before: { a: 1 },
      after: { a: 2, password: '***' },
    });
    expect(Math.abs(entries[0].at.getTime() - Date.now())).toBeLessThan(60_000);
    const count = async (query: object): Promise<number> => (await store.audit.search(query)).total;
    expect(await count({ actor: 'ann' })).toBe(1);
    expect(await count({ action: 'deleted' })).toBe(1);
    expect(await count({ entity: 'teams', entityId: 't2' })).toBe(1);
    expect(await count({ entity: 'keys' })).toBe(0);
    expect(await count({ since: new Date(Date.now() + 60_000) })).toBe(0);
    expect(await count({ until: new Date(Date.now() - 60_000) })).toBe(0);
    const oldest = await store.audit.search({ oldestFirst: true, limit: 1 });
    expect([oldest.entries.length, oldest.entries[0].actor, oldest.total]).toEqual([1, 'ann', 2]);
  });

  it('keeps text that jsonb rejects, without its characters', async () => {
    expect(await store.audit.record({ ...entry, entityId: 'odd', after: { name: 'a\0b\ud800c\\u0000' } })).toBe(true);
    const { entries } = await store.audit.search({ entityId: 'odd' });
    expect(entries[0].after).toEqual({ name: 'a\ufffdb\ufffdc\\u0000' });
  });

  it('keeps entries in memory while the database is unavailable, and writes them in order', async () => {
    isAway = true;
    expect(await store.audit.record({ ...entry, entityId: 'late', action: 'one' })).toBe(false);
    expect(await store.audit.record({ ...entry, entityId: 'late', action: 'two' })).toBe(false);
    expect(store.fault?.()).toContain('ECONNRESET');
    isAway = false;
    await until(async () => (await store.audit.search({ entityId: 'late' })).total === 2);
    expect((await store.audit.search({ entityId: 'late', oldestFirst: true })).entries.map(({ action }) => action).sort()).toEqual([
      'one',
      'two',
    ]);
    expect(store.fault?.()).toBeUndefined();
  });

  it.each([
    ['UPDATE', `UPDATE fast_litellm.audit_log SET actor = 'x'`],
    ['DELETE', 'DELETE FROM fast_litellm.audit_log'],
    ['TRUNCATE', 'TRUNCATE fast_litellm.audit_log'],
  ])('rejects %s', async (word, sql) => {
    await expect(database.query(sql)).rejects.toThrow(`audit_log: ${word} is not allowed; rows are only added`);
  });

  it('removes old entries with its function only', async () => {
    const { total } = await store.audit.search({});
    const removed = async (time: string): Promise<unknown> =>
      (await database.query(`SELECT fast_litellm.delete_audit_log_before(${time})::int AS removed`))[0].removed;
    expect(await removed(`now() - interval '1 day'`)).toBe(0);
    expect(await removed('now()')).toBe(total);
    await store.audit.record(entry);
    await expect(database.query('DELETE FROM fast_litellm.audit_log')).rejects.toThrow('not allowed');
  });

  it('has the change of a key if and only if the key was changed', async () => {
    const record = { publicId: 'key000000001', hashes: [{ sha256: 'a'.repeat(64) }], revision: 1 };
    const created = { ...entry, entity: 'keys', entityId: 'key000000001', action: 'created' };
    expect([await store.put(record, created), await store.put(record, created)]).toEqual([true, false]);
    expect(await store.delete('key000000002', { ...created, entityId: 'key000000002', action: 'deleted' })).toBe(false);
    const { entries } = await store.audit.search({ entity: 'keys' });
    expect(entries.map(({ entityId, action }) => `${entityId} ${action}`)).toEqual(['key000000001 created']);
  });
});

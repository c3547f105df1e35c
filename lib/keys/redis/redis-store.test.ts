import { Redis } from 'ioredis';
import { readFileSync } from 'node:fs';
import { hasRedis, RedisServer } from '../../../test/support/redis-server.js';
import { until } from '../../../test/support/until.js';
import type { ApiKeyStore } from '../api-key-store.js';
import { redisApiKeyStore } from './redis-store.js';

const HASH = 'a'.repeat(64);
const record = (publicId: string, more: object = {}) => ({ publicId, hashes: [{ sha256: HASH }], revision: 1, ...more });

(hasRedis ? describe : describe.skip)('API keys in Redis', () => {
  let server: RedisServer;
  let stores: ApiKeyStore[];
  let clients: Redis[];
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    stores = [];
    clients = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.close?.();
    for (const client of clients) client.disconnect();
    await server.ask((client) => client.flushall());
  });

  const byUrl = (): ApiKeyStore => added(redisApiKeyStore({ url: server.url, timeoutMs: 5_000 }));
  const byClient = (): ApiKeyStore => {
    const client = new Redis(server.port, '127.0.0.1');
    clients.push(client);
    return added(redisApiKeyStore({ client, timeoutMs: 5_000 }));
  };
  function added(store: ApiKeyStore): ApiKeyStore {
    stores.push(store);
    return store;
  }

  it.each([
    ['a url', byUrl],
    ['a client', byClient],
  ])('keeps records, with %s', async (_, open) => {
    const store = open();
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
    expect(await store.put(record('key000000001', { revision: 2, blocked: true }))).toBe(true);
    expect(await store.delete('key000000002')).toBe(false);
    expect(await store.delete('key000000001')).toBe(true);
    expect(await store.list()).toEqual([]);
  });

  it('needs only the permissions listed in the docs', async () => {
    const documented = /`(~\S+)` and `((?:\+\w+ ?)+)`, and the channel `(&\S+)`/;
    const [, keys, commands, channel] = documented.exec(readFileSync('docs/keys.md', 'utf8')) as RegExpExecArray;
    await server.ask((client) => client.call('ACL', 'SETUSER', 'keys', 'reset', 'on', '>secret', keys, channel, ...commands.split(' ')));
    const url = server.url.replace('//', '//keys:secret@');
    const [one, other] = [1, 2].map(() => added(redisApiKeyStore({ url, timeoutMs: 5_000 })));
    const changes: string[] = [];
    other.onChange?.((publicId) => changes.push(publicId ?? 'all'));
    const first = record('key000000001', { alias: 'one' });
    await until(() => changes.includes('all'));
    expect(await one.put(first)).toBe(true);
    await until(() => changes.includes('key000000001'));
    expect(await other.list()).toEqual([first]);
    expect(await other.findByPublicId('key000000001')).toEqual(first);
    expect(await other.delete('key000000001')).toBe(true);

    await server.ask((client) => client.call('ACL', 'SETUSER', 'keys', '-subscribe'));
    const deaf = added(redisApiKeyStore({ url, timeoutMs: 5_000 }));
    expect(await deaf.list()).toEqual([]);
    await until(() => deaf.fault?.()?.includes('because SUBSCRIBE failed: NOPERM') === true);
  });

  it('gives an alias to one of several keys that are made at the same time, and back when it is free', async () => {
    const writers = [byUrl(), byUrl(), byUrl()];
    const made = await Promise.allSettled(writers.map((writer, i) => writer.put(record(`key00000000${i}`, { alias: 'one' }))));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = made.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ path: 'alias', rule: 'must be unique among keys' });
    const [store] = writers;
    const [kept] = await store.list();
    expect(await store.put({ ...kept, revision: 2, blocked: true })).toBe(true);
    expect(await store.put({ ...kept, revision: 3, alias: 'other' })).toBe(true);
    expect(await store.put(record('key000000009', { alias: 'one' }))).toBe(true);
    expect(await store.delete('key000000009')).toBe(true);
    expect(await store.put(record('key000000008', { alias: 'one' }))).toBe(true);
    expect(await server.ask((client) => client.hgetall('fast-litellm:{keys}:aliases'))).toEqual({
      other: kept.publicId,
      one: 'key000000008',
    });
    await server.ask((client) => client.hdel('fast-litellm:{keys}', 'key000000008'));
    expect(await store.put(record('key000000007', { alias: 'one' }))).toBe(true);
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[1]'],
    ['a wrong field', JSON.stringify(record('broken000000', { hashes: [], alias: 'two' }))],
    ['another id', JSON.stringify(record('key000000009'))],
  ])('keeps the other keys manageable beside a record with %s, tells of it, and removes it', async (_, text) => {
    const store = byUrl();
    await store.put(record('key000000001', { alias: 'one' }));
    await server.ask(async (client) => {
      await client.hset('fast-litellm:{keys}', 'broken000000', text);
      await client.hset('fast-litellm:{keys}:aliases', 'two', 'broken000000');
    });
    expect((await store.list()).map(({ publicId }) => publicId)).toEqual(['key000000001']);
    expect(store.fault?.()).toMatch(/^the record of the API key broken000000 in Redis/);
    await expect(store.findByPublicId('broken000000')).rejects.toThrow('the record of the API key broken000000');
    expect(await store.put(record('broken000000'))).toBe(false);
    expect(await store.put(record('key000000002', { alias: 'three' }))).toBe(true);
    expect(await store.delete('broken000000')).toBe(true);
    expect(store.fault?.()).toBeUndefined();
    expect(await store.put(record('key000000003', { alias: 'two' }))).toBe(true);
  });

  it('lists thousands of records', async () => {
    const store = byUrl();
    const ids = Array.from({ length: 3_000 }, (_, i) => `key${String(i).padStart(9, '0')}`);
    await Promise.all(ids.map((id) => store.put(record(id))));
    expect((await store.list()).map(({ publicId }) => publicId).sort()).toEqual(ids);
  });

  it.each([
    ['a url', byUrl],
    ['a client', byClient],
  ])('tells others which key has changed, with %s', async (_, open) => {
    const heard: (string | null)[] = [];
    const stop = open().onChange?.((publicId) => heard.push(publicId));
    await until(() => heard.length === 1);
    const writer = byUrl();
    await writer.put(record('key000000001'));
    await writer.put(record('key000000001'));
    await writer.delete('key000000001');
    await writer.delete('key000000001');
    await until(() => heard.length === 3);
    stop?.();
    await writer.put(record('key000000001'));
    expect(heard).toEqual([null, 'key000000001', 'key000000001']);
  });

  it('hears of changes again after Redis was away, and says that any key may have changed', async () => {
    const own = await RedisServer.start();
    try {
      const store = added(redisApiKeyStore({ url: own.url, timeoutMs: 1_000 }));
      const heard: (string | null)[] = [];
      store.onChange?.((publicId) => heard.push(publicId));
      await until(() => heard.length === 1);
      await own.kill();
      await expect(store.findByPublicId('key000000001')).rejects.toThrow();
      await own.start();
      await until(() => heard.length === 2);
      await until(async () => store.put(record('key000000001')).catch(() => false));
      await until(() => heard.length === 3);
      expect(heard).toEqual([null, null, 'key000000001']);
    } finally {
      await own.stop();
    }
  });

  it.each([
    ['text', 'sk-secret'],
    ['another record', JSON.stringify(record('key000000002'))],
    ['an unknown field', JSON.stringify({ ...record('key000000001'), secret: 'sk-secret' })],
  ])('refuses %s in place of a record, without showing it', async (_, text) => {
    await server.ask((client) => client.hset('fast-litellm:{keys}', 'key000000001', text));
    const read = byUrl().findByPublicId('key000000001');
    await expect(read).rejects.toThrow('the record of the API key key000000001 in Redis');
    await expect(read).rejects.not.toThrow('sk-secret');
  });

  it('can be used again after it was closed', async () => {
    const store = byUrl();
    await store.put(record('key000000001'));
    await store.close?.();
    await store.close?.();
    expect(await store.findByPublicId('key000000001')).toBeDefined();
  });

  it('has no connection before it is used', () => {
    expect(() => redisApiKeyStore({ url: 'redis://127.0.0.1:1' })).not.toThrow();
    expect(() => redisApiKeyStore({})).toThrow('redis: must have either a url or a client');
    expect(() => redisApiKeyStore({ url: 'redis://x', timeout: 1 } as never)).toThrow('redis.timeout: is not a known option');
  });
});

import { MemoryKeyStore } from '../../test/support/memory-key-store.js';
import { until } from '../../test/support/until.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { RequestContext } from '../http/request-context.js';
import { redisRateLimitStore } from '../rate-limit/redis/redis-store.js';
import { newApiKey, hashApiKey } from './api-key.js';
import { KeyApi } from './api/key-api.js';
import type { ApiKeySettings } from './api-key-record.js';
import { resolveApiKeysOptions, type ApiKeysOptions } from './api-keys.options.js';
import { ApiKeyService } from './api-keys.service.js';

const MASTER = 'sk-the-master-key-0123';
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

describe('ApiKeyService', () => {
  const llm = new FastLiteLLM({ logger: quiet });
  let store: MemoryKeyStore;
  let keys: ApiKeyService;
  let wallMs: number;
  let warnings: string[];
  beforeEach(() => {
    store = new MemoryKeyStore();
    wallMs = Date.parse('2026-03-01T12:00:00Z');
    warnings = [];
    keys = open();
  });
  afterAll(() => llm.close());

  function open(options: ApiKeysOptions = {}): ApiKeyService {
    const logger = { ...quiet, warn: (text: string) => void warnings.push(text) };
    return new ApiKeyService(resolveApiKeysOptions({ store, masterKey: MASTER, ...options }), {
      limiter: llm.rateLimiter,
      tokenCounter: llm.tokenCounter,
      logger,
      wall: () => wallMs,
    });
  }
  const asked = (key: string) => keys.authenticate({ authorization: `Bearer ${key}` });
  const refusal = (code: string, status: number) => expect.objectContaining({ code, status }) as Error;
  const UNKNOWN = refusal('API_KEY_UNKNOWN', 401);

  it('accepts a key that it has made, and says whose it is', async () => {
    const settings = { alias: 'mobile', user: 'ann', team: 'red', tags: ['ios'], priority: 'batch', metadata: { seat: 7 } } as const;
    const { key, record } = await keys.create({ ...settings, limits: { requestsPerMinute: 5 } });
    expect(await asked(key)).toMatchObject({
      ...settings,
      limits: { requestsPerMinute: 5 },
      isAdmin: false,
      limitKey: `key:${record.publicId}`,
    });
    expect(keys.lastUsedAt(record.publicId)).toEqual(new Date(wallMs));
  });

  it('stores no secret', async () => {
    const { key } = await keys.create({ alias: 'mobile' });
    expect(JSON.stringify([...store.records.values()])).not.toContain(key.slice(-43));
  });

  it.each<[string, (key: string) => string]>([
    ['another secret', (key) => key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A')],
    ['no secret', (key) => key.slice(0, 16)],
    ['an unknown public id', (key) => key.replace(/^sk-.{12}/, 'sk-abcdefghijkl')],
    ['other letters', (key) => key.toUpperCase()],
    ['its hash', () => [...store.records.values()][0].hashes[0].sha256],
    ['more characters', (key) => `${key}x`],
  ])('refuses a key with %s', async (_, change) => {
    const { key } = await keys.create();
    await expect(asked(change(key))).rejects.toEqual(UNKNOWN);
  });

  it('rejects a malformed key without querying the store', async () => {
    const garbage = ['x', 'sk-', '\u0000', 'null', '{"a":1}', 'x'.repeat(1_000_000), '../../etc/passwd', 'SK-1234'];
    for (const key of garbage) await expect(asked(key)).rejects.toEqual(UNKNOWN);
    await expect(keys.authenticate({})).rejects.toEqual(refusal('API_KEY_MISSING', 401));
    await expect(keys.authenticate({ authorization: '' })).rejects.toEqual(refusal('API_KEY_MISSING', 401));
    expect(store.lookups).toBe(0);
  });

  it('accepts the master key, with every right', async () => {
    const principal = await asked(MASTER);
    expect([principal.isAdmin, principal.keyId, principal.mayCall('any')]).toEqual([true, undefined, true]);
    await expect(asked(`${MASTER}x`)).rejects.toEqual(UNKNOWN);
  });

  it('distinguishes an expired from a blocked key, but only for a client with the secret', async () => {
    const { key, record } = await keys.create({ expiresAt: '2026-03-01T12:00:01Z' });
    await asked(key);
    wallMs += 1_000;
    await expect(asked(key)).rejects.toEqual(refusal('API_KEY_EXPIRED', 401));
    await keys.update(record.publicId, { expiresAt: null, blocked: true });
    await expect(asked(key)).rejects.toEqual(refusal('API_KEY_BLOCKED', 403));
    await expect(asked(`sk-${record.publicId}-${'A'.repeat(43)}`)).rejects.toEqual(UNKNOWN);
    await keys.update(record.publicId, { blocked: false });
    await asked(key);
    await keys.delete(record.publicId);
    await expect(asked(key)).rejects.toEqual(UNKNOWN);
  });

  it('rotates a key: both secrets are valid for the grace period, under the same public id', async () => {
    const { key: first, record } = await keys.create({ alias: 'mobile' });
    const second = (await keys.rotate(record.publicId, 60_000))!;
    expect(second.record).toMatchObject({ publicId: record.publicId, alias: 'mobile', revision: 2 });
    await asked(first);
    await asked(second.key);
    const third = (await keys.rotate(record.publicId, 600_000, { alias: 'renamed' }))!;
    expect(third.record.hashes).toHaveLength(3);
    wallMs += 60_000;
    await expect(asked(first)).rejects.toEqual(refusal('API_KEY_EXPIRED', 401));
    await asked(second.key);
    const last = (await keys.rotate(record.publicId))!;
    expect(last.record.hashes).toHaveLength(1);
    for (const { key } of [second, third]) await expect(asked(key)).rejects.toEqual(UNKNOWN);
    expect((await asked(last.key)).alias).toBe('renamed');
  });

  it('computes changes from the current record, again if another process was first', async () => {
    const { record } = await keys.create({ tags: ['a'] });
    const { publicId } = record;
    const seen: (number | undefined)[] = [];
    const changed = await keys.update(publicId, ({ tags = [], revision }) => {
      // Another process writes between the first read and the first write.
      if (seen.push(revision) === 1) store.records.set(publicId, { ...record, tags: ['b'], revision: 2 });
      return { tags: [...tags, 'c'] };
    });
    expect([seen, changed?.tags]).toEqual([
      [1, 2],
      ['b', 'c'],
    ]);
    const refuse = () => {
      throw new Error('was changed');
    };
    await expect(keys.rotate(publicId, 0, refuse)).rejects.toThrow('was changed');
    expect(store.records.get(publicId)).toMatchObject({ revision: 3, hashes: record.hashes });
  });

  it('searches for the beginning of an alias, ignoring case, and for a public id', async () => {
    const { record } = await keys.create({ alias: 'Mobile 100%' });
    await keys.create({ alias: 'a mobile' });
    await keys.create();
    const found = async (search: string) => (await keys.search({ search })).records.map(({ publicId }) => publicId);
    for (const search of ['mob', 'MOBILE 100%', record.publicId]) expect(await found(search)).toEqual([record.publicId]);
    for (const search of ['obile', record.publicId.slice(1), '%']) expect(await found(search)).toEqual([]);
  });

  it('refuses an alias of another key when it is made, updated or rotated', async () => {
    const { record } = await keys.create({ alias: 'one' });
    const { record: other } = await keys.create({ alias: 'two' });
    await expect(keys.create({ alias: 'one' })).rejects.toThrow('alias: must be unique');
    await expect(keys.update(other.publicId, { alias: 'one' })).rejects.toThrow('alias: must be unique');
    await expect(keys.rotate(other.publicId, 0, { alias: 'one' })).rejects.toThrow('alias: must be unique');
    expect(store.records.get(other.publicId)).toMatchObject({ alias: 'two', revision: 1 });
    expect(await keys.update(record.publicId, { alias: 'one' })).toMatchObject({ revision: 2 });
    expect((await keys.rotate(record.publicId, 0, { alias: 'one' }))?.record).toMatchObject({ revision: 3 });
  });

  it('keeps at most 8 secrets of a key that is rotated often', async () => {
    const { record } = await keys.create();
    for (let i = 0; i < 20; i++) await keys.rotate(record.publicId, 3_600_000);
    expect(store.records.get(record.publicId)?.hashes).toHaveLength(8);
  });

  it.each<[readonly string[] | undefined, string, boolean]>([
    [undefined, 'anything', true],
    [['gpt-4o'], 'gpt-4o', true],
    [['gpt-4o'], 'gpt-4o-mini', false],
    [['gpt-4o*'], 'gpt-4o-mini', true],
    [['openai/*', 'claude'], 'openai/gpt-4o', true],
    [['openai/*', 'claude'], 'claude', true],
    [['openai/*', 'claude'], 'anthropic/claude', false],
    [['all-proxy-models'], 'anything', true],
    [['all-team-models'], 'anything', true],
    [['no-default-models'], 'anything', false],
    [['no-default-models', 'gpt-4o'], 'gpt-4o', true],
    [[], 'gpt-4o', false],
  ])('lets a key with the models %j call %s: %s', async (models, model, allowed) => {
    const { key } = await keys.create({ models });
    expect((await asked(key)).mayCall(model)).toBe(allowed);
  });

  it.each(['sk-1', 'sk-1234', 'sk-with spaces / and + signs', 'sk-äöü', `sk-${'a'.repeat(5_000)}`, newApiKey()])(
    'accepts a key of LiteLLM that was imported by its hash: %.40j',
    async (key) => {
      const sha256 = hashApiKey(key);
      const publicId = sha256.slice(0, 12);
      await store.put({ publicId, hashes: [{ sha256 }], revision: 1, alias: 'imported' });
      expect(await asked(key)).toMatchObject({ alias: 'imported', keyId: publicId });
      expect(await keys.authenticate({ 'x-api-key': key })).toMatchObject({ alias: 'imported' });
      for (const other of [sha256, `sk-${sha256}`, publicId, `${key}x`, key.slice(0, -1)])
        await expect(asked(other)).rejects.toEqual(UNKNOWN);
      await store.put({ publicId, hashes: [{ sha256 }], revision: 2, blocked: true });
      store.tell(publicId);
      await expect(asked(key)).rejects.toEqual(refusal('API_KEY_BLOCKED', 403));
    },
  );

  it('does not create or configure a weak key', async () => {
    for (const key of ['sk-1234', 'sk-with spaces in it 0123', 'sk-äöüäöüäöüäöüäöü', `sk-${'a'.repeat(126)}`]) {
      await expect(keys.create({}, key)).rejects.toThrow('key: must be sk- followed by 13 to 125');
      expect(() => open({ keys: [{ key }] })).toThrow('keys.keys[0].key: must be sk- followed by 13 to 125');
    }
  });

  it('imports a key that clients have already', async () => {
    const { record } = await keys.create({ alias: 'old' }, 'sk-QWrxEynunsNpV1zT48HIrw');
    expect((await asked('sk-QWrxEynunsNpV1zT48HIrw')).keyId).toBe(record.publicId);
    await expect(keys.create({}, 'sk-QWrxEynunsNpV1zT48HIrw')).rejects.toThrow('key: must be a new key; this key already exists');
    await expect(keys.create({}, 'short')).rejects.toThrow('key: must be sk- followed by 13 to 125');
  });

  it('has keys of the configuration, which do not change', async () => {
    keys = open({ keys: [{ key: 'sk-of-the-configuration', alias: 'fixed', models: ['gpt-4o'] }] });
    const { keyId = '' } = await asked('sk-of-the-configuration');
    expect((await keys.list()).map(({ alias }) => alias)).toEqual(['fixed']);
    await expect(keys.update(keyId, { blocked: true })).rejects.toThrow('is defined in the configuration');
    await expect(keys.delete(keyId)).rejects.toThrow('is defined in the configuration');
    await expect(keys.create({ alias: 'fixed' })).rejects.toThrow('alias: must be unique');
    expect(store.lookups).toBe(0);
  });

  it('without a store makes no keys, and says what to do', async () => {
    keys = open({ store: undefined });
    await expect(keys.create()).rejects.toMatchObject({
      code: 'API_KEY_STORE_MISSING',
      message: expect.stringContaining('fileApiKeyStore') as string,
    });
    await expect(asked(`sk-abcdefghijkl-${'A'.repeat(43)}`)).rejects.toEqual(UNKNOWN);
  });

  it.each<[ApiKeySettings, string]>([
    [{ alias: '' }, 'alias: must be a string of 1 to 256 characters'],
    [{ models: ['a', 7 as never] }, 'models[1]: must be a string'],
    [{ limits: { requestsPerMinute: -1 } }, 'limits.requestsPerMinute: must be an integer from 0'],
    [{ limits: {} }, 'limits: must set at least one limit'],
    [{ expiresAt: '2026-13-01' }, 'expiresAt: must be an ISO 8601 date'],
    [{ metadata: { text: 'x'.repeat(20_000) } }, 'metadata: must have at most 16384 characters'],
    [{ owner: 'ann' } as never, 'owner: is not a known option'],
  ])('refuses the settings %j', async (settings, message) => {
    await expect(keys.create(settings)).rejects.toThrow(message);
    expect(store.records.size).toBe(0);
  });

  it('loses no change when two processes change a key at the same time', async () => {
    const other = open();
    const { record } = await keys.create();
    await Promise.all([
      keys.update(record.publicId, { blocked: true }),
      other.update(record.publicId, { alias: 'renamed' }),
      keys.update(record.publicId, { team: 'red' }),
    ]);
    expect(store.records.get(record.publicId)).toMatchObject({ blocked: true, alias: 'renamed', team: 'red', revision: 4 });
  });

  it('gives up after five writes that other processes were faster with', async () => {
    const { record } = await keys.create();
    let writes = 0;
    store.put = () => Promise.resolve(++writes < 0);
    await expect(keys.update(record.publicId, { blocked: true })).rejects.toMatchObject({ code: 'API_KEY_CONFLICT' });
    expect(writes).toBe(5);
  });

  it('answers 503 for an unknown key while the store is unavailable, and warns once', async () => {
    const { key } = await keys.create();
    await asked(key);
    store.failure = 'connection lost';
    for (let i = 0; i < 5; i++)
      await expect(asked(`sk-abcdefghijk${i}-${'A'.repeat(43)}`)).rejects.toEqual(refusal('API_KEY_STORE_UNAVAILABLE', 503));
    await asked(key);
    expect(warnings).toEqual(['API keys: the memory store cannot be read (connection lost); cached keys stay valid for keys.maxStaleMs']);
    expect(keys.health()).toMatchObject({ status: 'degraded', reason: 'connection lost', store: 'memory' });
    store.failure = undefined;
    await expect(asked(`sk-abcdefghijk9-${'A'.repeat(43)}`)).rejects.toEqual(UNKNOWN);
    expect(keys.health()).toMatchObject({ status: 'ok' });
  });

  it('warns once of a store that answers with what it read before', async () => {
    const { key, record } = await keys.create();
    for (const wrong of ['keys.json: must be JSON', 'keys.json: must be JSON', undefined, 'keys.json: must be a regular file']) {
      store.wrong = wrong;
      store.tell(record.publicId);
      await asked(key);
    }
    expect(warnings).toEqual(
      ['must be JSON', 'must be a regular file'].map(
        (reason) => `API keys: the memory store has invalid data (keys.json: ${reason}); correct the data (keys read earlier stay valid)`,
      ),
    );
  });

  it('sees a change of another process at once', async () => {
    const { key, record } = await keys.create();
    await asked(key);
    store.records.set(record.publicId, { ...record, blocked: true, revision: 2 });
    await asked(key);
    store.tell(record.publicId);
    await expect(asked(key)).rejects.toEqual(refusal('API_KEY_BLOCKED', 403));
  });

  it('counts requests by what became of their key, under names that hold no key', async () => {
    const { key } = await keys.create();
    await asked(key);
    await asked('sk-').catch(() => {});
    const samples = keys.metrics().filter(({ name }) => name === 'api_keys_requests_total');
    const counts = Object.fromEntries(samples.map(({ labels, value }) => [labels?.outcome, value]));
    expect(counts).toEqual({ accepted: 1, missing: 0, unknown: 1, expired: 0, blocked: 0, unavailable: 0 });
  });

  it('reads keys from the headers of LiteLLM, or from one alone', async () => {
    const { key } = await keys.create();
    for (const name of ['x-litellm-api-key', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'])
      expect((await keys.authenticate({ [name]: key })).keyId).toBeDefined();
    keys = open({ header: 'X-Team-Key' });
    expect((await keys.authenticate({ 'x-team-key': `bearer ${key}` })).keyId).toBeDefined();
    await expect(asked(key)).rejects.toEqual(refusal('API_KEY_MISSING', 401));
    await expect(asked(key)).rejects.toThrow('No API key provided: send it in the header x-team-key.');
  });

  it('says where the store of the rate limiter takes no spending', async () => {
    const away = redisRateLimitStore({ url: 'redis://127.0.0.1:1', onStoreError: 'allow', timeoutMs: 100 });
    const other = new FastLiteLLM({ logger: quiet, rateLimit: { requestsPerMinute: 1, store: away } });
    const { rateLimiter: limiter, tokenCounter } = other;
    keys = new ApiKeyService(resolveApiKeysOptions({ store }), { limiter, tokenCounter, logger: quiet });
    const { key, record } = await keys.create();
    const context = RequestContext.of({});
    context.principal = await asked(key);
    keys.countSpending(context, undefined, undefined);
    context.hold.report(1, undefined, 5);
    context.hold.end(false);
    const uncounted = () => keys.metrics().find(({ name }) => name === 'api_keys_uncounted_requests_total')?.value;
    await until(() => uncounted() === 1);
    expect(await keys.spendingOf(record)).toBeUndefined();
    const reset = new KeyApi(keys, { log: () => {} }).resetSpend(record.publicId, { reset_to: 1 });
    await expect(reset).rejects.toMatchObject({ status: 503, response: { error: { code: 'rate_limit_store_unavailable' } } });
    await other.close();
  });

  it('counts the spend of a key under its id, whichever key its limits use', async () => {
    const { key, record } = await keys.create();
    const context = RequestContext.of({});
    context.principal = { ...(await asked(key)), limitKey: 'tenant:red' };
    keys.countSpending(context, undefined, undefined);
    context.hold.report(1, undefined, 5_000_000);
    context.hold.end(false);
    expect(await keys.spendingOf(record)).toMatchObject({ spentUsd: 0.005 });
  });

  it('forgets what a key has spent', async () => {
    const { record } = await keys.create({ limits: { usdPerWindow: 2, usdWindow: '30d' } });
    const of = { limit: 'api-key', limits: record.limits };
    llm.rateLimiter.settle(llm.rateLimiter.reserve(`key:${record.publicId}`, { ...of, usd: 0.5 }), { usd: 0.5 });
    expect((await keys.budgetsOf(record))[0]).toMatchObject({ spentUsd: 0.5, limitUsd: 2 });
    await keys.resetSpend(record);
    expect((await keys.budgetsOf(record))[0]).toMatchObject({ spentUsd: 0 });
  });
});

describe('options of keys', () => {
  it.each<[object, string]>([
    [{ stor: 1 }, 'keys.stor: is not a known option (did you mean store?)'],
    [{ store: {} }, 'keys.store.findByPublicId: must be a function'],
    [{ masterKey: '' }, 'keys.masterKey: must be a non-empty string'],
    [
      { masterKey: ' sk-secret ' },
      'keys.masterKey: must be a non-empty string without leading or trailing spaces, got a string of 11 characters',
    ],
    [{ keys: [{ key: 'secret' }] }, 'keys.keys[0].key: must be sk- followed by 13 to 125'],
    [{ keys: [{ key: 'sk-0123456789abc' }, { key: 'sk-0123456789abc' }] }, 'keys.keys[1].key: must be unique'],
    [{ keys: [{ key: 'sk-0123456789abc', limits: { rpm: 1 } }] }, 'keys.keys[0].limits.rpm: is not a known option'],
    [{ maxStaleMs: -1 }, 'keys.maxStaleMs: must be an integer from 0'],
  ])('refuse %j', (options, message) => {
    expect(() => resolveApiKeysOptions(options)).toThrow(message);
    expect(() => resolveApiKeysOptions(options)).not.toThrow('secret,');
  });
});

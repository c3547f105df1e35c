import { Redis } from 'ioredis';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API_KEY_SETTINGS, checkApiKeyRecord, type ApiKeyRecord } from '../../lib/keys/api-key-record.js';
import { SaltKeys } from '../../lib/configuration/stored/salt-keys.js';
import { FastLiteLLM } from '../../lib/fast-litellm.js';
import { TenantIds, type StoredKind } from '../../lib/gateway/tenant-ids.js';
import type { Principal } from '../../lib/http/principal.js';
import { redisApiKeyStore } from '../../lib/keys/redis/redis-store.js';
import { applyMigrations } from '../../lib/postgres/migrate.js';
import { redisRateLimitStore } from '../../lib/rate-limit/redis/redis-store.js';
import { redisRouterState } from '../../lib/router/redis/redis-shared-state.js';
import { ContentSample } from '../../lib/token-counter/estimates/content-class.js';
import { SharedEstimates } from '../../lib/token-counter/estimates/shared-estimates.js';
import { TokenEstimates } from '../../lib/token-counter/estimates/token-estimates.js';
import { root } from '../project/sources.js';
import { deploymentOf } from '../support/llm-client-providers.js';
import { hasPostgres, TestDatabase } from '../support/postgres.js';
import { hasRedis, RedisServer } from '../support/redis-server.js';
import { layoutOf } from '../support/stored-layout.js';
import { until } from '../support/until.js';

/**
 * What processes of two adjacent versions share during a rollout, as recorded. `UPDATE_STORED_FORMATS=1` adds what is
 * new and never changes an entry: give an incompatible format another name, so that older processes do not read it,
 * and remove the old entry from the file.
 */
const FILE = join(root, 'test/fixtures/stored-formats.json');
const HELP = 'older processes would misread it: see test/contract/stored-formats.test.ts';

interface Recorded {
  redis: Record<string, unknown>;
  tables: Record<string, Record<string, string>>;
  uniqueIndexes: Record<string, string>;
  functions: Record<string, string>;
  keyRecord: Record<string, unknown>;
  sealed: string;
  tenantIds: Record<StoredKind, string>;
}

const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Recorded;
const PARTITION = '_[0-9]{4}_[0-9]{2}$';
const updates = process.env.UPDATE_STORED_FORMATS === '1';
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** Fails for entries of the file that differ or are gone, and for new ones until they are recorded. */
function expectRecorded<Section extends 'redis' | 'uniqueIndexes' | 'functions'>(section: Section, found: Recorded[Section]): void {
  const known = recorded[section];
  const changed = Object.keys(known).filter((name) => JSON.stringify(found[name]) !== JSON.stringify(known[name]));
  expect(changed.map((name) => ({ [name]: found[name], help: HELP }))).toEqual(
    changed.map((name) => ({ [name]: known[name], help: HELP })),
  );
  expectNone(
    section,
    Object.keys(found).filter((name) => !(name in known)),
    { ...known, ...found },
  );
}

/** Records what is new, or fails for it. */
function expectNone<Section extends keyof Recorded>(section: Section, added: readonly string[], all: Recorded[Section]): void {
  if (added.length === 0) return;
  if (!updates) throw new Error(`${section}: ${added.join(', ')} must be recorded with UPDATE_STORED_FORMATS=1`);
  recorded[section] = all;
  writeFileSync(FILE, `${JSON.stringify(recorded, null, 2)}\n`);
}

(hasRedis ? describe : describe.skip)('Redis', () => {
  let server: RedisServer;
  let redis: Redis;

  beforeAll(async () => {
    server = await RedisServer.start();
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('keeps limits, budgets, keys, the state of routers and estimates as recorded', async () => {
    const rates = { requestsPerSecond: 10, burst: 20, requestsPerMinute: 5, requestsPerDay: 50, tokensPerMinute: 1000, maxConcurrent: 3 };
    const llm = new FastLiteLLM({
      logger: quiet,
      rateLimit: {
        store: redisRateLimitStore({ url: server.url, onStoreError: 'deny', timeoutMs: 10_000 }),
        limits: {
          rates,
          money: { usdPerDay: 1, usdTotal: 4 },
          sliding: { usdPerWindow: 2, usdWindow: '1h', usdWindowKind: 'sliding' },
          'first-use': { usdPerWindow: 3, usdWindow: '2h', usdWindowKind: 'firstUse' },
        },
      },
      router: {
        modelList: ['one', 'two'].map((name) => deploymentOf('chat', { name, apiBase: `http://127.0.0.1:9/${name}` })),
        sharedState: redisRouterState({ url: server.url, intervalMs: 10, timeoutMs: 10_000 }),
      },
    });
    const { rateLimiter, router } = llm;
    await rateLimiter.reserveAsync('k', { limit: 'rates', cost: 1, tokens: 7 });
    for (const limit of ['money', 'sliding', 'first-use']) await rateLimiter.reserveAsync('k', { limit, usd: 0.25 });
    const settled = await rateLimiter.reserveAsync('settled', { limit: 'money', usd: 0.25 });
    await rateLimiter.settleAsync(settled, { usd: 0.125 });
    router.acquire('one');
    router.failed(router.acquire('two'), { status: 429, retryAfterMs: 60_000 });
    await until(async () => (await redis.keys('*cooldowns')).length + (await redis.keys('*under-way*')).length === 2);

    const store = redisApiKeyStore({ url: server.url });
    await store.put(recorded.keyRecord as unknown as ApiKeyRecord);
    await store.close?.();

    const estimates = new TokenEstimates();
    const shared = new SharedEstimates(estimates, { client: redis, prefix: 'fast-litellm:', timeoutMs: 10_000 });
    const sample = new ContentSample();
    sample.add('word '.repeat(1000));
    estimates.observe({ model: 'hidden', contentClass: sample.contentClass, tokens: 1000, features: sample.features(1000) }, 1500);
    await shared.exchange();
    await shared.close();

    try {
      expectRecorded('redis', await layoutOf(redis));
    } finally {
      await llm.close();
    }
  });
});

(hasPostgres ? describe : describe.skip)('PostgreSQL', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await TestDatabase.create();
    await applyMigrations(database.pool(), 'fast_litellm');
  });
  afterAll(() => database.drop());

  it('has the recorded columns, and others only with a default', async () => {
    const rows = await database.query(`SELECT table_name AS table, column_name AS column, udt_name AS type,
      is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' AS optional
      FROM information_schema.columns WHERE table_schema = 'fast_litellm' AND table_name !~ '${PARTITION}' ORDER BY 1, 2`);
    const found: Recorded['tables'] = {};
    for (const { table, column, type, optional } of rows as { table: string; column: string; type: string; optional: boolean }[]) {
      (found[table] ??= {})[column] = `${type}${optional ? '' : ', required'}`;
    }
    const added: string[] = [];
    for (const [table, columns] of Object.entries(found)) {
      const known = recorded.tables[table] as Record<string, string> | undefined;
      const more = Object.keys(columns).filter((column) => known?.[column] === undefined);
      added.push(...more.map((column) => `${table}.${column}`));
      // Older processes do not write it.
      if (known !== undefined) expect([table, more.filter((column) => columns[column].endsWith('required'))]).toEqual([table, []]);
    }
    expect(found).toMatchObject(recorded.tables);
    expectNone('tables', added, found);
  });

  it('has the recorded unique indexes, which conflicts of older processes name', async () => {
    const rows = await database.query(`SELECT indexname AS name, regexp_replace(indexdef, '.* USING btree ', '') AS columns
      FROM pg_indexes WHERE schemaname = 'fast_litellm' AND indexdef LIKE 'CREATE UNIQUE%'
        AND tablename !~ '${PARTITION}' ORDER BY 1`);
    expectRecorded('uniqueIndexes', Object.fromEntries(rows.map(({ name, columns }) => [String(name), String(columns)])));
  });

  it('has the recorded functions', async () => {
    const rows = await database.query(`SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
      pg_get_function_result(p.oid) AS result FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = 'fast_litellm' ORDER BY 1`);
    expectRecorded('functions', Object.fromEntries(rows.map(({ name, result }) => [String(name), String(result)])));
  });
});

describe('records', () => {
  it('of keys are read with every recorded setting, and all settings are recorded', () => {
    const { keyRecord } = recorded;
    expect(checkApiKeyRecord('record', keyRecord)).toEqual(keyRecord);
    expect(Object.keys(API_KEY_SETTINGS).filter((name) => !(name in keyRecord))).toEqual([]);
  });

  it('are decrypted with the recorded salt key', () => {
    const place = { entity: 'models', id: 'm1', field: 'litellm_params.api_key', address: 'https://a' } as const;
    expect(new SaltKeys('a salt key of the test').open(place, recorded.sealed)).toBe('sk-upstream');
  });

  it.each([
    ['response', 'resp_68af0123456789abcdef0123456789abcdef0123456789ab'],
    ['message_batch', 'msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d'],
  ] as const)('of the kind %s are named by the recorded id', (kind, id) => {
    const ids = new TenantIds('a secret of the test');
    const principal = { limitKey: 'key000000001', team: 'blue' } as unknown as Principal;
    const deployment = { id: 'chat-1' };
    const router = { deployments: () => [deployment] } as unknown as Parameters<TenantIds['find']>[3];
    expect(ids.find(kind, recorded.tenantIds[kind], principal, router)).toEqual({ deployment, id });
    expect(ids.encode(kind, id, { deploymentId: 'chat-1', principal })).toBe(recorded.tenantIds[kind]);
  });
});

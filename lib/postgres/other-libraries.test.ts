import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isComplete } from '../../test/support/long.js';
import { hasPostgres, TestDatabase } from '../../test/support/postgres.js';
import { until } from '../../test/support/until.js';
import { FastLiteLLMSpendService } from '../spend/spend.service.js';
import { postgresStore, type PostgresStore } from './postgres-store.js';
import type { SqlClient } from './sql-client.js';

const FOLDER = join(tmpdir(), 'nestjs-fast-litellm-sql-libraries');
const PACKAGES = ['pg@8.16.3', 'kysely@0.28.8', 'drizzle-orm@0.44.7', 'typeorm@0.3.27'];

/** Whether the libraries are there. Complete runs install them into a temporary folder. */
const hasLibraries = ((): boolean => {
  const isInstalled = (): boolean => existsSync(join(FOLDER, 'node_modules', 'typeorm'));
  if (!isComplete || !hasPostgres || isInstalled()) return isComplete && hasPostgres;
  try {
    mkdirSync(FOLDER, { recursive: true });
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', FOLDER];
    execFileSync('npm', ['install', ...options, ...PACKAGES], { stdio: 'ignore', timeout: 300_000 });
  } catch (error) {
    process.stderr.write(`SQL libraries: not tested (${(error as Error).message.split('\n', 1)[0]})\n`);
  }
  return isInstalled();
})();

/* eslint-disable @typescript-eslint/no-explicit-any -- the packages are not installed here */
interface Opened {
  readonly pool: SqlClient;
  close(): Promise<unknown>;
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- installed by this suite
const library = (name: string): any => require(join(FOLDER, 'node_modules', name));

/** The adapters of docs/postgres.md. */
const LIBRARIES: Readonly<Record<string, (url: string) => Promise<Opened>>> = {
  Drizzle: async (url) => {
    const db = library('drizzle-orm/node-postgres/index.cjs').drizzle(url);
    return { pool: db.$client, close: () => db.$client.end() };
  },
  Kysely: async (url) => {
    const { Kysely, PostgresDialect, CompiledQuery } = library('kysely');
    const db = new Kysely({ dialect: new PostgresDialect({ pool: new (library('pg').Pool)({ connectionString: url }) }) });
    return { pool: { query: (sql, params) => db.executeQuery(CompiledQuery.raw(sql, params)) }, close: () => db.destroy() };
  },
  TypeORM: async (url) => {
    const dataSource = await new (library('typeorm').DataSource)({ type: 'postgres', url }).initialize();
    return { pool: { query: (sql, params) => dataSource.query(sql, params) }, close: () => dataSource.destroy() };
  },
};
/* eslint-enable */

(hasLibraries ? describe : describe.skip)('a store', () => {
  it.each(Object.keys(LIBRARIES))('works through %s: keys, changes, spend, audit log', async (name) => {
    const database = await TestDatabase.create();
    const { pool, close } = await LIBRARIES[name](database.url);
    const store: PostgresStore = postgresStore({ pool, timeoutMs: 10_000 });
    try {
      await store.migrate();
      const changed: (string | null)[] = [];
      store.onChange?.((publicId) => void changed.push(publicId));
      await until(() => store.isFollowing?.() === true);
      const record = {
        publicId: 'key000000001',
        alias: 'größe',
        hashes: [{ sha256: 'ab'.repeat(32) }],
        createdAt: new Date(0).toISOString(),
        revision: 1,
      };
      expect(await store.put(record as never)).toBe(true);
      expect(await store.findByPublicId('key000000001')).toMatchObject({ alias: 'größe' });
      await until(() => changed.includes('key000000001'));

      const startedAt = Date.UTC(2026, 4, 31, 23, 59, 59, 999);
      const row = JSON.stringify({
        id: 'a',
        started_at: startedAt,
        duration_ms: 1,
        operation: 'chat',
        model: 'm',
        upstream_model: 'größe',
        status: 'success',
        process_id: 'p',
        nano_usd: 7,
      });
      const batches = [[row], Buffer.from(`[${row},${row.replace('"a"', '"b\\u0000"')}]`)];
      expect([await store.spend.write(batches[0]), await store.spend.write(batches[1])]).toEqual([1, 1]);
      const spend = new FastLiteLLMSpendService(store.spendQueries);
      const { calls } = await spend.calls({ from: '2026-05-31', to: '2026-05-31' });
      expect(calls.map(({ id, model, nanoUsd }) => [id, model, nanoUsd])).toEqual([
        ['a', 'größe', 7],
        ['b\ufffd', 'größe', 7],
      ]);
      expect(await spend.total({ from: '2026-05-31', to: '2026-05-31' })).toMatchObject({ requests: 2, nanoUsd: 14 });

      await store.audit.record({ actor: 'ann', action: 'updated', entity: 'config', entityId: 'router', after: { a: 1 } });
      expect((await store.audit.search({ entity: 'config' })).entries).toMatchObject([{ actor: 'ann', after: { a: 1 } }]);
    } finally {
      await store.close();
      await close();
      await database.drop();
    }
  });
});

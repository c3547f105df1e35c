import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FastLiteLLMKeysModule,
  fileApiKeyStore,
  postgresRateLimitStore,
  postgresStore,
  redisApiKeyStore,
  redisRateLimitStore,
  type ApiKeyStore,
} from 'nestjs-fast-litellm';
import type { FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { runCommand } from '../../support/command-run.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { LiteLLMDatabase, tokenOf } from '../../support/litellm-database.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';

// A database of a LiteLLM proxy is taken over: its clients keep their keys.

const COUNT = 1_000;
const MAIN = join(__dirname, '../../../lib/cli/main.ts');
const HOOK = join(__dirname, '../../support/typescript-hook.js');

/** Keys of all forms that LiteLLM accepts. */
function keyAt(i: number): string {
  if (i % 10 === 0) return `sk-${i}`;
  if (i % 10 === 1) return `sk-team key/${i}+=`;
  if (i % 10 === 2) return `sk-${'long'.repeat(50)}${i}`;
  if (i % 10 === 3) return `sk-${String(i).padStart(12, 'A')}-${'b'.repeat(43)}`;
  return `sk-${tokenOf(String(i)).slice(0, 22)}`;
}

interface Expected {
  readonly key: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route or a row
  readonly row: Readonly<Record<string, any>>;
}

function rowsOf(): readonly Expected[] {
  const reset = new Date(Date.now() + 86_400_000).toISOString().slice(0, -1);
  return Array.from({ length: COUNT }, (_, i) => {
    const key = keyAt(i);
    const row = {
      token: i === 7 ? key : tokenOf(key),
      key_alias: i % 3 === 0 ? null : `key ${i}`,
      user_id: `user-${i % 17}`,
      models: i % 4 === 0 ? [] : ['m', `model-${i % 5}`],
      spend: Math.round(i * 1_234_567.89) / 1e9,
      max_budget: i % 2 === 0 ? i + 0.25 : null,
      budget_duration: i % 4 === 0 ? '30d' : i % 6 === 0 ? '14d' : null,
      budget_reset_at: i % 4 === 0 ? reset : null,
      rpm_limit: i % 5 === 0 ? i + 1 : null,
      tpm_limit: i % 7 === 0 ? 100_000 + i : null,
      max_parallel_requests: i % 11 === 0 ? i : null,
      blocked: i % 50 === 9 ? true : i % 2 === 0 ? false : null,
      expires: i % 50 === 8 ? '2020-01-01T00:00:00' : i % 8 === 0 ? '2090-05-06T07:08:09.01' : null,
      created_at: `2026-01-01T00:00:00.${String(i).padStart(3, '0')}`,
      metadata: i % 9 === 0 ? { tags: ['t1', `t${i}`], seat: i } : {},
    };
    return { key, row };
  });
}

(hasPostgres ? describe : describe.skip)('a database of LiteLLM with 1,000 keys', () => {
  const expected = rowsOf();
  let litellm: LiteLLMDatabase;
  let target: TestDatabase;
  let provider: TestProvider;
  let folder: string;
  let redis: RedisServer | undefined;
  let gateway: GatewayApp | undefined;
  beforeAll(async () => {
    [litellm, target, provider] = await Promise.all([
      LiteLLMDatabase.create(),
      TestDatabase.create(),
      startProvider('openai', { script: 'Hello.' }),
    ]);
    folder = mkdtempSync(join(tmpdir(), 'import-keys-'));
    await litellm.insert('VerificationToken', ...expected.map(({ row }) => row));
    if (hasRedis) redis = await RedisServer.start();
  }, 120_000);
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });
  afterAll(async () => {
    await provider.close();
    await redis?.stop();
    await litellm.drop();
    await target.drop();
    rmSync(folder, { recursive: true });
  });

  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await runCommand(['import-keys', '--from', litellm.url, ...args]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out;
  };

  async function start(store: ApiKeyStore, rateLimit: FastLiteLLMOptions['rateLimit']): Promise<GatewayApp> {
    const modelList = [provider.deployment('m', { model: 'openai/gpt-4o' })];
    return (gateway = await GatewayApp.start(
      'Fastify',
      { rateLimit: { default: false } },
      {
        module: { router: { modelList }, rateLimit },
        imports: [FastLiteLLMKeysModule.forRoot({ store, masterKey: 'sk-the-master-key-0123' })],
      },
    ));
  }

  /** Every key is accepted, with the limits and the spend of its row. */
  async function check(app: GatewayApp): Promise<void> {
    const differences: unknown[] = [];
    const one = async ({ key, row }: Expected): Promise<void> => {
      const { status, text } = await app.ask('/key/info', { method: 'GET', headers: { authorization: `Bearer ${key}` } });
      const wanted = row.blocked === true ? 403 : row.expires === '2020-01-01T00:00:00' ? 401 : 200;
      if (status !== wanted) differences.push([key, status, text]);
      if (status !== 200) return;
      const { info } = JSON.parse(text) as { info: Record<string, unknown> };
      const { key_alias, user_id, models, spend, max_budget, rpm_limit, tpm_limit, max_parallel_requests } = row;
      const same = { key_alias, user_id, models, spend, max_budget, rpm_limit, tpm_limit, max_parallel_requests };
      const dates = { expires: row.expires === null ? null : '2090-05-06T07:08:09.010Z' };
      const budget = { budget_duration: max_budget === null ? null : row.budget_duration };
      const { tags = [], ...metadata } = row.metadata as { tags?: string[] };
      try {
        expect(info).toMatchObject({ ...same, ...dates, ...budget, tags, metadata, blocked: false });
      } catch (error) {
        differences.push([key, (error as Error).message]);
      }
    };
    for (let at = 0; at < COUNT; at += 50) await Promise.all(expected.slice(at, at + 50).map(one));
    expect(differences.slice(0, 5)).toEqual([]);
  }

  it('moves to PostgreSQL and Redis', async () => {
    if (redis === undefined) return;
    const args = ['--to', target.url, '--redis', redis.url];
    expect(await run(...args, '--dry-run')).toMatch(/^keys +1,000 +1,000 +0 +0 +0 +0 +0$/m);
    expect(await run(...args)).toMatch(/^keys +1,000 +1,000 +0 +0 +0 +0 +0$/m);
    expect(await run(...args)).toMatch(/^keys +1,000 +0 +0 +1,000 +0 +0 +0$/m);
    const store = postgresStore({ url: target.url, timeoutMs: 10_000 });
    const app = await start(store, { store: redisRateLimitStore({ url: redis.url, onStoreError: 'deny', timeoutMs: 10_000 }) });
    await check(app);
    const call = (key: string) =>
      app.post('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }, { authorization: `Bearer ${key}` });
    expect(await call(keyAt(1))).toMatchObject({ status: 200 });
    // Neither a hash nor a hash with the prefix is a key.
    for (const stolen of [tokenOf(keyAt(1)), `sk-${tokenOf(keyAt(1))}`]) expect(await call(stolen)).toMatchObject({ status: 401 });
  }, 120_000);

  it('moves to PostgreSQL alone', async () => {
    expect(await run('--to', target.url, '--to-schema', 'alone', '--postgres-budgets')).toMatch(/^keys +1,000 +1,000 +0 +0 +0 +0 +0$/m);
    const store = postgresStore({ url: target.url, schema: 'alone', timeoutMs: 10_000 });
    await check(await start(store, { store: postgresRateLimitStore({ store, onStoreError: 'deny' }) }));
  }, 120_000);

  it('moves to Redis', async () => {
    if (redis === undefined) return;
    await run('--redis', redis.url, '--prefix', 'own:');
    const store = redisApiKeyStore({ url: redis.url, prefix: 'own:', timeoutMs: 10_000 });
    const limiter = redisRateLimitStore({ url: redis.url, prefix: 'own:', onStoreError: 'deny', timeoutMs: 10_000 });
    await check(await start(store, { store: limiter }));
  }, 120_000);

  it('moves to files', async () => {
    const [file, snapshotFile] = [join(folder, 'keys.json'), join(folder, 'budgets.json')];
    await run('--file', file, '--budgets-file', snapshotFile);
    await check(await start(fileApiKeyStore(file), { budgets: { snapshotFile } }));
  }, 120_000);

  it('has the same times in every time zone of the process and of the session', async () => {
    const files: string[] = [];
    for (const [i, zone] of ['UTC', 'America/New_York', 'Asia/Kathmandu'].entries()) {
      const file = join(folder, `zone-${i}.json`);
      const env = { ...process.env, TZ: zone, PGTZ: zone, LITELLM_DATABASE_URL: litellm.url };
      const child = spawn(process.execPath, ['--require', HOOK, MAIN, 'import-keys', '--file', file], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let written = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (written += chunk.toString()));
      expect([await new Promise((resolve) => child.once('close', resolve)), written]).toEqual([0, expect.stringContaining('1,000')]);
      files.push(readFileSync(file, 'utf8'));
    }
    expect(files[0]).toContain('"expiresAt":"2090-05-06T07:08:09.010Z"');
    expect(files[1]).toBe(files[0]);
    expect(files[2]).toBe(files[0]);
  }, 120_000);

  it('limits teams and customers as LiteLLM did', async () => {
    if (redis === undefined) return;
    const by = { created_by: 'a', updated_by: 'a' };
    const team = (team_id: string, more: object): object => ({ team_id, models: [], members_with_roles: [], ...more });
    await litellm.insert('BudgetTable', { budget_id: 'b', max_budget: 1, ...by });
    await litellm.insert(
      'TeamTable',
      team('spent', { max_budget: 10, spend: 10 }),
      team('off', { blocked: true }),
      team('some', { models: ['x'], spend: 3.5 }),
    );
    await litellm.insert('EndUserTable', { user_id: 'spent', budget_id: 'b', spend: 1 }, { user_id: 'off', blocked: true });
    const row = (team_id: string | null): object => ({ team_id });
    await litellm.insertKeys({
      'sk-team-spent': row('spent'),
      'sk-team-off': row('off'),
      'sk-team-some': row('some'),
      'sk-alone': row(null),
    });
    await run('--to', target.url, '--to-schema', 'teams', '--redis', redis.url, '--prefix', 'teams:');
    const store = postgresStore({ url: target.url, schema: 'teams', timeoutMs: 10_000 });
    const app = await start(store, {
      store: redisRateLimitStore({ url: redis.url, prefix: 'teams:', onStoreError: 'deny', timeoutMs: 10_000 }),
    });
    const chat = async (key: string, user?: string): Promise<unknown> => {
      const body = { model: 'm', user, messages: [{ role: 'user', content: 'Hi' }] };
      const { status, text } = await app.post('/v1/chat/completions', body, { authorization: `Bearer ${key}` });
      return status === 200 ? status : [status, (JSON.parse(text) as { error: { code: string } }).error.code];
    };
    expect(await chat('sk-team-spent')).toEqual([429, 'budget_exhausted']);
    expect(await chat('sk-team-off')).toEqual([403, 'team_blocked']);
    expect(await chat('sk-team-some')).toEqual([403, 'model_not_allowed']);
    expect(await chat('sk-alone', 'spent')).toEqual([429, 'budget_exhausted']);
    expect(await chat('sk-alone', 'off')).toEqual([403, 'customer_blocked']);
    expect(await chat('sk-alone', 'new')).toBe(200);
    const info = await app.ask('/team/info?team_id=some', { method: 'GET', headers: { authorization: 'Bearer sk-the-master-key-0123' } });
    expect(JSON.parse(info.text)).toMatchObject({ team_info: { spend: 3.5, models: ['x'] } });
  }, 120_000);
});

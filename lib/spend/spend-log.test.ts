import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallRecord, PostgresStore, SpendLogOptions, SpendStore } from 'nestjs-fast-litellm';
import { postgresStore } from 'nestjs-fast-litellm';
import { hasPostgres, TestDatabase } from '../../test/support/postgres.js';
import { until } from '../../test/support/until.js';
import { DatabaseError } from '../common/errors.js';
import { runCli } from '../cli/cli.js';
import { SpendLog } from './spend-log.js';
import { resolveSpendLogOptions } from './spend-log.options.js';

const DAY = Date.UTC(2026, 10, 30, 23, 59, 59, 250);
let made = 0;
const usage = {
  prompt: 10,
  completion: 5,
  total: 15,
  cacheRead: 3,
  cacheWrite: 0,
  reasoning: 2,
  audioIn: 0,
  audioOut: 0,
  images: 0,
  webSearches: 0,
};
const attempt = (number: number, more: object = {}): CallRecord['attempts'][number] => ({
  number,
  deploymentId: 'd1',
  provider: 'openai',
  upstreamModel: 'gpt-4o',
  group: 'smart',
  apiBaseHost: 'api.example.com',
  startedAtMs: DAY,
  durationMs: 12,
  status: 'success',
  usage,
  nanoUsd: 100,
  costParts: { input: 40, cacheRead: 10, output: 30, reasoning: 15, audio: 5 },
  ...more,
});
const call = (more: Partial<CallRecord> = {}): CallRecord => ({
  id: `call-${++made}`,
  startedAtMs: DAY,
  endedAtMs: DAY + 12,
  operation: 'chat',
  stream: false,
  model: 'smart',
  group: 'smart',
  deploymentId: 'd1',
  provider: 'openai',
  upstreamModel: 'gpt-4o',
  keyId: 'k1',
  team: 'red',
  user: 'ann',
  endUser: 'eve',
  tags: ['a', 'b'],
  usage,
  nanoUsd: 100,
  costParts: { input: 40, cacheRead: 10, output: 30, reasoning: 15, audio: 5 },
  durationMs: 12.4,
  status: 'success',
  httpStatus: 200,
  retries: 0,
  fallbacks: 0,
  attempts: [attempt(1)],
  ...more,
});

/** A store in memory whose failures a test chooses. */
class ScriptedStore implements SpendStore {
  readonly batches: (readonly string[])[] = [];
  readonly ids = new Set<string>();
  fail: (calls: readonly string[]) => Error | undefined = () => undefined;
  wait: Promise<unknown> | undefined = undefined;

  async write(given: readonly string[] | Buffer): Promise<number> {
    await this.wait;
    // Copied, because a batch is valid only until it is written.
    const calls = Buffer.isBuffer(given) ? (JSON.parse(given.toString()) as object[]).map((row) => JSON.stringify(row)) : given;
    const error = this.fail(calls);
    if (error !== undefined) throw error;
    this.batches.push(calls);
    const before = this.ids.size;
    for (const row of calls) this.ids.add((JSON.parse(row) as { id: string }).id);
    return this.ids.size - before;
  }

  isRejection(error: unknown): boolean {
    return (error as DatabaseError).code === 'DATABASE_FAILED';
  }

  createMonths = (): Promise<void> => Promise.resolve();
  dropBefore = (): Promise<readonly string[]> => Promise.resolve([]);
  deleteOf = (): Promise<number> => Promise.resolve(0);
  countOf = (): Promise<number> => Promise.resolve(0);
}
const away = (): Error => new DatabaseError('DATABASE_UNAVAILABLE', 'PostgreSQL: cannot be reached (ECONNREFUSED)');
const refused = (): Error => new DatabaseError('DATABASE_FAILED', 'PostgreSQL: a statement failed (invalid data; 22P02)');

let folder: string;
let lines: string[];
const logs: SpendLog[] = [];
const open = (store: SpendStore, options: Partial<SpendLogOptions> = {}): SpendLog => {
  const take = (line: string): void => void lines.push(line);
  const log = new SpendLog(resolveSpendLogOptions({ store: { spend: store, close: () => Promise.resolve() }, flushMs: 100, ...options }), {
    log: take,
    warn: take,
    error: take,
  });
  logs.push(log);
  return log;
};
const files = (): string[] => readdirSync(folder).map((name) => join(folder, name));
beforeEach(() => {
  lines = [];
  folder = mkdtempSync(join(tmpdir(), 'spend-'));
});
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  rmSync(folder, { recursive: true });
});

describe('the spend log', () => {
  it('sends what comes within the interval together, and at most one statement in 100 ms', async () => {
    jest.useFakeTimers();
    try {
      const store = new ScriptedStore();
      const log = open(store, { batchRows: 5 });
      const statementsAfter = async (ms: number): Promise<number[]> => {
        await jest.advanceTimersByTimeAsync(ms);
        return store.batches.map(({ length }) => length);
      };
      for (let i = 0; i < 23; i++) log.add(call());
      expect(log.backlog).toBe(23);
      expect(await statementsAfter(1)).toEqual([5]);
      for (let statements = 1; statements < 4; statements++) {
        expect(await statementsAfter(98)).toHaveLength(statements);
        expect(await statementsAfter(2)).toHaveLength(statements + 1);
      }
      // The rest waits for its interval.
      expect(await statementsAfter(200)).toEqual([5, 5, 5, 5, 3]);
      log.add(call());
      expect(await statementsAfter(98)).toHaveLength(5);
      expect(await statementsAfter(10)).toHaveLength(6);
      expect(log.backlog).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('writes rows within the interval also while it waits to look for files', async () => {
    const store = new ScriptedStore();
    const log = open(store, { spillFile: join(folder, 'spill') });
    log.start();
    // Longer than the first look, and much shorter than the time until the next one.
    await sleep(300);
    log.add(call());
    await until(() => store.ids.size === 1);
    expect(log.backlog).toBe(0);
  });

  it('keeps rows in memory while the database is unavailable, in order, and reports it in health and metrics', async () => {
    const store = new ScriptedStore();
    store.fail = away;
    const log = open(store);
    const calls = [1, 2, 3].map(() => call());
    log.add(calls[0]);
    await until(() => log.health().status === 'degraded');
    expect(log.health()).toMatchObject({ reason: 'PostgreSQL: cannot be reached (ECONNREFUSED)', backlog: 1 });
    log.add(calls[1]);
    log.add(calls[2]);
    store.fail = () => undefined;
    await until(() => log.backlog === 0);
    expect([...store.ids]).toEqual(calls.map(({ id }) => id));
    expect(log.health()).toMatchObject({ status: 'ok', backlog: 0 });
    expect(log.metrics()).toContainEqual(
      expect.objectContaining({ name: 'spend_log_rows_total', labels: { result: 'written' }, value: 3 }),
    );
    expect(log.metrics()).toContainEqual(expect.objectContaining({ name: 'spend_log_backlog', value: 0 }));
    expect(lines).toEqual([
      'Spend log: cannot write calls (PostgreSQL: cannot be reached (ECONNREFUSED)); until PostgreSQL recovers, calls wait in memory',
      'Spend log: PostgreSQL recovered; writing the waiting calls',
    ]);
  });

  it('spills to a file of its own that only its user reads, and replays it in order', async () => {
    const store = new ScriptedStore();
    store.fail = away;
    const log = open(store, { spillFile: join(folder, 'spill'), batchRows: 4 });
    log.start();
    const calls = Array.from({ length: 10 }, () => call());
    for (const each of calls.slice(0, 6)) log.add(each);
    await until(() => files().length === 1);
    const [file] = files();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const each of calls.slice(6)) log.add(each);
    await until(() => readFileSync(file, 'utf8').split('\n').length === 11);
    await until(() => log.backlog === 10);
    store.fail = () => undefined;
    await until(() => log.backlog === 0);
    expect([...store.ids]).toEqual(calls.map(({ id }) => id));
    await until(() => files().length === 0);
  });

  it('takes over the files of processes that no longer run, but not of running ones', async () => {
    const store = new ScriptedStore();
    const rows = [1, 2].map(() => JSON.stringify({ id: `old-${++made}` }));
    const host = (await import('node:os')).hostname().replace(/[^\w-]/g, '-');
    writeFileSync(join(folder, `spill.${host}.999999999.0123abcd`), `${rows[0]}\n{"cut`);
    writeFileSync(join(folder, `spill.${host}.${process.ppid}.0123abcd`), `${rows[1]}\n`);
    writeFileSync(join(folder, 'spill.notes'), 'not a file of the log');
    const log = open(store, { spillFile: join(folder, 'spill') });
    log.start();
    await until(() => store.ids.size === 1);
    expect([...store.ids]).toEqual([(JSON.parse(rows[0]) as { id: string }).id]);
    await until(() => files().length === 2);
  });

  it('counts what exceeds its memory', async () => {
    const store = new ScriptedStore();
    store.fail = away;
    const log = open(store, { maxPendingBytes: 64 * 1024 });
    for (let i = 0; i < 200; i++) log.add(call());
    const { dropped, backlog } = log.health() as unknown as { dropped: number; backlog: number };
    expect(dropped).toBeGreaterThan(0);
    expect(dropped + backlog).toBe(200);
    await until(() => lines.some((line) => line.startsWith(`Spend log: dropped ${dropped} calls`)));
    expect(log.health().status).toBe('degraded');
  });

  it('leaves out a row that the database refuses, and writes the others', async () => {
    const store = new ScriptedStore();
    const bad = call({ id: 'bad' });
    store.fail = (calls) => (calls.some((row) => row.includes('"bad"')) ? refused() : undefined);
    const log = open(store);
    for (const each of [call(), call(), bad, call()]) log.add(each);
    await until(() => log.backlog === 0);
    expect(store.ids.size).toBe(3);
    expect(lines).toEqual([expect.stringMatching(/^Spend log: PostgreSQL rejected the row of a call \(.*\); the call is not logged$/)]);
    expect(log.health()).toMatchObject({ status: 'degraded', rejected: 1 });
  });

  it('writes all at its end, or spills it', async () => {
    const store = new ScriptedStore();
    const log = open(store, { flushMs: 60_000 });
    log.add(call());
    await log.close();
    expect(store.ids.size).toBe(1);
    store.fail = away;
    const next = open(store, { flushMs: 60_000, spillFile: join(folder, 'spill') });
    next.add(call());
    await next.close();
    expect(files()).toHaveLength(1);
    expect(lines.at(-1)).toMatch(/^Spend log: left 1 call in /);
  });

  it('spills the rows of a statement that hangs, so that a killed process loses no more', async () => {
    const store = new ScriptedStore();
    let answer = (): void => {};
    store.wait = new Promise<void>((resolve) => (answer = resolve));
    const log = open(store, { spillFile: join(folder, 'spill') });
    log.add(call());
    await until(() => files().length === 1);
    answer();
    await until(() => log.backlog === 0);
    expect(store.ids.size).toBe(1);
    expect(log.metrics()).toContainEqual(expect.objectContaining({ labels: { result: 'duplicate' }, value: 1 }));
  });
});

(hasPostgres ? describe : describe.skip)('the spend log in PostgreSQL', () => {
  let database: TestDatabase;
  let store: PostgresStore;
  beforeAll(async () => {
    database = await TestDatabase.create();
    store = postgresStore({ url: database.url, timeoutMs: 10_000 });
    await store.migrate();
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });
  beforeEach(() =>
    database.query('TRUNCATE fast_litellm.calls, fast_litellm.call_attempts, fast_litellm.call_bodies, fast_litellm.daily_spend'),
  );

  const write = async (calls: readonly CallRecord[], options: Partial<SpendLogOptions> = {}): Promise<void> => {
    const log = open(store.spend, options);
    for (const each of calls) log.add(each);
    await log.close();
    expect(lines).toEqual([]);
  };

  it('has a row for each call, its attempts, and costs that add up', async () => {
    const failed = attempt(1, {
      status: 'failure',
      errorKind: 'server',
      errorCode: 'PROVIDER_SERVER',
      httpStatus: 500,
      usage: undefined,
      nanoUsd: undefined,
      costParts: undefined,
    });
    const more = {
      retries: 1,
      attempts: [failed, attempt(2)],
      organization: 'org',
      sessionId: 's',
      requestId: 'r',
      ip: '203.0.113.7',
      userAgent: 'tool/1',
    };
    const kept = call({ ...more, isEstimated: true, timeToFirstTokenMs: 3.6, stream: true });
    await write([kept, call({ status: 'denied', errorCode: 'BUDGET_EXCEEDED', attempts: [], usage: undefined, nanoUsd: undefined })]);
    const [row] = await database.query('SELECT *, extract(epoch FROM started_at) * 1000 AS ms FROM fast_litellm.calls WHERE id = $1', [
      kept.id,
    ]);
    expect(row).toMatchObject({
      duration_ms: 12,
      ttft_ms: 4,
      stream: true,
      model_group: 'smart',
      key_id: 'k1',
      user_id: 'ann',
      team_id: 'red',
      organization_id: 'org',
      end_user: 'eve',
      tags: ['a', 'b'],
      session_id: 's',
      request_id: 'r',
      ip: '203.0.113.7',
      http_status: 200,
      prompt_tokens: '10',
      reasoning_tokens: '2',
      nano_usd: '100',
      cost_input: '40',
      cost_output: '45',
      cost_cache_read: '10',
      cost_cache_write: '0',
      cost_other: '5',
      is_estimated: true,
      attempts: 2,
      metadata: { retries: 1, user_agent: 'tool/1' },
    });
    expect(Number(row.ms)).toBe(DAY);
    const attempts = await database.query(
      'SELECT number, status, error_code, nano_usd FROM fast_litellm.call_attempts WHERE call_id = $1 ORDER BY number',
      [kept.id],
    );
    expect(attempts).toEqual([
      { number: 1, status: 'failure', error_code: 'PROVIDER_SERVER', nano_usd: null },
      { number: 2, status: 'success', error_code: null, nano_usd: '100' },
    ]);
  });

  it('adds each call once to the sums of its day, although its batch is sent again', async () => {
    const calls = [
      call(),
      call({ user: undefined, tags: ['a'], status: 'failure' }),
      call({ startedAtMs: DAY + 1_000, nanoUsd: undefined }),
    ];
    await write(calls);
    await write([...calls, calls[0]]);
    const sums =
      await database.query(`SELECT day::text, dimension, entity, sum(requests)::int AS requests, sum(successes)::int AS successes,
      sum(failures)::int AS failures, sum(nano_usd)::int AS nano FROM fast_litellm.daily_spend GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`);
    const of = (day: string, dimension: string) =>
      sums.filter((row) => row.day === day && row.dimension === dimension).map(({ day: _, dimension: __, ...row }) => row);
    expect(of('2026-11-30', 'all')).toEqual([{ entity: '', requests: 2, successes: 1, failures: 1, nano: 200 }]);
    expect(of('2026-11-30', 'user')).toEqual([{ entity: 'ann', requests: 1, successes: 1, failures: 0, nano: 100 }]);
    expect(of('2026-11-30', 'tag')).toMatchObject([
      { entity: 'a', requests: 2 },
      { entity: 'b', requests: 1 },
    ]);
    expect(of('2026-11-30', 'model')).toMatchObject([{ entity: 'gpt-4o', nano: 200 }]);
    expect(of('2026-12-01', 'all')).toMatchObject([{ requests: 1, nano: 0 }]);
  });

  it('keeps logging a day whose sum has reached the largest number, and reports it', async () => {
    const largest = Number.MAX_SAFE_INTEGER;
    // 1,024 calls at the largest cost exceed a bigint.
    const absurd = Array.from({ length: 1_100 }, () => call({ nanoUsd: largest, costParts: { input: largest } }));
    // Of its own: it reports the sums as long as it is open.
    const own = postgresStore({ url: database.url, timeoutMs: 10_000 });
    const log = open(own.spend);
    for (const each of absurd) log.add(each);
    await log.close();
    const next = open(own.spend);
    next.add(call());
    await next.close();
    const [{ count }] = await database.query('SELECT count(*)::int AS count FROM fast_litellm.calls');
    const sums = await database.query(`SELECT nano_usd, requests::int FROM fast_litellm.daily_spend WHERE dimension = 'team'`);
    expect([count, sums]).toEqual([1_101, [{ nano_usd: '9223372036854775807', requests: 1_101 }]]);
    const reason = 'the sums of a day have reached the largest possible number; check the prices';
    expect(next.health()).toMatchObject({ status: 'degraded', reason, rejected: 0 });
    expect(lines).toContain(`Spend log: ${reason}`);
    await own.close();
  });

  it('can be written by processes of an older version', async () => {
    const row = {
      id: 'old',
      started_at: DAY,
      duration_ms: 1,
      operation: 'chat',
      model: 'm',
      upstream_model: 'u',
      status: 'success',
      process_id: 'p',
    };
    const write = 'SELECT fast_litellm.write_calls($1::text::jsonb) AS written';
    const written = [await database.query(write, [JSON.stringify([row])]), await database.query(write, [JSON.stringify([row])])];
    expect(written).toEqual([[{ written: 1 }], [{ written: 0 }]]);
    expect(await database.query(`SELECT upstream_model, requests FROM fast_litellm.daily_spend WHERE dimension = 'all'`)).toEqual([
      { upstream_model: 'u', requests: '1' },
    ]);
  });

  it('does not deadlock when processes write the same sums', async () => {
    const own = (at: number): CallRecord[] =>
      Array.from({ length: 300 }, (_, i) => call({ team: `t${(i * 7 + at) % 20}`, user: `u${(i * 3 + at) % 20}` }));
    await Promise.all([0, 1, 2, 3].map((at) => write(own(at), { batchRows: 50 })));
    const [{ requests }] = await database.query(
      `SELECT sum(requests)::int AS requests FROM fast_litellm.daily_spend WHERE dimension = 'all'`,
    );
    expect(requests).toBe(1200);
  });

  it('stores texts that JSON can have and PostgreSQL cannot', async () => {
    await write([call({ model: 'a\0b\ud800', endUser: 'back\\u0000slash' })]);
    expect(await database.query('SELECT model, end_user FROM fast_litellm.calls')).toEqual([
      { model: 'a\ufffdb\ufffd', end_user: 'back\\u0000slash' },
    ]);
  });

  it('stores the beginning of a model name that an index cannot hold', async () => {
    const model = Array.from({ length: 4_096 }, (_, at) => String.fromCharCode(0x4e00 + ((at * 7_919) % 20_000))).join('');
    await write([call({ id: 'long', model, upstreamModel: model, group: model, attempts: [attempt(1, { upstreamModel: model })] })]);
    expect(await database.query(`SELECT model FROM fast_litellm.calls WHERE id = 'long'`)).toEqual([{ model: model.slice(0, 256) }]);
  });

  it('keeps bodies if it is asked to, the beginning of large ones', async () => {
    const bodies = { request: () => ({ model: 'smart' }), answer: () => ({ text: 'x'.repeat(1_000) }) };
    await write([call(bodies)], { bodies: true, maxBodyBytes: 256 });
    await write([call(bodies)]);
    const rows = await database.query('SELECT request, answer FROM fast_litellm.call_bodies');
    expect(rows).toEqual([
      { request: { model: 'smart' }, answer: { length: 1011, truncated: expect.stringMatching(/^\{"text":"x{247}$/) as string } },
    ]);
  });

  it('creates the month of a row, and months ahead', async () => {
    await write([call({ startedAtMs: Date.UTC(2020, 1, 29, 23, 59, 59, 999) }), call({ startedAtMs: Date.UTC(2020, 2, 1) })]);
    const tables = await database.query(`SELECT tablename AS name FROM pg_tables WHERE tablename ~ '^calls_' ORDER BY 1`);
    const names = tables.map(({ name }) => name);
    const now = new Date();
    const ahead = [0, 1, 2].map((months) =>
      new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1)).toISOString().slice(0, 7).replace('-', '_'),
    );
    expect(names).toEqual(expect.arrayContaining(['calls_2020_02', 'calls_2020_03', ...ahead.map((month) => `calls_${month}`)]));
  });

  it('drops months that retention has passed, several processes at the same time', async () => {
    await write([call({ startedAtMs: Date.UTC(2019, 0, 5) }), call({ startedAtMs: Date.UTC(2019, 1, 5) })]);
    const time = new Date(Date.UTC(2019, 1, 1));
    const dropped = await Promise.all([store.spend.dropBefore(time), store.spend.dropBefore(time)]);
    expect(dropped.flat().sort()).toEqual(['call_attempts_2019_01', 'call_bodies_2019_01', 'calls_2019_01']);
    expect(await database.query('SELECT extract(month FROM started_at)::int AS month FROM fast_litellm.calls')).toEqual([{ month: 2 }]);
    const [{ days }] = await database.query(`SELECT count(DISTINCT day)::int AS days FROM fast_litellm.daily_spend`);
    expect(days).toBe(2);
  });

  it('has a command for retention and for deletion', async () => {
    const run = async (...args: string[]): Promise<[number, string]> => {
      let out = '';
      const stream = { write: (text: string) => ((out += text), true) } as never;
      const code = await runCli(['spend', ...args], {
        stdin: process.stdin,
        stdout: stream,
        stderr: stream,
        env: { DATABASE_URL: database.url },
      });
      return [code, out];
    };
    await write([call({ startedAtMs: Date.UTC(2018, 0, 5) }), call({ user: 'bob' })]);
    expect(await run('retention', '--months', '60')).toEqual([
      0,
      expect.stringMatching(/^dropped the calls before [\d-]+01:\n( {2}call.*_2018_01\n){3}/),
    ]);
    expect(await run('retention', '--months', '1200')).toEqual([0, expect.stringMatching(/^no calls before [\d-]+\n$/)]);
    expect(await run('delete', '--user', 'bob', '--dry-run')).toEqual([0, 'user bob: has 1 calls\n']);
    expect(await run('delete', '--user', 'bob')).toEqual([0, 'user bob: deleted 1 calls\n']);
    expect((await run('delete'))[1]).toContain('delete requires exactly one of --user, --end-user and --key');
    expect((await run('retention'))[1]).toContain('--months must be set');
    expect((await run('all'))[1]).toContain('must be followed by export, retention or delete');
  });

  it('deletes the calls of a user and of a key, and keeps the sums of others', async () => {
    await write([call(), call({ user: 'bob' }), call({ keyId: 'k2' })]);
    expect([
      await store.spend.countOf('user', 'bob'),
      await store.spend.deleteOf('user', 'bob'),
      await store.spend.countOf('user', 'bob'),
    ]).toEqual([1, 1, 0]);
    expect(await store.spend.deleteOf('key', 'k1')).toBe(1);
    const left = async (table: string): Promise<unknown> =>
      (await database.query(`SELECT count(*)::int AS n FROM fast_litellm.${table}`))[0].n;
    expect([await left('calls'), await left('call_attempts')]).toEqual([1, 1]);
    const keys = await database.query(`SELECT DISTINCT key_id FROM fast_litellm.daily_spend ORDER BY 1`);
    expect(keys).toEqual([{ key_id: '' }, { key_id: 'k2' }]);
    const [{ requests }] = await database.query(
      `SELECT sum(requests)::int AS requests FROM fast_litellm.daily_spend WHERE dimension = 'team'`,
    );
    expect(requests).toBe(3);
    expect(await database.query(`SELECT entity FROM fast_litellm.daily_spend WHERE dimension = 'user' AND entity = 'bob'`)).toEqual([]);
  });
});

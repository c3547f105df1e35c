import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runCommand } from '../../support/command-run.js';
import { LiteLLMDatabase } from '../../support/litellm-database.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const CALLS = usuallyOrLong(2_000, 100_000);
const BATCH = usuallyOrLong(40, 500);
const MAIN = join(__dirname, '../../../lib/cli/main.ts');
const HOOK = join(__dirname, '../../support/typescript-hook.js');

/** Blocks writes and allows reads. */
async function lockCalls(pool: TestPool): Promise<() => Promise<void>> {
  const session = (await pool.connect()) as { query(sql: string): Promise<unknown>; release(): void };
  await session.query('BEGIN');
  await session.query('LOCK TABLE fast_litellm.calls IN SHARE MODE');
  return async () => {
    await session.query('ROLLBACK');
    session.release();
  };
}

(hasPostgres ? describe : describe.skip)(`the import of ${CALLS} calls of LiteLLM`, () => {
  let litellm: LiteLLMDatabase;
  let target: TestDatabase;
  let pool: TestPool;
  beforeAll(async () => {
    litellm = await LiteLLMDatabase.create();
    await litellm.insertKeys({ 'sk-one': {}, 'sk-two': {} });
    // Over the end of a month; several calls start in the same millisecond.
    await litellm.query(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, spend, prompt_tokens, completion_tokens, "startTime", "endTime",
        model, model_group, custom_llm_provider, team_id, end_user, request_tags, status)
      SELECT 'call-' || n, 'acompletion', (n % 977) * 0.000001037, n % 500, n % 70, at, at + interval '2 seconds', 'gpt-4o', 'group' || n % 3,
        'openai', 'team' || n % 5, 'user' || n % 40, to_jsonb(ARRAY['tag' || n % 4]), CASE WHEN n % 50 = 0 THEN 'failure' ELSE 'success' END
      FROM generate_series(1, ${CALLS}) AS n,
        LATERAL (SELECT timestamp '2026-01-31T12:00:00' + (n / 7) * 7 * interval '1 day' / ${CALLS}) AS of(at)`);
  }, 120_000);
  afterAll(() => litellm.drop());
  beforeEach(async () => {
    target = await TestDatabase.create();
    pool = target.pool();
    await runCommand(['migrate'], { env: { DATABASE_URL: target.url } });
  });
  afterEach(() => target.drop());

  const args = (): string[] => ['import-keys', '--from', litellm.url, '--to', target.url, '--spend-logs', '--batch', String(BATCH)];
  const imported = async (): Promise<number> =>
    Number((await target.query('SELECT count(*) AS n FROM fast_litellm.calls').catch(() => [{ n: 0 }]))[0].n);

  /** Compares all calls, and all sums, with the source. */
  async function check(): Promise<void> {
    expect(
      await target.query(`SELECT id, nano_usd::int AS nano, prompt_tokens::int AS tokens FROM fast_litellm.calls ORDER BY id`),
    ).toEqual(
      await litellm.query(`SELECT request_id AS id, round(spend * 1e9)::int AS nano, prompt_tokens AS tokens
        FROM "LiteLLM_SpendLogs" ORDER BY request_id`),
    );
    const sums = (dimension: string): Promise<unknown> =>
      target.query(`SELECT day::text, entity, sum(requests)::int AS requests, sum(failures)::int AS failures, sum(nano_usd)::text AS nano
        FROM fast_litellm.daily_spend WHERE dimension = '${dimension}' GROUP BY 1, 2 ORDER BY 1, 2`);
    const ofSource = (column: string): Promise<unknown> =>
      litellm.query(`SELECT "startTime"::date::text AS day, ${column} AS entity, count(*)::int AS requests,
        count(*) FILTER (WHERE status = 'failure')::int AS failures, sum(round(spend * 1e9))::bigint::text AS nano
        FROM "LiteLLM_SpendLogs" GROUP BY 1, 2 ORDER BY 1, 2`);
    expect(await sums('team')).toEqual(await ofSource('team_id'));
    expect(await sums('tag')).toEqual(await ofSource('request_tags->>0'));
    expect(await sums('all')).toEqual(await ofSource(`''`));
  }

  it('is complete and counts each call once, although its process was killed twice', async () => {
    let before = 0;
    for (const part of [CALLS / 4, CALLS / 2]) {
      const child = spawn(process.execPath, ['--require', HOOK, MAIN, ...args()], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await until(async () => (await imported()) >= part);
      // Its next statement waits; the server may still run it after the process has gone.
      const unlock = await lockCalls(pool);
      const count = await imported();
      expect(count).toBeLessThan(CALLS);
      expect(count).toBeGreaterThan(before);
      before = count;
      child.kill('SIGKILL');
      expect(await ended).toEqual([null, 'SIGKILL']);
      await unlock();
    }
    const { code, out, err } = await runCommand(args());
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`^calls +${CALLS.toLocaleString('en-US')} `, 'm'));
    await check();
  });

  it('says after an error where to continue, and continues there', async () => {
    const running = runCommand(args());
    await until(async () => (await imported()) >= CALLS / 3);
    const unlock = await lockCalls(pool);
    const count = await imported();
    expect(count).toBeLessThan(CALLS);
    const waiting = `SELECT pid FROM pg_stat_activity WHERE datname = '${target.name}' AND wait_event_type = 'Lock'`;
    await until(async () => (await target.query(waiting)).length > 0);
    await target.query(`SELECT pg_terminate_backend(pid) FROM (${waiting}) AS waiting`);
    const { code, err } = await running;
    await unlock();
    const [, ...rest] = /continue with (--after) (\S+) (--calls-since) (\S+)/.exec(err) ?? [];
    expect([code, rest.length, err]).toEqual([1, 4, expect.stringContaining('run the command again')]);
    const next = await runCommand([...args(), ...rest]);
    expect([next.code, next.err]).toEqual([0, '']);
    expect(await imported()).toBe(CALLS);
    // It has read the calls from there on only.
    const [, read] = /^calls +([\d,]+)/m.exec(next.out) ?? [];
    expect(Number(read?.replaceAll(',', ''))).toBeLessThan(CALLS);
    await check();
  });
});

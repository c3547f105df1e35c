import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { previousCommits, programOf } from '../../support/previous-version.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { FROM_SOURCES, ServeProcess } from './serve-process.js';

const MASTER = 'sk-master-0123456789-secret';
/** Also before migration 0007. */
const BEFORE_MODELS = '5d9039bd4ca6c54e8935b0997a64ed3acdca0cff';
/** Until a version is released. */
const RECORDED = [BEFORE_MODELS, '7da0478566debfecd7d69e8c657b11004d78abfd'];
const BUDGET = 0.5;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly costUsd: number;
}

const canRun = isComplete && hasRedis && hasPostgres && process.platform === 'linux';
const previous = canRun ? previousCommits(RECORDED) : [];
let folder: string;
let file: string;
let upstream: string;

beforeAll(async () => {
  upstream = (await provider('one')).apiBase;
  folder = mkdtempSync(join(tmpdir(), 'rollout-'));
  file = join(folder, 'config.yaml');
  writeFileSync(file, `model_list:\n  - model_name: chat\n    litellm_params: ${JSON.stringify(paramsOf())}\n`);
});

afterAll(async () => {
  await stopProviders();
  rmSync(folder, { recursive: true });
});

function paramsOf(): object {
  return {
    model: 'openai/gpt-4o',
    api_base: upstream,
    api_key: 'sk-upstream-secret',
    input_cost_per_token: 0.0001,
    output_cost_per_token: 0.001,
    max_tokens: 20,
  };
}

async function send({ url }: ServeProcess, path: string, body?: object, key = MASTER): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: body && JSON.stringify(body),
  });
  const costUsd = Number(answer.headers.get('x-litellm-response-cost') ?? 0);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown>, costUsd };
}

const chat = (gateway: ServeProcess, key: string, model = 'chat'): Promise<Answer> =>
  send(gateway, '/v1/chat/completions', { model, messages: [...HELLO], max_tokens: 20 }, key);

async function generateKey(gateway: ServeProcess, settings: object = {}): Promise<string> {
  const { status, body } = await send(gateway, '/key/generate', settings);
  expect([status, body.error]).toEqual([200, undefined]);
  return body.key as string;
}

async function spendOf(gateway: ServeProcess, key: string): Promise<number> {
  const { body } = await send(gateway, `/key/info?key=${encodeURIComponent(key)}`);
  return (body.info as { spend: number }).spend;
}

/** Requests with one key to all processes at once, then one after the other until each denies. Returns the sum of the costs. */
async function spendAll(processes: readonly ServeProcess[], key: string): Promise<number> {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => chat(processes[index % processes.length], key)));
  for (let denied = 0, turn = 0; denied < processes.length; turn++) {
    const answer = await chat(processes[turn % processes.length], key);
    denied = answer.status === 200 ? 0 : denied + 1;
    answers.push(answer);
  }
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
  return answers.reduce((sum, { costUsd }) => sum + costUsd, 0);
}

async function expectSpend(processes: readonly ServeProcess[], key: string, usd: number): Promise<void> {
  for (const each of processes) await until(async () => Math.abs((await spendOf(each, key)) - usd) < 1e-9);
}

if (canRun && previous.length === 0)
  console.log('skipped: this clone has neither a release tag nor the recorded commits (git fetch --unshallow --tags)');

(previous.length > 0 ? describe.each(previous) : describe.skip.each(['the previous version']))('%s and this version', (commit) => {
  let redis: RedisServer;
  let database: TestDatabase;
  const running: ServeProcess[] = [];

  beforeEach(async () => {
    redis = await RedisServer.start();
    database = await TestDatabase.create();
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.kill()));
    await redis.stop();
    await database.drop();
  });

  async function start(
    program: readonly string[],
    env: Readonly<Record<string, string>> = { REDIS_URL: redis.url },
  ): Promise<ServeProcess> {
    const common = { LITELLM_MASTER_KEY: MASTER, LITELLM_SALT_KEY: 'sk-salt-0123456789-other', STORE_MODEL_IN_DB: 'True' };
    const args = ['--config', file, '--host', '127.0.0.1'];
    const started = await ServeProcess.start(args, { ...common, DATABASE_URL: database.url, ...env }, program);
    running.push(started);
    return started;
  }

  it('share keys, limits, budgets, models and spend over one Redis and one database', async () => {
    const old = await start(programOf(commit));
    const team = await send(old, '/team/new', { team_alias: 'blue', max_budget: 100 });
    const ofOld = await generateKey(old, { team_id: team.body.team_id, max_budget: BUDGET });
    expect((await chat(old, ofOld)).status).toBe(200);
    const before = await spendOf(old, ofOld);
    const recent = await start(FROM_SOURCES);
    const both = [old, recent];

    // Spend of one process is that of the other, to the last nano-USD.
    const spent = before + (await spendAll(both, ofOld));
    expect(before).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(BUDGET);
    await expectSpend(both, ofOld, spent);

    const ofNew = await generateKey(recent, { rpm_limit: 20 });
    const limited = await Promise.all(Array.from({ length: 60 }, (_, index) => chat(both[index % 2], ofNew)));
    expect(limited.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(limited.filter(({ status }) => status === 429)).toHaveLength(40);

    // A change by one process reaches the other.
    for (const [from, to] of [both, [recent, old]]) {
      const key = await generateKey(from, { models: ['chat'] });
      expect((await chat(to, key)).status).toBe(200);
      expect((await send(from, '/key/update', { key, models: ['others'] })).status).toBe(200);
      await until(async () => (await chat(to, key)).status === 403);
    }

    // The first commit stores no models yet.
    const directions = commit === BEFORE_MODELS ? [] : [both, [recent, old]];
    for (const [index, [from, to]] of directions.entries()) {
      const model = `added-${index}`;
      const litellm_params = { model: 'openai/gpt-4o', api_key: 'sk-upstream-secret', mock_response: 'Hello' };
      expect((await send(from, '/model/new', { model_name: model, litellm_params })).status).toBe(200);
      const key = await generateKey(from);
      await until(async () => (await chat(to, key, model)).status === 200);
    }

    await expectRows(database, 2);
  });

  it('share budgets over PostgreSQL alone', async () => {
    const old = await start(programOf(commit), {});
    const key = await generateKey(old, { max_budget: BUDGET });
    const both = [old, await start(FROM_SOURCES, {})];
    const spent = await spendAll(both, key);
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(BUDGET);
    await expectSpend(both, key, spent);
  });

  it('can be exchanged back: the previous version starts on what this version has written', async () => {
    const recent = await start(FROM_SOURCES);
    const key = await generateKey(recent, { max_budget: BUDGET, rpm_limit: 10 });
    const first = await chat(recent, key);
    expect(first.status).toBe(200);
    recent.signal('SIGTERM');
    expect(await recent.ended).toBe(0);
    const old = await start(programOf(commit));
    expect(await spendOf(old, key)).toBeCloseTo(first.costUsd, 9);
    const answers = await Promise.all(Array.from({ length: 20 }, () => chat(old, key)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9);
    await expectRows(database, 2);
  });
});

/** Every process has written rows, and sums by day count each of them once. */
async function expectRows(database: TestDatabase, processes: number): Promise<void> {
  const calls = `SELECT count(DISTINCT process_id)::int AS processes, coalesce(sum(nano_usd), 0)::text AS usd, count(*)::int AS calls FROM fast_litellm.calls`;
  const days = `SELECT coalesce(sum(nano_usd), 0)::text AS usd, coalesce(sum(requests), 0)::int AS calls FROM fast_litellm.daily_spend WHERE dimension = 'all'`;
  await until(async () => {
    const [[written], [summed]] = await Promise.all([database.query(calls), database.query(days)]);
    return written.processes === processes && written.usd === summed.usd && written.calls === summed.calls;
  });
}

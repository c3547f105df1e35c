import Anthropic from '@anthropic-ai/sdk';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { ServeProcess } from './serve-process.js';

const MASTER = 'sk-master-0123456789-secret';
const messages = [...HELLO];
const folder = mkdtempSync(join(tmpdir(), 'serve-config-'));
let providers: LocalProvider[];
let file: string;

beforeAll(async () => {
  providers = await Promise.all(['one', 'two', 'three'].map((name) => provider(name)));
  file = join(folder, 'config.yaml');
  writeFileSync(file, configOf(12));
});

afterAll(async () => {
  await stopProviders();
  rmSync(folder, { recursive: true });
});

/** Deployments of four model groups at three providers. */
function configOf(deployments: number, more = ''): string {
  const entries = Array.from({ length: deployments }, (_, index) => {
    const base = providers[index % providers.length].apiBase;
    return `  - model_name: group-${index % 4}\n    litellm_params: { model: openai/gpt-4o, api_base: ${base}, api_key: sk-upstream-secret, rpm: ${1000 + index} }\n`;
  });
  return `model_list:\n${entries.join('')}${more}`;
}

async function post(url: string, path: string, body: object, key = MASTER): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const get = (url: string, path: string, key?: string): Promise<Response> =>
  fetch(`${url}${path}`, { redirect: 'manual', headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });

describe('serve with a file of twelve deployments', () => {
  let gateway: ServeProcess;
  let state: string;
  let startedMs: number;

  beforeAll(async () => {
    state = join(folder, 'state');
    const broken = `  - model_name: eu\n    litellm_params: { model: azure/gpt-4o, api_key: os.environ/NO_SUCH_KEY }\nlitellm_settings: { cache: true }\n`;
    writeFileSync(join(folder, 'twelve.yaml'), configOf(12, broken));
    const args = [
      '--config',
      join(folder, 'twelve.yaml'),
      '--host',
      '127.0.0.1',
      '--state-folder',
      state,
      '--telemetry',
      'False',
      '--detailed-debug',
    ];
    startedMs = performance.now();
    gateway = await ServeProcess.start(args, { LITELLM_MASTER_KEY: MASTER, UI_USERNAME: 'admin' });
  });

  afterAll(() => gateway.kill());

  it('shows addresses, what cannot be called, and settings without effect, and no secret', () => {
    const { output, url } = gateway;
    expect(output).toContain(`  OpenAI     ${url}/v1\n  Anthropic  ${url}\n`);
    expect(output).toContain('5 model groups, 12 of 13 deployments can be called');
    expect(output).toMatch(/\n1 of 13 deployments cannot be called:\n {2}eu\/azure.*NO_SUCH_KEY.*\n {4}-> /);
    expect(output).toContain('litellm_settings.cache');
    expect(output).toContain('  --telemetry has no effect\n    -> there is no telemetry\n');
    expect(output).toContain('  UI_USERNAME has no effect\n');
    expect(output).toContain(`${state}/keys.json`);
    expect(output).not.toMatch(new RegExp(`${MASTER}|sk-upstream|\u001b`));
  });

  it('serves the SDKs of OpenAI and Anthropic, with the master key and with a key that it creates', async () => {
    const { url } = gateway;
    await new OpenAI({ baseURL: `${url}/v1`, apiKey: MASTER }).chat.completions.create({ model: 'group-1', messages });
    process.stderr.write(`serve from its sources: first answer ${((performance.now() - startedMs) / 1000).toFixed(1)} s after its start\n`);
    const made = await post(url, '/key/generate', { key_alias: 'mobile', models: ['group-1'] });
    expect(made.status).toBe(200);
    for (const apiKey of [MASTER, made.body.key as string]) {
      const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
      const whole = await openai.chat.completions.create({ model: 'group-1', messages });
      expect(whole.choices[0].message.content).toMatch(/^(one|two|three)/);
      const stream = await openai.chat.completions.create({ model: 'group-1', messages, stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      expect(text).not.toBe('');
      const anthropic = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
      const message = await anthropic.messages.create({ model: 'group-1', max_tokens: 50, messages });
      expect(message.content[0]).toMatchObject({ type: 'text' });
    }
    const limited = new OpenAI({ baseURL: `${url}/v1`, apiKey: made.body.key as string, maxRetries: 0 });
    await expect(limited.chat.completions.create({ model: 'group-2', messages })).rejects.toMatchObject({ status: 403 });
    expect(await (await get(url, '/models', made.body.key as string)).json()).toMatchObject({ data: [{ id: 'group-1' }] });
  });

  it('opens probes and documentation to all, and metrics to the master key', async () => {
    const { url } = gateway;
    const statusOf = async (path: string, key?: string): Promise<number> => (await get(url, path, key)).status;
    for (const path of ['/health/liveliness', '/health/readiness', '/docs', '/docs/swagger-ui.js', '/docs/start.js', '/openapi.json'])
      expect([path, await statusOf(path)]).toEqual([path, 200]);
    for (const path of ['/metrics', '/v1/models', '/models', '/nowhere', '/key/list', '/v1/chat/completions', '/team/list', '/spend/logs'])
      expect([path, await statusOf(path)]).toEqual([path, 401]);
    const metrics = await (await get(url, '/metrics', MASTER)).text();
    expect(metrics).toMatch(/^# TYPE fast_litellm_router_deployments gauge$/m);
    expect(metrics.split('\n').filter((line) => !/^(?:#.*|[a-z_]+(?:\{.*\})? [-+.\deINFNa]+|)$/.test(line))).toEqual([]);
    const { paths } = (await (await get(url, '/openapi.json')).json()) as { paths: object };
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/v1/chat/completions', '/v1/messages', '/key/generate', '/metrics']));
    expect((await get(url, '/', MASTER)).headers.get('location')).toBe('/dashboard');
  });

  it('logs requests without their query under --detailed-debug', async () => {
    await get(gateway.url, '/health/readiness?key=sk-of-the-query');
    await gateway.until(/DEBUG GET \/health\/readiness 200 in \d/);
    expect(gateway.output).not.toContain('sk-of-the-query');
  });

  it('rejects pages of other sites', async () => {
    const answer = await fetch(`${gateway.url}/metrics`, { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } });
    expect(answer.status).toBe(403);
  });
});

it('keeps models that the API adds in its folder, encrypted, across a restart', async () => {
  const state = join(folder, 'models');
  const args = ['--host', '127.0.0.1', '--state_folder', state];
  const env = { LITELLM_MASTER_KEY: MASTER, LITELLM_SALT_KEY: 'sk-salt-0123456789-other', STORE_MODEL_IN_DB: 'True' };
  let gateway = await ServeProcess.start(args, env);
  try {
    const params = { model: 'openai/gpt-4o', api_key: 'sk-upstream-secret' };
    expect((await post(gateway.url, '/model/new', { model_name: 'added', litellm_params: params })).status).toBe(200);
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(readFileSync(join(state, 'configuration.json'), 'utf8')).not.toContain('sk-upstream-secret');
    gateway = await ServeProcess.start(args, env);
    expect(gateway.output).toContain(`models added with /model/new: ${state}/configuration.json`);
    expect(await (await get(gateway.url, '/v1/models', MASTER)).json()).toMatchObject({ data: [{ id: 'added' }] });
  } finally {
    await gateway.kill();
  }
});

describe('a running serve', () => {
  it('answers --health, drains a stream on SIGTERM, and ends with 0', async () => {
    const own = join(folder, 'own.yaml');
    writeFileSync(own, configOf(1));
    const gateway = await ServeProcess.start(['-c', own]);
    const port = new URL(gateway.url).port;
    expect(await ServeProcess.run(['--health', '--port', port])).toMatchObject({ code: 0 });
    providers[0].behave({ chunkDelayMs: 100 });
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await openai.chat.completions.create({ model: 'group-0', messages, stream: true });
    let last: unknown;
    for await (const chunk of stream) {
      if (last === undefined) gateway.signal('SIGTERM');
      last = chunk.choices[0]?.finish_reason ?? last ?? null;
    }
    providers[0].behave();
    expect(last).toBe('stop');
    expect(await gateway.ended).toBe(0);
    expect(await ServeProcess.run(['--health', '--port', port])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/does not respond \(.*ECONNREFUSED.*\)\n$/) as string,
    });
  });

  it('reads the file again on SIGHUP, and keeps its configuration if the file is invalid', async () => {
    const own = join(folder, 'reloaded.yaml');
    writeFileSync(own, configOf(1));
    const gateway = await ServeProcess.start(['-c', own]);
    try {
      const models = async (): Promise<string[]> => {
        const { data } = (await (await get(gateway.url, '/v1/models')).json()) as { data: { id: string }[] };
        return data.map(({ id }) => id).sort();
      };
      expect(await models()).toEqual(['group-0']);
      writeFileSync(own, configOf(2));
      gateway.signal('SIGHUP');
      await until(async () => (await models()).length === 2);
      writeFileSync(own, `${configOf(3)}router_settings: { num_retries: many }\n`);
      gateway.signal('SIGHUP');
      await gateway.until(/num_retries: must be/);
      expect(await models()).toEqual(['group-0', 'group-1']);
    } finally {
      await gateway.kill();
    }
  });

  it('serves one model without a file, under any name', async () => {
    const gateway = await ServeProcess.start(['--model', 'openai/gpt-4o', '--api_base', providers[1].apiBase], {
      OPENAI_API_KEY: 'sk-upstream-secret',
    });
    try {
      const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
      for (const model of ['openai/gpt-4o', 'anything'])
        expect((await openai.chat.completions.create({ model, messages })).choices[0].message.content).toMatch(/^two/);
    } finally {
      await gateway.kill();
    }
  });
});

describe('several workers', () => {
  (hasRedis ? it : it.skip)('share an exact limit and their keys over Redis, add up metrics, and are replaced and drained', async () => {
    const redis = await RedisServer.start();
    const gateway = await ServeProcess.start(['-c', file, '--num_workers', '2'], {
      LITELLM_MASTER_KEY: MASTER,
      REDIS_URL: redis.url,
      HOST: '127.0.0.1',
    });
    try {
      const { url } = gateway;
      const { body } = await post(url, '/key/generate', { rpm_limit: 20 });
      const key = body.key as string;
      const statuses = await Promise.all(
        Array.from({ length: 60 }, async () => (await post(url, '/v1/chat/completions', { model: 'group-0', messages }, key)).status),
      );
      expect(statuses.filter((status) => status === 200)).toHaveLength(20);
      expect(statuses.filter((status) => status === 429)).toHaveLength(40);
      const metrics = await (await get(url, '/metrics', MASTER)).text();
      const workers = new Set([...metrics.matchAll(/worker="(\d)"/g)].map(([, worker]) => worker));
      expect([...workers].sort()).toEqual(['1', '2']);
      process.kill(workerOf(gateway.pid), 'SIGKILL');
      await gateway.until(/Worker \d: ended \(SIGKILL\); restarting in 0\.5 s/);
      await gateway.until(/Worker \d: serving requests again/);
      gateway.signal('SIGTERM');
      expect(await gateway.ended).toBe(0);
      expect(workersOf(gateway.pid)).toEqual([]);
    } finally {
      await gateway.kill();
      await redis.stop();
    }
  });

  it('are refused without Redis', async () => {
    const { code, output } = await ServeProcess.run(['-c', file, '--num_workers', '4']);
    expect([code, output]).toEqual([
      1,
      'nestjs-fast-litellm serve: --num_workers: must be 1 without Redis, because each worker would allow the whole limit of a key (nothing would be shared); set REDIS_URL, got 4\n',
    ]);
  });
});

(hasPostgres ? describe : describe.skip)('serve with DATABASE_URL', () => {
  it('migrates, and keeps keys, teams, budgets and the spend log in PostgreSQL', async () => {
    const database = await TestDatabase.create();
    const env = { LITELLM_MASTER_KEY: MASTER, DATABASE_URL: database.url };
    const args = ['-c', file, '--host', '127.0.0.1'];
    let gateway = await ServeProcess.start(args, env);
    try {
      expect(gateway.output).toMatch(/migrated +0001/);
      const team = await post(gateway.url, '/team/new', { team_alias: 'blue', max_budget: 10 });
      expect(team.status).toBe(200);
      const { body } = await post(gateway.url, '/key/generate', { team_id: team.body.team_id });
      const key = body.key as string;
      expect((await post(gateway.url, '/v1/chat/completions', { model: 'group-0', messages }, key)).status).toBe(200);
      gateway.signal('SIGTERM');
      expect(await gateway.ended).toBe(0);
      gateway = await ServeProcess.start(args, env);
      expect((await post(gateway.url, '/v1/chat/completions', { model: 'group-0', messages }, key)).status).toBe(200);
      const spent = (await (await get(gateway.url, `/key/info?key=${encodeURIComponent(key)}`, MASTER)).json()) as {
        info: { spend: number };
      };
      expect(spent.info.spend).toBeGreaterThan(0);
      expect((await get(gateway.url, '/spend/logs', MASTER)).status).toBe(200);
      expect(await (await get(gateway.url, '/health/readiness')).json()).toEqual({ status: 'healthy', db: 'connected' });
    } finally {
      await gateway.kill();
      await database.drop();
    }
  });
});

(hasPostgres ? describe : describe.skip)('serve that cannot start with its database', () => {
  it('ends, although the database is connected', async () => {
    const database = await TestDatabase.create();
    const env = { LITELLM_MASTER_KEY: MASTER, DATABASE_URL: database.url, STORE_MODEL_IN_DB: 'True' };
    try {
      expect(await ServeProcess.run(['-c', file, '--port', '0'], { ...env, LITELLM_SALT_KEY: 'short' })).toMatchObject({
        code: 1,
        output: expect.stringMatching(/LITELLM_SALT_KEY: must have at least 16 characters[^\n]*\n$/) as string,
      });
    } finally {
      await database.drop();
    }
  });
});

describe('serve refuses to start, with one line,', () => {
  const line = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
    const { code, output } = await ServeProcess.run(args, env);
    return `${String(code)} ${output}`;
  };

  it.each([
    [{}, /master_key: is not set, and other machines can reach 0\.0\.0\.0/],
    [{ LITELLM_MASTER_KEY: 'sk-1234' }, /master_key: is an example from the documentation/],
    [{ LITELLM_MASTER_KEY: 'sk-short-key' }, /master_key: has fewer than 16 characters/],
  ])('on 0.0.0.0 with the environment %j', async (env, rule) => {
    const output = await line(['-c', file, '--host', '0.0.0.0'], env);
    expect(output).toMatch(new RegExp(`^1 nestjs-fast-litellm serve: [^\\n]*${rule.source}[^\\n]*\\n$`));
    expect(output).not.toContain('sk-short-key');
  });

  it('with an invalid file, naming the place', async () => {
    const invalid = join(folder, 'invalid.yaml');
    writeFileSync(invalid, 'model_list:\n  - model_name: [\n');
    expect(await line(['-c', invalid])).toMatch(
      /^1 nestjs-fast-litellm serve: \S+invalid\.yaml: must be valid YAML \(\S+ at line \d+, column \d+\)\n$/,
    );
    writeFileSync(invalid, 'model_list:\n  - litellm_params: { model: openai/x }\n');
    expect(await line(['-c', invalid])).toMatch(/^1 nestjs-fast-litellm serve: \S+invalid\.yaml: model_list\[0\]\.model_name: .*\n$/);
  });

  it('on a port in use', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    expect(await line(['-c', file, '--port', String(port)])).toMatch(
      /^1 nestjs-fast-litellm serve: --port: port \d+ on 127\.0\.0\.1 is already in use[^\n]*\n$/,
    );
    await new Promise((resolve) => holder.close(resolve));
  });

  it('to keep models without a place for them', async () => {
    const output = await line(['-c', file], { STORE_MODEL_IN_DB: 'True' });
    expect(output).toMatch(/^1 .*: STORE_MODEL_IN_DB: requires DATABASE_URL or --state_folder\n$/);
  });

  it('with flags that it does not know, or that would change what is protected', async () => {
    expect(await line(['-c', file, '--num_worker', '2'])).toMatch(/^2 .*Unknown option '--num_worker'.*num_workers.*\n$/);
    expect(await line(['-c', file, '--max_budget', '5'])).toMatch(
      /^2 .*--max_budget: is not supported; set litellm_settings\.max_budget.*\n$/,
    );
    expect(await line([])).toMatch(/^2 .*--config with LiteLLM's config\.yaml, or --model, must be set.*\n$/);
  });
});

it('checks a file without serving it, and reads .env', async () => {
  const work = mkdtempSync(join(folder, 'env-'));
  writeFileSync(join(work, '.env'), 'LITELLM_MASTER_KEY=sk-from-the-env-file-0123\n');
  const gateway = await ServeProcess.start(['-c', file], { HOST: '127.0.0.1' }, undefined, work);
  try {
    expect(gateway.output).toMatch(/\.env +1 variables/);
    expect((await get(gateway.url, '/v1/models')).status).toBe(401);
    expect((await get(gateway.url, '/v1/models', 'sk-from-the-env-file-0123')).status).toBe(200);
  } finally {
    await gateway.kill();
  }
  expect(await ServeProcess.run(['-c', file, '--validate_config'])).toEqual({
    code: 0,
    output: expect.stringMatching(/ is valid; 12 of 12 deployments can be called\n/) as string,
  });
});

/** Processes that this one has started. */
function workersOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((text) => Number(text.trim()) || []);
}

function workerOf(pid: number): number {
  return workersOf(pid)[0];
}

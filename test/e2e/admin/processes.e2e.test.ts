import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { root } from '../../project/sources.js';
import { runCommand } from '../../support/command-run.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { until } from '../../support/until.js';
import type { AdminTask } from './admin.child.js';

const MASTER = 'sk-the-master-key-0123456789';
const [OLD, NEW] = ['the former salt key', 'the new salt key of it'];
const SECRET = 'sk-secret-of-a-stored-model-0123456789';
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of a route
type Fields = Record<string, any>;

/** A gateway in a process of its own, and all that it has printed. */
class AdminProcess {
  output = '';
  private readonly process: ChildProcess;
  private readonly ended: Promise<unknown>;

  constructor(task: AdminTask, env: Record<string, string> = {}) {
    const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(__dirname, 'admin.child.ts'), JSON.stringify(task)];
    this.process = spawn(process.execPath, args, { stdio: 'pipe', env: { ...process.env, ...env } });
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (data: Buffer) => (this.output += String(data)));
    this.ended = new Promise((resolve) => this.process.once('close', resolve));
  }

  get port(): string | undefined {
    return /port:(\d+)/.exec(this.output)?.[1];
  }

  async ready(): Promise<this> {
    await until(() => this.port !== undefined, 60_000);
    return this;
  }

  async send(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly json: Fields }> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${MASTER}` };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { status: answer.status, json: (await answer.json()) as Fields };
  }

  async chat(model: string): Promise<number> {
    const body = { model, messages: [{ role: 'user', content: 'Hello' }] };
    return (await this.send('POST', '/v1/chat/completions', body)).status;
  }

  async end(): Promise<void> {
    this.process.stdin?.end();
    const deadline = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await this.ended;
    clearTimeout(deadline);
  }
}

const stores = hasPostgres ? (['PostgreSQL', 'a file'] as const) : (['a file'] as const);

describe.each(stores)('gateways in processes of their own, with models in %s', (kind) => {
  let database: TestDatabase | undefined;
  let provider: TestProvider;
  let folder: string;
  let task: AdminTask;
  const open: AdminProcess[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'admin-processes-'));
    provider = await startProvider('openai', { script: 'Hello.' });
    if (kind === 'PostgreSQL') database = await TestDatabase.create();
    task = {
      masterKey: MASTER,
      ...(database === undefined ? { file: join(folder, 'configuration.json') } : { databaseUrl: database.url }),
    };
  });
  afterAll(async () => {
    await Promise.all(open.map((each) => each.end()));
    await provider.close();
    await database?.drop();
    rmSync(folder, { recursive: true });
  });

  const start = (env: Record<string, string>): Promise<AdminProcess> => {
    const made = new AdminProcess(task, env);
    open.push(made);
    return made.ready();
  };
  const model = (name: string): Fields => ({
    model_name: name,
    litellm_params: { model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: SECRET },
  });
  const rotate = (env: Record<string, string>) => {
    const place = database === undefined ? ['--file', String(task.file)] : ['--url', database.url];
    return runCommand(['rotate-salt', ...place], { env });
  };

  it('use what one of them stores, keep it over a rotation of the salt key, and lose nothing to a wrong one', async () => {
    const [first, second] = await Promise.all([start({ LITELLM_SALT_KEY: OLD }), start({ LITELLM_SALT_KEY: OLD })]);
    const { status, json } = await first.send('POST', '/model/new', model('shared'));
    expect([status, await first.chat('shared')]).toEqual([200, 200]);
    await until(async () => (await second.chat('shared')) === 200, 5_000);
    expect(provider.latest.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect((await second.send('POST', '/model/delete', { id: json.model_id })).status).toBe(200);
    await until(async () => (await first.chat('shared')) === 404, 5_000);
    expect((await first.send('POST', '/model/new', model('kept'))).status).toBe(200);

    await until(async () => (await second.chat('kept')) === 200, 5_000);
    const rotated = await rotate({ LITELLM_SALT_KEY: NEW, FAST_LITELLM_OTHER_SALT_KEYS: OLD });
    expect(rotated).toMatchObject({ code: 0, out: expect.stringContaining('1 rows encrypted') as string });
    // A process with the former key alone keeps what it knows.
    await until(async () => (await second.chat('kept')) === 200, 5_000);
    const [wrong, both] = await Promise.all([
      start({ LITELLM_SALT_KEY: 'another salt key here' }),
      start({ LITELLM_SALT_KEY: NEW, FAST_LITELLM_OTHER_SALT_KEYS: OLD }),
    ]);
    expect([await wrong.chat('kept'), await both.chat('kept')]).toEqual([404, 200]);
    expect(wrong.output).toMatch(/Stored models: the model kept \(.+\) is not used: .+ was encrypted with the salt key [0-9a-f]{8}/);
    for (const text of [rotated.out, ...open.map(({ output }) => output)])
      for (const secret of [SECRET, OLD, NEW]) expect(text).not.toContain(secret);
  }, 120_000);

  it('do not start with the master key as the salt key', async () => {
    const made = new AdminProcess(task, { LITELLM_SALT_KEY: MASTER });
    open.push(made);
    await until(() => made.output.includes('must differ from the master key'), 60_000);
    expect(made.port).toBeUndefined();
  }, 90_000);
});

describe('a gateway without a store', () => {
  it('says what to set instead of storing nothing', async () => {
    const gateway = await new AdminProcess({ masterKey: MASTER }, { LITELLM_SALT_KEY: OLD }).ready();
    const requests: [string, string, object][] = [
      ['POST', '/model/new', { model_name: 'a', litellm_params: { model: 'openai/gpt-4o', api_key: 'x' } }],
      ['POST', '/model/delete', { id: 'a' }],
      ['POST', '/credentials', { credential_name: 'a', credential_values: { api_key: 'x' } }],
    ];
    for (const [method, path, body] of requests) {
      const { status, json } = await gateway.send(method, path, body);
      expect([status, json.error.code, json.error.message]).toEqual([409, 'store_missing', expect.stringContaining('set admin.store')]);
    }
    await gateway.end();
  }, 90_000);
});

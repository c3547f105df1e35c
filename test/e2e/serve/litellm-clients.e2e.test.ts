import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provider, stopProviders } from '../../support/llm-client-providers.js';
import { isLong } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { ServeProcess } from './serve-process.js';

// LiteLLM's Python clients against `serve`, with `LONG=1`.

const MASTER = 'sk-master-0123456789-secret';
/** A Python that has the package `litellm`, and what its command `litellm-proxy` imports. */
const PYTHON = process.env.PYTHON_CLIENTS ?? 'python3';

function hasClients(): boolean {
  const has = spawnSync(PYTHON, ['-c', 'import litellm.proxy.client.cli.main']).status === 0;
  if (!has) process.stderr.write("no python3 with litellm's clients (PYTHON_CLIENTS): serve is not checked by them\n");
  return has;
}

(isLong && hasPostgres && hasClients() ? describe : describe.skip)("LiteLLM's Python clients with serve", () => {
  const folder = mkdtempSync(join(tmpdir(), 'serve-python-'));
  let database: TestDatabase;
  let gateway: ServeProcess;
  let returned: Record<string, unknown>;

  beforeAll(async () => {
    database = await TestDatabase.create();
    const { apiBase } = await provider('one');
    const file = join(folder, 'config.yaml');
    const entries = Array.from({ length: 12 }, (_, index) => {
      const params = `{ model: openai/gpt-4o, api_base: ${apiBase}, api_key: sk-upstream-secret, rpm: ${1000 + index} }`;
      return `  - model_name: group-${index % 4}\n    litellm_params: ${params}\n`;
    });
    writeFileSync(file, `model_list:\n${entries.join('')}general_settings: { store_model_in_db: true }\n`);
    gateway = await ServeProcess.start(['--config', file, '--host', '127.0.0.1'], {
      LITELLM_MASTER_KEY: MASTER,
      LITELLM_SALT_KEY: 'sk-salt-0123456789abcdef',
      DATABASE_URL: database.url,
      FAST_LITELLM_ALLOWED_ADDRESSES: '127.0.0.1',
    });
    const python = spawn(PYTHON, [join(__dirname, 'litellm_clients.py'), gateway.url, MASTER, apiBase], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    python.stdout.on('data', (data: Buffer) => (out += data.toString()));
    python.stderr.on('data', (data: Buffer) => (err += data.toString()));
    const code = await new Promise((resolve) => python.once('close', resolve));
    if (code !== 0) throw new Error(err);
    returned = JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, unknown>;
  }, 600_000);

  afterAll(async () => {
    await gateway.kill();
    await stopProviders();
    await database.drop();
    rmSync(folder, { recursive: true });
  });

  it('makes calls, and raises the errors of LiteLLM', () => {
    const text = expect.stringMatching(/^one/) as string;
    expect(returned).toMatchObject({
      completion: text,
      stream: text,
      'completion of openai/': text,
      'chat.completions': text,
      'chat.completions_stream': text,
      'unknown model': { failed: expect.stringContaining('NotFoundError: litellm.NotFoundError') as string },
      'wrong key': { failed: expect.stringContaining('AuthenticationError: litellm.AuthenticationError') as string },
    });
  });

  it('manages models, credentials, keys, users and teams', () => {
    const groups = ['group-0', 'group-1', 'group-2', 'group-3'];
    expect(returned).toMatchObject({
      'models.list': groups,
      'models.new': { model_name: 'added', litellm_params: { api_key: 'sk****89' } },
      'models.get': 'added',
      'models.info': expect.arrayContaining(['added', ...groups]) as string[],
      'models.update': 5,
      'models.delete': expect.stringContaining('deleted successfully') as string,
      'model_groups.info': [...groups, 'added'],
      'credentials.create': { success: true },
      'credentials.list': ['azure1'],
      'credentials.get': 'azure1',
      'credentials.delete': { success: true },
      'keys.generate': expect.arrayContaining(['key', 'token', 'expires', 'spend', 'max_budget']) as string[],
      'keys.info': 'my-key',
      'keys.list': ['my-key'],
      'keys.update': 'renamed',
      'keys.delete': 1,
      'users.create_user': 'alice',
      'users.list_users': ['alice'],
      'users.get_user': 'a@example.com',
      'users.get_user_v2': 'a@example.com',
      'users.delete_user': 1,
      'unknown user': { failed: expect.stringMatching(/^NotFoundError/) as string },
      'http.request': 'mobile',
      'teams.list': ['mobile'],
      'teams.list_v2': ['mobile'],
      'teams.get_available': [],
      'health.get_readiness': 'healthy',
    });
  });

  it('serves the command litellm-proxy', () => {
    expect(returned).toMatchObject({
      'litellm-proxy models list': ['group-0', 'group-1', 'group-2', 'group-3'],
      'litellm-proxy keys list': 0,
      'litellm-proxy credentials list': [],
      'litellm-proxy http request': 'healthy',
    });
    const known = new Set(['unknown model', 'wrong key', 'unknown user']);
    const failed = Object.entries(returned).filter(([name, value]) => !known.has(name) && JSON.stringify(value).startsWith('{"failed"'));
    expect(failed).toEqual([]);
  });
});

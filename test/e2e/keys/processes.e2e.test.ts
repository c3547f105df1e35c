import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { root } from '../../project/sources.js';
import { hashApiKey } from '../../../lib/keys/api-key.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { sleep, until } from '../../support/until.js';
import type { GatewayTask } from './gateway.child.js';

const MASTER = 'sk-the-master-key-0123456789';
const messages = [{ role: 'user', content: 'Hello' }];

/** A gateway in a process of its own, and all that it has printed. */
class GatewayProcess {
  output = '';
  private readonly process: ChildProcess;

  constructor(task: GatewayTask) {
    const args = ['--require', join(root, 'test/support/typescript-hook.js'), join(__dirname, 'gateway.child.ts'), JSON.stringify(task)];
    this.process = spawn(process.execPath, args, { stdio: 'pipe' });
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (data: Buffer) => (this.output += String(data)));
  }

  get port(): string | undefined {
    return /port:(\d+)/.exec(this.output)?.[1];
  }

  async ask(path: string, key?: string, body?: object): Promise<Response> {
    const headers = { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    return fetch(`http://127.0.0.1:${this.port}${path}`, { headers, ...init });
  }

  async chat(key: string): Promise<number> {
    const answer = await this.ask('/v1/chat/completions', key, { model: 'gpt-4o', messages });
    await answer.text();
    return answer.status;
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('close', resolve));
    this.process.stdin?.end();
    const deadline = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(deadline);
  }
}

(hasRedis ? describe : describe.skip)('two gateways in processes of their own, with keys in one Redis', () => {
  let server: RedisServer;
  let provider: TestProvider;
  let first: GatewayProcess;
  let second: GatewayProcess;
  beforeAll(async () => {
    server = await RedisServer.start();
    provider = await startProvider('openai', { script: 'Hello.' });
    const task = { redisUrl: server.url, masterKey: MASTER, modelList: [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })] };
    [first, second] = [new GatewayProcess(task), new GatewayProcess(task)];
    await until(() => first.port !== undefined && second.port !== undefined);
  });
  afterAll(async () => {
    await Promise.all([first.end(), second.end(), provider.close()]);
    await server.stop();
  });

  async function generated(fields: object = {}): Promise<{ readonly key: string; readonly token: string }> {
    return (await (await first.ask('/key/generate', MASTER, fields)).json()) as { key: string; token: string };
  }
  /** Waits until the second process answers with `status`, less than the 10 s for which it keeps a key. */
  const answersWith = (status: number, key: string): Promise<void> => until(async () => (await second.chat(key)) === status, 8_000);

  it('accept a key that the other has made, and see its changes at once', async () => {
    const { key } = await generated();
    expect([await first.chat(key), await second.chat(key)]).toEqual([200, 200]);
    await first.ask('/key/block', MASTER, { key });
    await answersWith(403, key);
    await first.ask('/key/unblock', MASTER, { key });
    await answersWith(200, key);
    const rotated = (await (await first.ask('/key/regenerate', MASTER, { key })).json()) as { key: string };
    await answersWith(401, key);
    expect(await second.chat(rotated.key)).toBe(200);
    await first.ask('/key/delete', MASTER, { keys: [rotated.key] });
    await answersWith(401, rotated.key);
  });

  it('count the limits and the budget of a key together', async () => {
    const { key } = await generated({ rpm_limit: 6 });
    const statuses = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? first : second).chat(key)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    expect(statuses.filter((status) => status === 429)).toHaveLength(6);
    const paid = await generated({ max_budget: 0.01, budget_duration: '30d' });
    await first.ask(`/key/${paid.token}/reset_spend`, MASTER, { reset_to: 0.01 });
    const denied = await second.ask('/v1/chat/completions', paid.key, { model: 'gpt-4o', messages, max_tokens: 10 });
    expect([denied.status, denied.headers.get('x-should-retry')]).toEqual([429, 'false']);
    expect(await denied.json()).toMatchObject({ error: { type: 'budget_exceeded', code: 'budget_exhausted' } });
  });

  it('see a revocation that was made while they had no connection to Redis', async () => {
    const { key, token } = await generated();
    expect(await second.chat(key)).toBe(200);
    await server.ask(async (client) => {
      const record = JSON.parse((await client.hget('fast-litellm:{keys}', token)) as string) as { revision: number };
      // Their connections are cut, and the change is not published.
      await client.hset('fast-litellm:{keys}', token, JSON.stringify({ ...record, revision: record.revision + 1, blocked: true }));
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    });
    await answersWith(403, key);
  });

  it('have no secret in logs, Redis, dashboard, metrics and errors', async () => {
    const { key, token } = await generated({ key_alias: 'scanned', rpm_limit: 3, max_budget: 0.5, budget_duration: '30d' });
    const wrong = `sk-${token}-${'W'.repeat(43)}`;
    const answers = [
      await first.ask('/v1/chat/completions', key, { model: 'gpt-4o', messages }),
      await first.ask('/v1/chat/completions', key, { model: 'unknown', messages }),
      await first.ask('/v1/chat/completions', wrong, { model: 'gpt-4o', messages }),
      await first.ask('/v1/chat/completions', key, { model: 'gpt-4o', messages: 'none' }),
      await first.ask('/v1/chat/completions', key, { model: 'gpt-4o', messages }),
      await first.ask('/v1/chat/completions', key, { model: 'gpt-4o', messages }),
      await first.ask('/key/update', MASTER, { key, rpm_limit: -1 }),
      await first.ask('/key/info', MASTER.replace('0', '1')),
      await first.ask(`/key/info?key=${key}`, MASTER),
      await first.ask('/key/list?return_full_object=true', MASTER),
      await first.ask('/dashboard', MASTER),
      await first.ask('/dashboard/data', MASTER),
      await first.ask(`/key/${key}/none`, MASTER),
    ];
    const texts = await Promise.all(answers.map(async (answer) => JSON.stringify([...answer.headers]) + (await answer.text())));
    await sleep(100);
    const dump = await server.ask(async (client) => {
      const names = await client.keys('*');
      const values = await Promise.all(names.map(async (name) => (await client.dump(name)) ?? ''));
      const hashes = await client.hgetall('fast-litellm:{keys}');
      return JSON.stringify([names, values, hashes]);
    });
    const secret = key.slice(-43);
    // Express answers an unknown path with the path.
    const all = [...texts.slice(0, -1), dump, first.output, second.output];
    for (const text of all) for (const each of [secret, MASTER, 'W'.repeat(43)]) expect(text).not.toContain(each);
    expect(texts.join('')).not.toContain(hashApiKey(key));
    expect(dump).toContain(hashApiKey(key));
    expect(provider.requests.map(({ headers }) => JSON.stringify(headers)).join('')).not.toContain(secret);
  });

  it('survive a client that sends garbage', async () => {
    const headers: Record<string, string>[] = [
      { authorization: 'Bearer' },
      { authorization: 'Bearer  ' },
      { authorization: 'Basic c2stYTpi' },
      { authorization: '\u00ff\u00fe' },
      { authorization: 'Bearer null', 'x-api-key': '[object Object]' },
      { 'x-api-key': '__proto__' },
      { 'x-api-key': 'sk-constructor000000' },
      { 'x-litellm-api-key': `sk-${'a'.repeat(125)}` },
      { authorization: `Bearer sk-${'a'.repeat(12)}-${'-'.repeat(43)}` },
      { cookie: 'key=sk-aaaaaaaaaaaaaaaaaaaa' },
    ];
    for (const each of headers) expect((await fetch(`http://127.0.0.1:${first.port}/v1/models`, { headers: each })).status).toBe(401);
    // Node itself refuses headers above 16 KiB.
    const huge = await fetch(`http://127.0.0.1:${first.port}/v1/models`, { headers: { 'x-api-key': 'k'.repeat(2 ** 20) } }).then(
      ({ status }) => status,
      () => 431,
    );
    expect(huge).toBe(431);
    const { key } = await generated();
    expect(await first.chat(key)).toBe(200);
  });
});

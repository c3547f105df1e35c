import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TEAM_LIMIT = 30;

interface Gateway {
  readonly process: ChildProcess;
  readonly origin: string;
}

const children: ChildProcess[] = [];

async function check(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-gateway-'));
  const [one, two] = [await startProvider('openai', { name: 'one' }), await startProvider('openai', { name: 'two' })];
  const configPath = join(folder, 'config.yaml');
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify({ model_list: [one.deployment('chat'), two.deployment('chat')] }));
  const env = {
    ...process.env,
    REDIS_URL: process.env.REDIS_URL ?? (await startRedis()),
    REDIS_PREFIX: `check-${process.pid}-${Date.now()}:`,
    // A busy machine is no outage of Redis.
    REDIS_TIMEOUT_MS: '10000',
    LITELLM_CONFIG: configPath,
    PORT: '0',
  };
  const gateways = await Promise.all([1, 2, 3].map(() => startGateway(env)));

  assert.equal((await chat(gateways[0], 'unknown-key')).status, 401);

  // Three processes at once admit as many requests of a team as one would.
  const sent = Array.from({ length: 60 }, (_, at) => chat(gateways[at % gateways.length], 'key-of-red'));
  const answers = await Promise.all(sent);
  assert.equal(answers.filter(({ status }) => status === 200).length, TEAM_LIMIT);
  assert.equal(answers.filter(({ status }) => status === 429).length, 60 - TEAM_LIMIT);
  assert.equal(one.requests.length + two.requests.length, TEAM_LIMIT);
  assert.equal((await chat(gateways[2], 'key-of-blue')).status, 200);

  // One process meets a provider's 429; soon none of them calls that provider.
  one.use({ status: 429, retryAfter: 60 });
  const before = one.requests.length;
  for (let tries = 0; one.requests.length === before; tries++) {
    assert.ok(tries < 20, 'the first provider was never selected');
    assert.equal((await chat(gateways[0], 'key-of-blue')).status, 200);
  }
  for (const gateway of gateways) await hasCooldown(gateway);
  const seen = one.requests.length;
  for (const gateway of [...gateways, ...gateways]) assert.equal((await chat(gateway, 'key-of-blue')).status, 200);
  assert.equal(one.requests.length, seen);

  // A process that has to stop finishes its streams, and the others go on.
  two.use({ text: 'word '.repeat(100), chunkDelayMs: 5 });
  const stream = await chat(gateways[0], 'key-of-blue', { stream: true });
  gateways[0].process.kill('SIGTERM');
  assert.match(await stream.text(), /data: \[DONE\]\n\n$/);
  if (gateways[0].process.exitCode === null) await once(gateways[0].process, 'exit');
  two.use('Still here.');
  assert.equal((await chat(gateways[1], 'key-of-blue')).status, 200);

  const metrics = await (await fetch(`${gateways[1].origin}/metrics`)).text();
  assert.match(metrics, /^fast_litellm_rate_limit_store_up(?:\{.*\})? 1$/m);
  assert.match(metrics, /^fast_litellm_llm_client_calls_total(?:\{.*\})? [1-9]/m);

  await stop([one, two]);
  await rm(folder, { recursive: true });
}

/** Waits until a process knows of the cooldown, of its own or of another one. */
async function hasCooldown({ origin }: Gateway): Promise<void> {
  for (let tries = 0; tries < 100; tries++, await sleep(50)) {
    const metrics = await (await fetch(`${origin}/metrics`)).text();
    if (/^fast_litellm_router_deployments\{state="cooling"\} 1$/m.test(metrics)) return;
  }
  throw new Error(`${origin} does not know of the cooldown`);
}

async function chat({ origin }: Gateway, key: string, fields: object = {}): Promise<Response> {
  const response = await fetch(`${origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Hello' }], ...fields }),
  });
  if (!('stream' in fields)) await response.arrayBuffer();
  return response;
}

/** A process of the app on a free port. */
async function startGateway(env: NodeJS.ProcessEnv): Promise<Gateway> {
  const child = spawn(process.execPath, [join(__dirname, 'main.js')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [, origin] = await said(child, /^listening on (\S+)$/m);
  return { process: child, origin };
}

/** A Redis without persistence on a free port. */
async function startRedis(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  await said(spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] }), /Ready to accept connections/);
  return `redis://127.0.0.1:${port}`;
}

/** Waits until a process has written what matches. */
function said(child: ChildProcess, expected: RegExp): Promise<RegExpExecArray> {
  children.push(child);
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (part: Buffer) => {
      output += part.toString();
      const match = expected.exec(output);
      if (match !== null) resolve(match);
    });
    child.once('error', (error) => reject(new Error(`set REDIS_URL, or install redis-server (${error.message})`)));
    child.once('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}: ${output}`)));
  });
}

async function stop(providers: readonly TestProvider[]): Promise<void> {
  await Promise.all(providers.map((provider) => provider.close()));
  for (const child of children) child.kill('SIGKILL');
}

check().then(
  () => console.log('redis-gateway: limits, cooldowns and shutdown over three processes are right'),
  (error: unknown) => {
    console.error(error);
    for (const child of children) child.kill('SIGKILL');
    process.exit(1);
  },
);

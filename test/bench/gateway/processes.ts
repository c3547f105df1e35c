import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { LITELLM_NAME, PORTKEY, PORTKEY_NAME, programOf } from './contenders.js';
import type { GatewayName } from './contenders.js';
import type { LoadJob, LoadResult } from './load.child.js';

/** A process of the bench that listens. */
export class Listening {
  /** Headers that it wants of its clients. */
  readonly headers: Readonly<Record<string, string>>;
  private idleMiB = NaN;

  constructor(
    readonly name: string,
    private readonly child: ChildProcess,
    readonly origin: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.headers = headers;
  }

  /** The share of a load's requests that it gets: slow ones would take minutes. */
  get share(): number {
    return this.name === LITELLM_NAME ? 1 / 20 : 1;
  }

  /** CPU time used so far, in microseconds. */
  async cpuUs(): Promise<number> {
    if (!this.child.connected) return procCpuUs(this.child.pid as number);
    return (await this.ask('usage')).cpuUs;
  }

  /** From here on its memory counts as that of an idle process. */
  warmedUp(): void {
    this.idleMiB = rssMiB(this.child.pid as number);
  }

  /** Runs `work` and says what it did to the process, but for its CPU time. */
  async watched(work: () => Promise<unknown>): Promise<Watched> {
    const pid = this.child.pid as number;
    const { idleMiB } = this;
    let mostMiB = rssMiB(pid);
    const timer = setInterval(() => (mostMiB = Math.max(mostMiB, rssMiB(pid))), 20);
    const isOurs = this.child.connected;
    if (isOurs) await this.ask('watch');
    await work();
    clearInterval(timer);
    return { idleMiB, mostMiB, gapMs: isOurs ? (await this.ask('stop')).gapMs : NaN };
  }

  private async ask(what: 'usage' | 'watch' | 'stop'): Promise<{ readonly cpuUs: number; readonly gapMs: number }> {
    this.child.send(what);
    const [answer] = (await once(this.child, 'message')) as [{ cpuUs: number; gapMs: number }];
    return answer;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

/** A process under load. */
export interface Watched {
  /** Its memory before and at most; Linux only. */
  readonly idleMiB: number;
  readonly mostMiB: number;
  /** The longest stand-still of its event loop; Node only. */
  readonly gapMs: number;
}

function rssMiB(pid: number): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20;
  } catch {
    return NaN;
  }
}

const quiet = { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] as ['ignore', 'ignore', 'inherit', 'ipc'] };

export async function startProvider(): Promise<Listening> {
  const child = fork(join(__dirname, 'provider.child.js'), [], { ...quiet, execArgv: ['--require', join(__dirname, 'process-usage.js')] });
  return new Listening('the provider itself', child, await originOf(child));
}

export async function startGateway(name: GatewayName, provider: Listening): Promise<Listening> {
  const program = programOf(name);
  if (program !== undefined) return startProgram(name, program, provider);
  if (name !== PORTKEY_NAME) {
    const child = fork(join(__dirname, 'gateway.child.js'), [name, provider.origin], quiet);
    const { origin, headers } = await listening(child);
    return new Listening(name, child, origin, headers);
  }
  const port = await freePort();
  const child = fork(PORTKEY, [`--port=${port}`, '--headless'], { ...quiet, execArgv: ['--require', join(__dirname, 'process-usage.js')] });
  const origin = `http://127.0.0.1:${port}`;
  await answering(origin);
  const headers = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${provider.origin}/v1`, authorization: 'Bearer sk-bench' };
  return new Listening(name, child, origin, headers);
}

/** The process that sends. */
export class LoadProcess {
  private readonly child = fork(join(__dirname, 'load.child.js'), [], quiet);

  async run(job: LoadJob): Promise<LoadResult> {
    this.child.send(job);
    const [answer] = (await once(this.child, 'message')) as [{ result?: LoadResult; error?: string }];
    if (answer.result === undefined) throw new Error(`${job.origin}: ${answer.error}`);
    return answer.result;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

async function originOf(child: ChildProcess): Promise<string> {
  return (await listening(child)).origin;
}

/** Where a child listens, and the headers that it wants of its clients. */
async function listening(child: ChildProcess): Promise<{ readonly origin: string; readonly headers?: Readonly<Record<string, string>> }> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}`);
  });
  const [{ port, headers }] = (await Promise.race([once(child, 'message'), ended])) as [
    { port: number; headers?: Readonly<Record<string, string>> },
  ];
  // It is killed in the end.
  ended.catch(() => {});
  return { origin: `http://127.0.0.1:${port}`, headers };
}

/** One process, one worker, as their documentation starts them, with one deployment. */
async function startProgram(name: GatewayName, program: string, provider: Listening): Promise<Listening> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const isLiteLLM = name === LITELLM_NAME;
  const config = join(folder, isLiteLLM ? 'config.yaml' : 'liter-llm-proxy.toml');
  writeFileSync(config, isLiteLLM ? liteLLMConfig(provider.origin) : literLlmConfig(provider.origin));
  const args = isLiteLLM
    ? ['--config', config, '--host', '127.0.0.1', '--port', `${port}`, '--num_workers', '1']
    : ['api', '--config', config, '--host', '127.0.0.1', '--port', `${port}`];
  const env = { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR' };
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'], env, cwd: folder });
  const origin = `http://127.0.0.1:${port}`;
  await answering(origin, 60_000);
  return new Listening(name, child, origin, { authorization: `Bearer ${MASTER_KEY}` });
}

const MASTER_KEY = 'sk-bench-0123456789abcdef0123456789abcdef';

function liteLLMConfig(origin: string): string {
  return `model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_base: "${origin}/v1", api_key: sk-bench }
general_settings: { master_key: ${MASTER_KEY} }
`;
}

function literLlmConfig(origin: string): string {
  return `[general]
master_key = "${MASTER_KEY}"

# The provider of the bench is on loopback, which it refuses by default.
[security]
outbound_policy = "off"

[[models]]
name = "gpt-4o"
provider_model = "openai/gpt-4o"
api_key = "sk-bench"
base_url = "${origin}/v1"
`;
}

/** CPU time of another program's process, by Linux. Ticks are a hundredth of a second. */
function procCpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answering(origin: string, withinMs = 10_000): Promise<void> {
  for (let attempt = 0; attempt < withinMs / 50; attempt++) {
    const isUp = await fetch(origin).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers at ${origin}`);
}

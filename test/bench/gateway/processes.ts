import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PORTKEY, PORTKEY_NAME } from './contenders.js';
import type { GatewayName } from './contenders.js';
import type { LoadJob, LoadResult } from './load.child.js';

/** A process of the bench that listens. */
export class Listening {
  /** Headers that it wants of its clients. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly name: string,
    private readonly child: ChildProcess,
    readonly origin: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.headers = headers;
  }

  /** CPU time used so far, in microseconds. */
  async cpuUs(): Promise<number> {
    this.child.send('?');
    const [{ cpuUs }] = (await once(this.child, 'message')) as [{ cpuUs: number }];
    return cpuUs;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

const quiet = { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] as ['ignore', 'ignore', 'inherit', 'ipc'] };

export async function startProvider(): Promise<Listening> {
  const child = fork(join(__dirname, 'provider.child.js'), [], { ...quiet, execArgv: ['--require', join(__dirname, 'process-usage.js')] });
  return new Listening('the provider itself', child, await originOf(child));
}

export async function startGateway(name: GatewayName, provider: Listening): Promise<Listening> {
  if (name !== PORTKEY_NAME) {
    const child = fork(join(__dirname, 'gateway.child.js'), [name, provider.origin], quiet);
    return new Listening(name, child, await originOf(child));
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
    if (answer.result === undefined) throw new Error(answer.error);
    return answer.result;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

async function originOf(child: ChildProcess): Promise<string> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}`);
  });
  const [{ port }] = (await Promise.race([once(child, 'message'), ended])) as [{ port: number }];
  // It is killed in the end.
  ended.catch(() => {});
  return `http://127.0.0.1:${port}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answering(origin: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const isUp = await fetch(origin).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers at ${origin}`);
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A server on loopback, in another process. */
export interface BenchServer {
  readonly origin: string;
  stop(): void;
}

export async function startServer(): Promise<BenchServer> {
  const child = fork(join(__dirname, 'server.child.js'), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { origin: `http://127.0.0.1:${port}`, stop: () => child.kill('SIGKILL') };
}

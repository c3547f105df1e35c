import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a server has done since its start. */
export interface RedisUsage {
  /** Script calls of clients; what a script calls is part of its time. */
  readonly calls: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly cpuUs: number;
}

/** Redis servers of the bench: one, or a Cluster of three. */
export class RedisServers {
  private constructor(
    readonly ports: readonly number[],
    private readonly processes: readonly ChildProcess[],
    private readonly folder: string,
  ) {}

  /** @throws Error if there is no redis-server */
  static async start(count: 1 | 3): Promise<RedisServers> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'));
    const ports: number[] = [];
    const processes: ChildProcess[] = [];
    for (let index = 0; index < count; index++) {
      const port = await freePort();
      const ofCluster = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort()), '--cluster-config-file', `${port}.conf`];
      const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
      const child = spawn('redis-server', [...fixed, ...(count > 1 ? ofCluster : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
      await ready(child);
      ports.push(port);
      processes.push(child);
    }
    const servers = new RedisServers(ports, processes, folder);
    if (count > 1) await servers.join();
    return servers;
  }

  /** Of each server, in the order of `ports`. */
  usage(): RedisUsage[] {
    return this.ports.map((port) => {
      const info = this.cli(port, ['INFO', 'everything']);
      const field = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? NaN);
      const calls = [...info.matchAll(/^cmdstat_(?:evalsha|eval):calls=(\d+)/gm)];
      return {
        calls: calls.reduce((sum, [, count]) => sum + Number(count), 0),
        bytesIn: field('total_net_input_bytes'),
        bytesOut: field('total_net_output_bytes'),
        cpuUs: (field('used_cpu_user') + field('used_cpu_sys')) * 1e6,
      };
    });
  }

  stop(): void {
    for (const child of this.processes) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Three masters without replicas. */
  private async join(): Promise<void> {
    const nodes = this.ports.map((port) => `127.0.0.1:${port}`);
    this.cli(this.ports[0], ['--cluster', 'create', ...nodes, '--cluster-yes']);
    for (let tries = 0; tries < 200; tries++) {
      if (this.ports.every((port) => this.cli(port, ['CLUSTER', 'INFO']).includes('cluster_state:ok'))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the Redis Cluster does not come up');
  }

  private cli(port: number, args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (part: Buffer) => part.includes('Ready to accept connections') && resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

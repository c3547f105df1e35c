import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from './until.js';

/** Where there is no Redis, its tests cannot run: they are shown as skipped. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/**
 * Below the ephemeral ports, so that no other process gets the port while the server is down.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** A redis-server of a test's own, on a port of its own, that keeps nothing. */
export class RedisServer {
  /** Where the nodes of a Cluster meet. */
  busPort = 0;
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly settings: readonly string[],
  ) {}

  static async start(...settings: string[]): Promise<RedisServer> {
    const [port, directory] = [await freePort(), newDirectory()];
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
    const server = new RedisServer(port, directory, [...fixed, ...settings]);
    await server.start();
    return server;
  }

  /** A node of a Cluster that is still to be made. */
  static async startCluster(): Promise<RedisServer> {
    const busPort = await freePort();
    const server = await RedisServer.start('--cluster-enabled', 'yes', '--cluster-port', String(busPort));
    server.busPort = busPort;
    return server;
  }

  /** A Sentinel that alone elects the master `main`, quickly; at first the one on `masterPort`. */
  static async startSentinel(masterPort: number): Promise<RedisServer> {
    const [port, directory] = [await freePort(), newDirectory()];
    const file = join(directory, 'sentinel.conf');
    const settings = [`monitor main 127.0.0.1 ${masterPort} 1`, 'down-after-milliseconds main 300', 'failover-timeout main 2000'];
    const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`, ...settings.map((setting) => `sentinel ${setting}`)];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const server = new RedisServer(port, directory, [file, '--sentinel']);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const started = (this.process = spawn('redis-server', this.settings, { stdio: 'ignore' }));
    await until(() => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}: is port ${this.port} taken?`);
      return answersOn(this.port);
    });
  }

  /** `SIGSTOP`: it hangs, its connections stay open; `SIGCONT`: it goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.process?.kill(signal);
  }

  /** At once, without a word to its clients. */
  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const exited = new Promise((resolve) => process.once('exit', resolve));
    process.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Asks it by a connection that is closed again. */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.port, '127.0.0.1', { lazyConnect: true });
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
}

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'rate-limit-redis-'));
}

function answersOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => end(data.toString().startsWith('+PONG')));
    socket.once('error', () => end(false));
    socket.setTimeout(1_000, () => end(false));
  });
}

/** An address that stays while what is behind it moves; it may also take its time. */
export class Proxy {
  private readonly sockets = new Set<Socket>();
  delayMs = 0;
  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    public target: number,
  ) {
    server.on('connection', (socket) => this.join(socket));
  }

  static async start(target: number): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Proxy(server, target);
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Closes what is open. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(socket: Socket): void {
    const upstream = connect(this.target, '127.0.0.1');
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (data) => (this.delayMs > 0 ? setTimeout(() => to.write(data), this.delayMs) : to.write(data)));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }
}

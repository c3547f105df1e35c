import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTestPool } from './postgres.js';
import { until } from './until.js';

const VERSIONS = '/usr/lib/postgresql';

/** Folder with `initdb` and `postgres`: the newest version. */
const binaries = ((): string | undefined => {
  if (!existsSync(VERSIONS)) return undefined;
  const versions = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(VERSIONS, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')));
})();

/** Where there are no binaries, tests with a cluster of their own are shown as skipped. */
export const hasPostgresBinaries = binaries !== undefined;

/** PostgreSQL does not run as root. */
const isRoot = process.getuid?.() === 0;

/** A cluster of a test's own, which can be stopped, killed and suspended. */
export class PostgresCluster {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<PostgresCluster> {
    const cluster = await PostgresCluster.inFolder();
    cluster.run('initdb', ['-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8']);
    await cluster.start();
    return cluster;
  }

  /**
   * Starts a replica of this cluster, which answers reads. From then on, a commit is confirmed only
   * once the replica has it: a failover loses no confirmed transaction.
   */
  async startReplica(): Promise<PostgresCluster> {
    const replica = await PostgresCluster.inFolder();
    replica.run('pg_basebackup', ['-d', this.url, '--write-recovery-conf', '--checkpoint=fast', '--no-sync']);
    await replica.start();
    await this.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await this.query('SELECT pg_reload_conf()');
    await until(() => this.hasReplica());
    return replica;
  }

  /** Whether a replica confirms the commits of this cluster. */
  async hasReplica(): Promise<boolean> {
    return (await this.query(`SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)).length > 0;
  }

  /** Makes a replica accept writes: the other half of a failover. */
  async promote(): Promise<void> {
    await this.query('SELECT pg_promote()');
  }

  private static async inFolder(): Promise<PostgresCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'fast-litellm-postgres-'));
    chmodSync(folder, 0o777);
    return new PostgresCluster(await freePort(), folder);
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts it again, on the same port with the same data. */
  async start(): Promise<void> {
    const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${this.folder}`, 'max_wal_size=128MB'];
    // A replica connects again soon after its primary has restarted.
    settings.push('wal_retrieve_retry_interval=200ms');
    const options = settings.flatMap((setting) => ['-c', setting]);
    const [command, args] = asPostgres('postgres', ['-D', join(this.folder, 'data'), '-p', String(this.port), ...options]);
    const started = (this.process = spawn(command, args, { stdio: 'ignore', cwd: this.folder }));
    // A suite that fails in its setup leaves no server behind.
    const endIt = (): void => void started.kill('SIGQUIT');
    process.once('exit', endIt);
    started.once('exit', () => process.removeListener('exit', endIt));
    await until(() => {
      if (started.exitCode !== null) throw new Error(`postgres ended with ${started.exitCode}`);
      return this.answers();
    });
  }

  /** Ends connections and the server, as for a restart: `pg_ctl stop -m fast`. */
  async stop(): Promise<void> {
    await this.end('SIGINT');
  }

  /** Ends at once; the next start recovers. */
  async kill(): Promise<void> {
    await this.end('SIGQUIT');
  }

  /** `SIGSTOP`: the server hangs and its connections stay open; `SIGCONT`: it goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const pids = processesOf(this.process?.pid);
    for (const pid of pids) process.kill(pid, signal);
  }

  /** Removes it. */
  async remove(): Promise<void> {
    this.signal('SIGCONT');
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async query(sql: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
    const pool = openTestPool(this.url, { max: 1 });
    try {
      return (await pool.query(sql, params)).rows;
    } finally {
      await pool.end();
    }
  }

  /** Runs a program of PostgreSQL on the data folder. */
  private run(program: string, options: readonly string[]): void {
    const [command, args] = asPostgres(program, ['-D', join(this.folder, 'data'), ...options]);
    execFileSync(command, args, { stdio: 'ignore', cwd: this.folder });
  }

  private async end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const { process: ended } = this;
    this.process = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const exited = new Promise((resolve) => ended.once('exit', resolve));
    // The server itself, not the program that changed the user.
    for (const pid of processesOf(ended.pid).slice(0, 1)) process.kill(pid, signal);
    await exited;
  }

  private async answers(): Promise<boolean> {
    const pool = openTestPool(this.url, { max: 1, connectionTimeoutMillis: 1_000 });
    return pool
      .query('SELECT 1')
      .then(
        () => true,
        () => false,
      )
      .finally(() => pool.end());
  }
}

function asPostgres(program: string, args: readonly string[]): [command: string, args: string[]] {
  const path = join(binaries as string, program);
  // `setpriv` becomes the program, so that signals reach it.
  return isRoot ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', path, ...args]] : [path, [...args]];
}

/** The server and its processes. */
function processesOf(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return [pid, ...children.split(/\s+/).filter(Boolean).map(Number)];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

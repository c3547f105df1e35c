import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import type { ConnectionPoolOptions } from '../../../lib/connection-pool/connection-pool.options.js';
import type { ConnectionPoolStats } from '../../../lib/connection-pool/stats.js';
import { TestPools } from '../../support/connection-pool-engines.js';
import { TaggedServer } from '../../support/connection-pool-server.js';
import { until } from '../../support/until.js';
import type { WorkerTask } from './connection-pool.worker.js';

const OPTIONS = { maxConnections: 8, maxConnectionsPerEndpoint: 8, acquireTimeoutMs: 20_000 };

/** One thread with a pool. */
class PoolThread {
  private readonly worker: Worker;

  constructor(options: ConnectionPoolOptions) {
    const file = join(__dirname, 'connection-pool.worker.ts');
    this.worker = new Worker(file, {
      workerData: options,
      execArgv: ['--require', join(__dirname, '..', '..', 'support', 'typescript-hook.js')],
    });
  }

  ask<T>(task: WorkerTask): Promise<T> {
    return new Promise((resolve, reject) => {
      this.worker.once('error', reject);
      this.worker.once('message', ({ answer, error }: { answer: T; error?: string }) => {
        this.worker.off('error', reject);
        if (error === undefined) resolve(answer);
        else reject(new Error(error));
      });
      this.worker.postMessage(task);
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

const isClosed = openNativeBinding().binding === null || process.env.FAST_LITELLM_ENGINE === 'typescript';

(isClosed ? describe.skip : describe)('a pool that threads share', () => {
  let pools: TestPools;
  let server: TaggedServer;
  let most = 0;

  beforeAll(async () => {
    pools = new TestPools('native');
    server = await TaggedServer.listen((_, response, socket) => {
      most = Math.max(most, server.open);
      setTimeout(() => response.end(String(socket)), 1);
    });
  });
  afterAll(async () => {
    await pools.close();
    await server.close();
  });

  it('never exceeds its caps, and frees the connections of a thread however it ends', async () => {
    const options = { ...OPTIONS, sharedAs: 'threads that grab' };
    const pool = pools.open(options);
    const threads = Array.from({ length: 4 }, () => new PoolThread(options));
    const grabbed = await Promise.all(threads.map((thread) => thread.ask<number>({ task: 'grab', origin: server.origin })));
    expect(grabbed.reduce((sum, count) => sum + count, 0)).toBe(8);
    expect(pool.getConnection(server.origin)).toBeNull();
    expect(pool.stats()).toMatchObject({
      activeConnections: 8,
      totalConnections: 8,
      endpoints: { [server.origin]: { activeConnections: 8, totalConnections: 8 } },
    });
    for (const [index, thread] of threads.entries()) {
      expect(await thread.ask<ConnectionPoolStats>({ task: 'stats' })).toMatchObject({ activeConnections: pool.stats().activeConnections });
      await thread.end();
      const left = grabbed.slice(index + 1).reduce((sum, count) => sum + count, 0);
      await until(() => pool.stats().totalConnections === left);
    }
    expect(pool.stats()).toMatchObject({ activeConnections: 0, totalConnections: 0, endpoints: {} });
    const id = pool.getConnection(server.origin)!;
    expect((await pool.request(id, { path: '/' })).statusCode).toBe(200);
    pool.removeConnection(id);
    await pool.drain();
  });

  it('serves all threads under one cap, with one request per socket', async () => {
    const options = { ...OPTIONS, sharedAs: 'threads that work' };
    const pool = pools.open(options);
    const threads = Array.from({ length: 4 }, () => new PoolThread(options));
    await Promise.all(threads.map((thread) => thread.ask({ task: 'stats' })));
    most = 0;
    const requests = server.requests;
    const own = Array.from({ length: 250 }, () =>
      pool.use(server.origin, async (connection) => (await connection.request({ path: '/' })).body.text()),
    );
    const answers = await Promise.all([
      ...threads.map((thread) => thread.ask<number>({ task: 'use', origin: server.origin, times: 250 })),
      Promise.all(own).then(({ length }) => length),
    ]);
    expect(answers).toEqual([250, 250, 250, 250, 250]);
    expect(server.requests - requests).toBe(1250);
    expect(server.overlaps).toBe(0);
    // The server may still see the old socket when the next one opens.
    expect(most).toBeLessThanOrEqual(2 * OPTIONS.maxConnections);
    await until(() => pool.stats().activeConnections === 0);
    expect(pool.stats()).toMatchObject({ waiting: 0 });
    expect(pool.stats().totalConnections).toBeLessThanOrEqual(8);
    await Promise.all(threads.map((thread) => thread.ask({ task: 'drain' })));
    await pool.drain();
    await Promise.all(threads.map((thread) => thread.end()));
    await until(() => server.open === 0);
  });

  it('closes an idle connection of another thread for a waiter, and a leased one when it is returned', async () => {
    const options = { ...OPTIONS, sharedAs: 'threads that give way' };
    const pool = pools.open(options);
    const thread = new PoolThread(options);
    expect(await thread.ask<number>({ task: 'grab', origin: server.origin })).toBe(8);
    const waiting = pool.acquire(server.origin);
    await until(() => pool.stats().waiting === 1);
    expect(await thread.ask<ConnectionPoolStats>({ task: 'stats' })).toMatchObject({ waiting: 1 });
    await thread.ask({ task: 'return' });
    const id = await waiting;
    // The rest is idle there, and the pool full.
    const others = await Promise.all(Array.from({ length: 7 }, () => pool.acquire(server.origin)));
    for (const each of [id, ...others]) pool.returnConnection(each);
    await thread.end();
    await pool.drain();
  });

  it('serves a waiter after the thread that held the connection has ended', async () => {
    const options = { ...OPTIONS, sharedAs: 'threads that end' };
    const pool = pools.open(options);
    const thread = new PoolThread(options);
    await thread.ask({ task: 'grab', origin: server.origin });
    const waiting = pool.acquire(server.origin);
    await until(() => pool.stats().waiting === 1);
    await thread.end();
    pool.returnConnection(await waiting);
    await pool.drain();
  });
});

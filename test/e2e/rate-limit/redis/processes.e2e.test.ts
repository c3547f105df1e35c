import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { ChildTask } from './limiter.child.js';
import { openLimiter } from '../../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../../support/redis-server.js';
import { sleep, until } from '../../../support/until.js';
import { root } from '../../../project/sources.js';

const LIMIT = 1_000;
const IN_FLIGHT = 64;
const PASSED = '+'.charCodeAt(0);

/** A process at work, and how many requests it has let pass. */
class Worker {
  passed = 0;
  ready = false;
  readonly ended: Promise<void>;
  private readonly process: ChildProcess;

  constructor(task: ChildTask) {
    const args = [
      '--require',
      join(root, 'test/support/typescript-hook.js'),
      join(root, 'test/e2e/rate-limit/redis/limiter.child.ts'),
      JSON.stringify(task),
    ];
    this.process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdout?.on('data', (data: Buffer) => {
      for (const byte of data) {
        if (byte === PASSED) this.passed++;
        else this.ready = true;
      }
    });
    this.ended = new Promise((resolve) => this.process.once('close', () => resolve()));
  }

  begin(): void {
    this.process.stdin?.write('!');
  }

  end(): void {
    this.process.stdin?.end();
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}

(hasRedis ? describe : describe.skip)('four processes, 64 requests in flight in each', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  async function start(task: Pick<ChildTask, 'key' | 'limits' | 'most' | 'forMs'>): Promise<Worker[]> {
    const redis = { url: server.url, onStoreError: 'deny', timeoutMs: 10_000 } as const;
    const workers = Array.from({ length: 4 }, () => new Worker({ redis, inFlight: IN_FLIGHT, ...task }));
    await until(() => workers.every(({ ready }) => ready));
    for (const worker of workers) worker.begin();
    return workers;
  }

  const sum = (workers: readonly Worker[]): number => workers.reduce((total, { passed }) => total + passed, 0);

  test('pass exactly the limit together', async () => {
    // So that no one can take it alone, while the others are still waiting for a processor.
    const most = LIMIT / 2 - IN_FLIGHT;
    const limits = { requestsPerMinute: LIMIT };
    const workers = await start({ key: 'exact', limits, most, forMs: 30_000 });
    await until(() => sum(workers) >= LIMIT);
    // They go on asking.
    await sleep(500);
    for (const worker of workers) worker.end();
    await Promise.all(workers.map(({ ended }) => ended));
    expect(sum(workers)).toBe(LIMIT);
    expect(workers.filter(({ passed }) => passed > 0).length).toBeGreaterThan(1);
  });

  test('never pass more when one is killed, and what it took comes back with the window', async () => {
    const key = 'killed';
    const limits = { requestsPerWindow: LIMIT, windowMs: 4_000 };
    const workers = await start({ key, limits, most: LIMIT, forMs: 2_000 });
    await until(() => sum(workers) > LIMIT / 10);
    workers.reduce((a, b) => (a.passed > b.passed ? a : b)).kill();
    await Promise.all(workers.map(({ ended }) => ended));
    expect(sum(workers)).toBeLessThanOrEqual(LIMIT);
    // The answers to the requests that it had in flight are lost.
    expect(sum(workers)).toBeGreaterThanOrEqual(LIMIT - IN_FLIGHT);
    const rateLimiter = openLimiter({ url: server.url }, limits);
    try {
      await until(async () => (await rateLimiter.peekAsync(key)).remainingRequests === LIMIT - 1);
    } finally {
      await rateLimiter.close();
    }
  });
});

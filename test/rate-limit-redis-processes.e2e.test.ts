import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { ChildTask } from './rate-limit-redis.child.js';
import { openLimiter } from './redis-limiter.js';
import { hasRedis, RedisServer, until } from './redis-server.js';
import { root } from './sources.js';

const LIMIT = 1_000;
const PASSED = '+'.charCodeAt(0);

/** A process at work, and how many requests it has let pass. */
class Worker {
  passed = 0;
  ready = false;
  readonly ended: Promise<void>;
  private readonly process: ChildProcess;

  constructor(task: ChildTask) {
    const args = ['--require', join(root, 'test/typescript-hook.js'), join(root, 'test/rate-limit-redis.child.ts'), JSON.stringify(task)];
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
    this.process.stdin?.end('!');
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

  async function start(localLease: boolean, key: string, limits: ChildTask['limits'], forMs: number): Promise<Worker[]> {
    const redis = { url: server.url, onStoreError: 'deny', localLease, timeoutMs: 5_000 } as const;
    const workers = Array.from({ length: 4 }, () => new Worker({ redis, limits, key, inFlight: 64, forMs }));
    await until(() => workers.every(({ ready }) => ready), 30_000);
    for (const worker of workers) worker.begin();
    return workers;
  }

  const sum = (workers: readonly Worker[]): number => workers.reduce((total, { passed }) => total + passed, 0);

  describe.each([false, true])('localLease: %s', (localLease) => {
    test('pass exactly the limit together', async () => {
      const workers = await start(localLease, `exact ${localLease}`, { requestsPerMinute: LIMIT }, 1_500);
      await Promise.all(workers.map(({ ended }) => ended));
      expect(sum(workers)).toBe(LIMIT);
      expect(workers.filter(({ passed }) => passed > 0).length).toBeGreaterThan(1);
    }, 60_000);

    test('never pass more when one is killed, and what it had leased comes back with the window', async () => {
      const key = `killed ${localLease}`;
      const limits = { requestsPerWindow: LIMIT, windowMs: 6_000 };
      const workers = await start(localLease, key, limits, 2_000);
      await until(() => sum(workers) > LIMIT / 10);
      workers.reduce((a, b) => (a.passed > b.passed ? a : b)).kill();
      await Promise.all(workers.map(({ ended }) => ended));
      expect(sum(workers)).toBeLessThanOrEqual(LIMIT);
      // It may have asked for its 64 and a quarter of what was left beside them.
      expect(sum(workers)).toBeGreaterThan(LIMIT - 64 - LIMIT / 4);
      const rateLimiter = openLimiter({ url: server.url }, limits);
      try {
        await until(async () => (await rateLimiter.peekAsync(key)).remainingRequests === LIMIT - 1, 7_000);
      } finally {
        await rateLimiter.close();
      }
    }, 60_000);
  });
});

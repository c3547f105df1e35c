import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { NativeConnectionPoolEngine } from '../../../lib/connection-pool/engine/native.js';
import { HEADER } from '../../../lib/connection-pool/threads/layout.js';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { NativeRouterEngine } from '../../../lib/router/engine/native.js';
import { usuallyOrLong } from '../../support/long.js';
import { deployment, routerOn } from '../../support/router-engines.js';
import { root } from '../../project/sources.js';
import { sleep, until } from '../../support/until.js';
import type { TokenizingKind } from './terminations.tokens.worker.js';
import type { SharedCounts } from './terminations.worker.js';

const ROUNDS = usuallyOrLong(1, 60);
const THREADS = 3;
const SHARED: SharedCounts = { name: 'terminations', deployments: 6, maxConnections: 8 };

const { binding } = openNativeBinding();

/** A thread that is in the middle of counting. */
function counting(): Promise<Worker> {
  const worker = new Worker(join(root, 'test/e2e/app/terminations.worker.ts'), {
    workerData: SHARED,
    execArgv: ['--require', join(root, 'test/support/typescript-hook.js')],
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', () => resolve(worker));
  });
}

/** Processor time of this process in so many milliseconds. */
async function busyMs(ms: number): Promise<number> {
  const since = process.cpuUsage();
  await sleep(ms);
  return process.cpuUsage(since).user / 1000;
}

/** A thread that has as many tokens to count as takes a minute. */
async function tokenizing(kind: TokenizingKind): Promise<Worker> {
  const worker = new Worker(join(root, 'test/e2e/app/terminations.tokens.worker.ts'), {
    workerData: kind,
    execArgv: ['--require', join(root, 'test/support/typescript-hook.js')],
  });
  await once(worker, 'message');
  return worker;
}

(binding === null ? describe.skip : describe)('threads that are ended while the addon counts their tokens', () => {
  it.each<[TokenizingKind]>([['many texts'], ['long texts'], ['one run'], ['own bytes']])(
    'leave no work behind, and no memory: %s',
    async (kind) => {
      const before = process.memoryUsage.rss();
      const workers = await Promise.all(Array.from({ length: usuallyOrLong(2, 6) }, () => tokenizing(kind)));
      const begun = process.cpuUsage();
      await until(() => process.cpuUsage(begun).user > 50_000);
      await Promise.all(workers.map((worker) => worker.terminate()));
      // Unless their work is cancelled, both cores stay busy for a minute, longer than the test waits.
      await until(async () => (await busyMs(500)) < 150, 30_000);
      await until(() => process.memoryUsage.rss() - before < 300 << 20);
    },
  );
});

(binding === null ? describe.skip : describe)('threads that are terminated while counting', () => {
  it('release all that they hold in shared memory', async () => {
    if (binding === null) return;
    const modelList = Array.from({ length: SHARED.deployments }, (_, at) => deployment(`d${at}`));
    const options = { strategy: 'least_busy', sharedAs: SHARED.name, maxDeployments: 64, modelList };
    const { router } = routerOn(new NativeRouterEngine(binding), options, { now: Date.now });
    const engine = new NativeConnectionPoolEngine(binding);
    const books = engine.join(SHARED.name, SHARED.maxConnections);
    const leased = new Int32Array(books.room);
    let seen = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const workers = await Promise.all(Array.from({ length: THREADS }, counting));
      for (const worker of workers) {
        const pick = router.acquire('d0');
        seen +=
          router.status().reduce((sum, { inFlight }) => sum + inFlight, 0) + engine.totals(books.words, books.room, leased).connections;
        await worker.terminate();
        router.cancelled(pick);
      }
      expect([round, router.status().map(({ inFlight }) => inFlight)]).toEqual([round, new Array(SHARED.deployments).fill(0)]);
      expect([round, engine.totals(books.words, books.room, leased)]).toEqual([round, { connections: 0, leased: 0, waiting: 0 }]);
      expect(
        Array.from(leased)
          .concat(Array.from(books.words.subarray(HEADER, HEADER + books.room)))
          .every((count) => count === 0),
      ).toBe(true);
      expect(books.origins().size).toBe(0);
    }
    // Not idle ones.
    expect(seen).toBeGreaterThan(ROUNDS * THREADS);
    books.leave();
  }, 3_600_000);
});

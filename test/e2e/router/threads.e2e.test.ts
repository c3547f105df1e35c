import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { NativeRouterEngine } from '../../../lib/router/engine/native.js';
import type { RouterService } from '../../../lib/router/router.service.js';
import { isComplete, usuallyOrLong } from '../../support/long.js';
import { deployment, routerOn } from '../../support/router-engines.js';
import type { WorkerTask } from './router.worker.js';
import { root } from '../../project/sources.js';

const { binding } = openNativeBinding();
const THREADS = 4;

interface Result {
  readonly refused: number;
  readonly most: number;
  readonly requests: number;
}

const start = (task: WorkerTask): Worker =>
  new Worker(join(root, 'test/e2e/router/router.worker.ts'), {
    workerData: task,
    execArgv: ['--require', join(root, 'test/support/typescript-hook.js')],
  });

function resultOf(worker: Worker): Promise<Result> {
  return new Promise((resolve, reject) => {
    let result: Result | undefined;
    worker.on('message', (message: Result) => (result = message));
    worker.once('error', reject);
    worker.once('exit', () => (result === undefined ? reject(new Error('no result')) : resolve(result)));
  });
}

/** This thread's view of what the workers share. */
function observer(task: Omit<WorkerTask, 'meeting'>): RouterService {
  if (binding === null) throw new Error('this needs the addon');
  const modelList = Array.from({ length: task.deployments }, (_, at) => deployment(`d${at}`, task.params));
  const options = { strategy: task.strategy, sharedAs: task.name, maxDeployments: 64, modelList };
  return routerOn(new NativeRouterEngine(binding), options, { now: () => task.nowMs }).router;
}

const inFlightOf = (router: RouterService): number[] => router.status().map(({ inFlight }) => inFlight);
const base = { turns: usuallyOrLong(2_500, 20_000), keeps: 0, endless: false, threads: THREADS, deployments: 40, nowMs: Date.now() };

(binding === null ? describe.skip : describe)('worker threads that share a router', () => {
  it.each(isComplete ? ['least_busy', 'simple_shuffle', 'usage_based'] : ['least_busy'])(
    'count exactly, and are back at zero: %s',
    async (strategy) => {
      const task = { ...base, strategy, name: `threads-${strategy}` };
      const meeting = new SharedArrayBuffer(16);
      const router = observer(task);
      const results = await Promise.all(Array.from({ length: THREADS }, () => resultOf(start({ ...task, meeting }))));
      expect(results.map(({ refused }) => refused)).toEqual([0, 0, 0, 0]);
      expect(inFlightOf(router)).toEqual(new Array(40).fill(0));
      if (strategy === 'least_busy') {
        // What is evenly spread while it runs is evenly spread in sum.
        const requests = router.status().map((state) => state.successes);
        expect(Math.min(...requests)).toBeGreaterThan(0);
      }
    },
  );
});

(binding === null ? describe.skip : describe)('a limit that threads share', () => {
  it('enforces the limit of concurrent requests over all threads', async () => {
    const task = {
      ...base,
      turns: usuallyOrLong(1_500, 10_000),
      deployments: 2,
      strategy: 'least_busy',
      name: 'threads-parallel',
      params: { max_parallel_requests: 2 },
    };
    const meeting = new SharedArrayBuffer(16);
    const router = observer(task);
    const results = await Promise.all(Array.from({ length: THREADS }, () => resultOf(start({ ...task, meeting }))));
    expect(Math.max(...results.map(({ most }) => most))).toBeLessThanOrEqual(4);
    expect(results.reduce((sum, { requests }) => sum + requests, 0)).toBeGreaterThan(0);
    expect(inFlightOf(router)).toEqual([0, 0]);
  });

  it('shares a cooldown with all threads', async () => {
    const task = { ...base, turns: 1, threads: 1, deployments: 3, strategy: 'least_busy', name: 'threads-cooldown' };
    const [router, other] = [observer(task), observer(task)];
    router.failed(router.acquire('d1'), { status: 429 });
    expect(other.status().map(({ state }) => state)).toEqual(['available', 'cooling', 'available']);
    for (let turn = 0; turn < 20; turn++) expect(other.getAvailableDeployment('gpt-4')?.id).not.toBe('d1');
    await resultOf(start({ ...task, meeting: new SharedArrayBuffer(16) }));
    expect(inFlightOf(router)).toEqual([0, 0, 0]);
  });
});

(binding === null ? describe.skip : describe)('a thread that ends', () => {
  it('releases the requests in flight of a thread that ends', async () => {
    const task = { ...base, turns: 100, threads: 1, keeps: 3, strategy: 'least_busy', name: 'threads-keeps' };
    const router = observer(task);
    const own = router.acquire('d7');
    const worker = start({ ...task, meeting: new SharedArrayBuffer(16) });
    const { inFlight } = (await resultOf(worker)) as Result & { inFlight: readonly number[] };
    expect(inFlight.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1);
    expect(inFlightOf(router).map((count, at) => (at === 7 ? count - 1 : count))).toEqual(new Array(40).fill(0));
    router.cancelled(own);
    expect(inFlightOf(router)).toEqual(new Array(40).fill(0));
  });

  it('releases the requests in flight of a terminated thread without blocking the others', async () => {
    for (let round = 0; round < usuallyOrLong(1, 3); round++) {
      const task = { ...base, threads: 3, endless: true, strategy: 'least_busy', name: 'threads-stopped' };
      const meeting = new SharedArrayBuffer(16);
      const router = observer(task);
      const workers = Array.from({ length: 3 }, () => start({ ...task, meeting }));
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
      for (const worker of workers) {
        for (let turn = 0; turn < 1_000; turn++) router.succeeded(router.acquire('gpt-4'), { latencyMs: 1 });
        await worker.terminate();
      }
      expect(inFlightOf(router)).toEqual(new Array(40).fill(0));
      expect(router.getAvailableDeployment('gpt-4')).not.toBeNull();
    }
  });
});

import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { median } from '../harness/measure.js';

/**
 * Decisions per second of one worker thread, and of two that share a named space, each with a core
 * of its own: from the CPU time that a decision takes, as other work of the machine would halve
 * what two of them get done.
 */
export interface ThreadsRow {
  readonly keys: number;
  readonly one: number;
  readonly two: number;
  /** Medians of the ratios within a round. */
  readonly ratio: number;
}

/** What a worker is told, and what it answers: its decisions. */
export interface ThreadTask {
  readonly keys: number;
  readonly forMs: number;
}

const file = join(__dirname, 'threads.worker.js');

export async function threadsRow(keys: number, rounds: number, forMs: number): Promise<ThreadsRow> {
  const workers = [new Worker(file), new Worker(file)];
  const failed = Promise.race(workers.map((worker) => once(worker, 'error').then(([error]) => Promise.reject(error as Error))));
  try {
    const run = async (some: readonly Worker[], ms = forMs): Promise<number> => {
      const before = process.cpuUsage();
      const counts = some.map((worker) => once(worker, 'message') as Promise<[number]>);
      for (const worker of some) worker.postMessage({ keys, forMs: ms } satisfies ThreadTask);
      const decided = (await Promise.race([Promise.all(counts), failed])).reduce((sum, [count]) => sum + count, 0);
      const { user, system } = process.cpuUsage(before);
      return (decided * some.length * 1e6) / (user + system);
    };
    await run(workers);
    const [one, two]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      one.push(await run([workers[round & 1]]));
      two.push(await run(workers));
    }
    return { keys, one: median(one), two: median(two), ratio: median(two.map((rate, round) => rate / one[round])) };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

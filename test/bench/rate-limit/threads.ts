import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { median } from '../harness/measure.js';

/** Decisions a second of one worker thread, and of two that share a space by name. */
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
  try {
    const run = async (some: readonly Worker[], ms = forMs): Promise<number> => {
      const counts = some.map((worker) => new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject)));
      for (const worker of some) worker.postMessage({ keys, forMs: ms } satisfies ThreadTask);
      return ((await Promise.all(counts)).reduce((sum, count) => sum + count, 0) * 1000) / ms;
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

// Opens one contender in a fresh process and prints the cost. Run with --expose-gc. Arguments:
// name,
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BenchEncoding } from './contenders.js';
import type { LoadCost } from './load.js';
import { loadWhatTheAppHas, openByName } from './open.js';

const [name, encoding, threads] = process.argv.slice(2) as [string, BenchEncoding, string];
const collect = globalThis.gc as () => void;

function residentMb(): number {
  collect();
  return process.memoryUsage.rss() / 1e6;
}

/** Starts a thread, waits until it says that it is ready, and leaves it running. */
function startWorker(job: string): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(__dirname, 'load.worker.js'), { workerData: { job, name, encoding } });
    worker.once('message', () => resolve(worker));
    worker.once('error', reject);
  });
}

async function main(): Promise<void> {
  loadWhatTheAppHas(name);
  const before = residentMb();
  const start = performance.now();
  await openByName(name, encoding).count('ready?');
  const readyMs = performance.now() - start;
  const rssMb = residentMb() - before;
  const cost: LoadCost = { readyMs, rssMb };
  const count = Number(threads);
  if (count > 0) {
    const grown = async (job: string): Promise<number> => {
      const base = residentMb();
      for (let i = 0; i < count; i++) await startWorker(job);
      return (residentMb() - base) / count;
    };
    const idleMb = await grown('idle');
    cost.perThreadMb = (await grown('count')) - idleMb;
  }
  console.log(JSON.stringify(cost));
  process.exit(0);
}

void main();

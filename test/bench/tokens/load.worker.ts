import { parentPort, workerData } from 'node:worker_threads';
import type { BenchEncoding } from './contenders.js';
import { loadWhatTheAppHas, openByName } from './open.js';

const { job, name, encoding } = workerData as { job: string; name: string; encoding: BenchEncoding };

async function main(): Promise<void> {
  loadWhatTheAppHas(name);
  if (job === 'count') await openByName(name, encoding).count('ready?');
  parentPort?.postMessage('ready');
  setInterval(() => undefined, 1000);
}

void main();

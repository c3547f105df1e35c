import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import { rankFile } from './contenders.js';
import type { BenchEncoding, Contender } from './contenders.js';
import { OURS } from './ours.js';

/** Start-up in a fresh process: package loaded, encoding loaded, a first text counted. */
export interface LoadCost {
  readyMs: number;
  /** Growth of the resident set, after a garbage collection. */
  rssMb: number;
  /** The same for each further worker thread, less what an idle thread takes. */
  perThreadMb?: number;
}

const WORKERS = 3;

/** The medians over `repeats` processes. Ours are also loaded in three worker threads more. */
export async function loadCost({ name }: Contender, encoding: BenchEncoding, repeats: number): Promise<LoadCost> {
  const threads = OURS.includes(name) ? WORKERS : 0;
  // Written here, not in the process that is measured.
  rankFile(encoding);
  const runs: LoadCost[] = [];
  for (let i = 0; i < repeats; i++) {
    runs.push(await runForJson<LoadCost>(join(__dirname, 'load.child.js'), [name, encoding, String(threads)], ['--expose-gc']));
  }
  const over = (field: keyof LoadCost): number => median(runs.map((run) => run[field] ?? NaN));
  return { readyMs: over('readyMs'), rssMb: over('rssMb'), ...(threads > 0 ? { perThreadMb: over('perThreadMb') } : {}) };
}

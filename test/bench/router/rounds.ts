import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type { Peer } from './peers.js';

/** How long is measured. */
export interface Effort {
  readonly rounds: number;
  readonly minMs: number;
}

/** What a child process is to measure. */
export interface ChoiceTask {
  readonly name: string;
  readonly size: number;
  readonly effort: Effort;
}

/** What it tells. */
export interface Measured {
  /** Nanoseconds of CPU time per choice: the median of the rounds. */
  readonly ns: number;
  /** What was chosen, added up, so that nothing is left out as unused. */
  readonly chosen: number;
}

let chosen = 0;

/** Measures a row over one list in a process of its own. */
export async function measureAlone(task: ChoiceTask): Promise<number> {
  return (await runForJson<Measured>(join(__dirname, 'choices.child.js'), [JSON.stringify(task)])).ns;
}

export function measured(peer: Peer, { rounds, minMs }: Effort): Measured {
  const times = calibrated(peer, minMs);
  const ns = median(Array.from({ length: rounds }, () => timed(peer, times) / times));
  return { ns, chosen };
}

/** Warm-up of a row: V8 compiles and recompiles in the first tenths of a second. */
const WARM_UP_MS = 500;

/** How many choices take `minMs`, once the code is compiled. */
function calibrated(peer: Peer, minMs: number): number {
  for (const endMs = performance.now() + WARM_UP_MS; performance.now() < endMs;) timed(peer, 64);
  for (let times = 16; ; times *= 2) {
    if (timed(peer, times) >= minMs * 1e6) return times;
  }
}

function timed({ choose }: Peer, times: number): number {
  const before = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) chosen += choose();
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}

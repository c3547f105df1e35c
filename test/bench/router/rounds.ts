import { median } from '../harness/measure.js';
import type { Peer } from './peers.js';

/** How long is measured. */
export interface Effort {
  readonly rounds: number;
  readonly minMs: number;
}

let sink = 0;

/**
 * Nanoseconds of processor time per choice: medians over rounds in which all take turns, so that other processes on the machine change little.
 */
export function measureInTurns(peers: readonly Peer[], { rounds, minMs }: Effort): Map<string, number> {
  const times = peers.map((peer) => calibrated(peer, minMs));
  const samples = peers.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const index = (turn + round) % peers.length;
      samples[index].push(timed(peers[index], times[index]) / times[index]);
    }
  }
  return new Map(peers.map(({ name }, index) => [name, median(samples[index])]));
}

/** How many choices take `minMs`; what it runs on the way is the warm-up. */
function calibrated(peer: Peer, minMs: number): number {
  // What the first calls prepare is not theirs.
  timed(peer, 16);
  for (let times = 16; ; times *= 2) {
    if (timed(peer, times) >= minMs * 1e6) return times;
  }
}

function timed({ choose }: Peer, times: number): number {
  const before = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) sink += choose();
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000;
}

/** What was chosen, so that nothing is left out as unused. */
export function chosenInAll(): number {
  return sink;
}

import { MOST_SAMPLES } from './router.memory.js';

/** Adds a sample where other threads do, too: whoever counts one has its place, and the mean is that of all that are there. */
export function sampleShared(
  means: Float64Array,
  counts: Int32Array,
  samples: Float64Array,
  slot: number,
  value: number,
  most: number,
): void {
  const first = slot * MOST_SAMPLES;
  const taken = Atomics.add(counts, slot, 1) >>> 0;
  samples[first + (taken % most)] = value;
  let sum = 0;
  const kept = Math.min(taken + 1, most);
  for (let index = 0; index < kept; index++) sum += samples[first + index];
  means[slot] = sum / kept;
}

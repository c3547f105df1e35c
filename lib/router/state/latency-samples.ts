import { MOST_SAMPLES } from './memory.js';

// A constant of this module: a property of another module's exports is read anew at each use.
const SAMPLES = MOST_SAMPLES;

/** The last samples of a latency of every deployment, and their mean. */
export class LatencySamples {
  /** So long after the newest sample all are forgotten. */
  ttlMs = Infinity;

  constructor(
    protected readonly means: Float64Array,
    protected readonly sampledAt: Float64Array,
    protected readonly counts: Int32Array,
    protected readonly samples: Float64Array,
  ) {}

  /** Keeps the last `most` of a deployment. */
  add(slot: number, value: number, most: number, nowMs: number): void {
    const { means, counts, samples, sampledAt } = this;
    if (nowMs - sampledAt[slot] >= this.ttlMs) counts[slot] = means[slot] = 0;
    sampledAt[slot] = nowMs;
    // Counts up to `most`, and then around from there to twice of it.
    const taken = counts[slot];
    let at = slot * SAMPLES + taken;
    let next = taken + 1;
    if (taken < most) means[slot] += (value - means[slot]) / next;
    else {
      at -= most;
      means[slot] += (value - samples[at]) / most;
      if (next === 2 * most) next = most;
    }
    samples[at] = value;
    counts[slot] = next;
  }
}

/** The same where other threads add, too: whoever counts one has its place, and the mean is that of all that are there. */
export class SharedLatencySamples extends LatencySamples {
  override add(slot: number, value: number, most: number, nowMs: number): void {
    const { means, counts, samples } = this;
    const first = slot * SAMPLES;
    if (nowMs - this.sampledAt[slot] >= this.ttlMs) Atomics.store(counts, slot, 0);
    const taken = Atomics.add(counts, slot, 1) >>> 0;
    samples[first + (taken % most)] = value;
    let sum = 0;
    const kept = Math.min(taken + 1, most);
    for (let index = 0; index < kept; index++) sum += samples[first + index];
    means[slot] = sum / kept;
    this.sampledAt[slot] = nowMs;
  }
}

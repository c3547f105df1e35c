import { MOST_SAMPLES, type RouterMemory } from './memory.js';

interface SampleArrays {
  readonly means: Float64Array;
  readonly sampledAt: Float64Array;
  readonly counts: Int32Array;
  readonly samples: Float64Array;
}

/**
 * The last samples of a latency per deployment, and their mean. Each of the threads that share the
 * memory writes to its own slot.
 */
export class LatencySamples {
  /** All samples of a deployment expire this long after its newest. */
  ttlMs = Infinity;
  /** How many of the last samples count. */
  most = MOST_SAMPLES;

  constructor(private readonly arrays: SampleArrays) {}

  static ofAnswers({ latency, latencyAt, latencies, latencySamples }: RouterMemory): LatencySamples {
    return new LatencySamples({ means: latency, sampledAt: latencyAt, counts: latencies, samples: latencySamples });
  }

  static ofFirstTokens({ firstToken, firstTokenAt, firstTokens, firstTokenSamples }: RouterMemory): LatencySamples {
    return new LatencySamples({ means: firstToken, sampledAt: firstTokenAt, counts: firstTokens, samples: firstTokenSamples });
  }

  add(slot: number, valueMs: number, nowMs: number): void {
    const { means, counts, samples, sampledAt } = this.arrays;
    const first = slot * MOST_SAMPLES;
    if (nowMs - sampledAt[slot] >= this.ttlMs) Atomics.store(counts, slot, 0);
    const taken = Atomics.add(counts, slot, 1) >>> 0;
    samples[first + (taken % this.most)] = valueMs;
    const kept = Math.min(taken + 1, this.most);
    let sum = 0;
    for (let index = 0; index < kept; index++) sum += samples[first + index];
    means[slot] = sum / kept;
    sampledAt[slot] = nowMs;
  }

  /** Mean of the last samples, in milliseconds; 0 without samples, and once they have expired. */
  meanOf(slot: number, nowMs: number): number {
    return nowMs - this.arrays.sampledAt[slot] < this.ttlMs ? this.arrays.means[slot] : 0;
  }

  forget(slot: number): void {
    this.arrays.counts[slot] = this.arrays.means[slot] = 0;
  }

  forgetAll(): void {
    this.arrays.counts.fill(0);
    this.arrays.means.fill(0);
  }
}

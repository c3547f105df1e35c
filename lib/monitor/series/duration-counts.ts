import { BUCKETS_PER_OCTAVE, OCTAVES } from './duration-scale.js';

const SHARES = [0.5, 0.95, 0.99] as const;

/** Durations in each bucket, of any number of histograms. Reads only octaves that have any. */
export class DurationCounts {
  /** Number of durations. */
  total = 0;
  private readonly counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE);
  private readonly octaves = new Float64Array(OCTAVES);

  /** Removes all durations. */
  clear(): this {
    for (let octave = 0; octave < OCTAVES; octave++) {
      if (this.octaves[octave] === 0) continue;
      const first = octave * BUCKETS_PER_OCTAVE;
      this.counts.fill(0, first, first + BUCKETS_PER_OCTAVE);
      this.octaves[octave] = 0;
    }
    this.total = 0;
    return this;
  }

  /** Adds one octave of a histogram, which begins at `first` of `counts`. */
  add(octave: number, counts: Uint32Array, first: number): void {
    const { counts: sums } = this;
    const end = first + BUCKETS_PER_OCTAVE;
    let added = 0;
    for (let from = first, to = octave * BUCKETS_PER_OCTAVE; from < end; from++, to++) {
      const found = counts[from];
      sums[to] += found;
      added += found;
    }
    this.octaves[octave] += added;
    this.total += added;
  }

  /** The buckets of the percentiles, by nearest rank; the first bucket without durations. */
  percentileBuckets(): [p50: number, p95: number, p99: number] {
    const found: [number, number, number] = [0, 0, 0];
    let octave = 0;
    let before = 0;
    for (let share = 0; share < SHARES.length && this.total > 0; share++) {
      const rank = Math.max(1, Math.ceil(SHARES[share] * this.total));
      while (before + this.octaves[octave] < rank) before += this.octaves[octave++];
      let bucket = octave * BUCKETS_PER_OCTAVE;
      for (let seen = before + this.counts[bucket]; seen < rank; seen += this.counts[bucket]) bucket++;
      found[share] = bucket;
    }
    return found;
  }
}

/** Reused by one reader at a time. */
export const sharedCounts = new DurationCounts();

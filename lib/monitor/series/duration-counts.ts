import { BUCKETS_PER_OCTAVE, OCTAVES } from './duration-scale.js';

const SHARES = [0.5, 0.95, 0.99] as const;

/** How many durations fell into each bucket, of any number of histograms together. Durations lie close together: only the octaves that have any are looked at. */
export class DurationCounts {
  /** All that were added. */
  total = 0;
  private readonly counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE);
  private readonly octaves = new Float64Array(OCTAVES);

  /** Forgets what was added. */
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

  /** Adds one octave of a histogram, whose counts begin at `first`. */
  add(octave: number, counts: Uint32Array, first: number): void {
    // Names of fields and of other modules are read anew in each turn of a loop.
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

  /** The buckets that hold the 50th, 95th and 99th percentile, by nearest rank; the first one where there is no duration. */
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

/** For reading histograms into, one reader at a time: nobody keeps it. */
export const sharedCounts = new DurationCounts();

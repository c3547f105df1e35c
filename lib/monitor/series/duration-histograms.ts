/**
 * Buckets of durations: octaves (powers of two of a millisecond), each divided into
 * `BUCKETS_PER_OCTAVE`, nearly equal on a logarithmic scale. A quadratic replaces the logarithm, as
 * in DDSketch's interpolated mappings: 8 % more buckets, and no call of `Math.log`.
 */

/** Enough that the middle of a bucket is within 1 % of every duration in it. */
export const BUCKETS_PER_OCTAVE = 38;

/** From 2^-15 ms (31 ns) to 2^20 ms (17 minutes). Other durations count in the outermost bucket. */
export const OCTAVES = 35;
const LOWEST_EXPONENT = -15;

/** Of the exponent of a double. */
const BIAS = 1023;
const MANTISSA_BITS = 20;
const STEEPNESS = BUCKETS_PER_OCTAVE / 3;

/** A table from fractions of an octave to buckets, which is faster than the quadratic. */
const FRACTION_BITS = 12;
const FRACTIONS = 2 ** FRACTION_BITS;
const PLACES = new Uint8Array(FRACTIONS);
/** The lower edge of each place, as a multiple of that of its octave. */
const EDGES = new Float64Array(BUCKETS_PER_OCTAVE);
for (let at = FRACTIONS - 1; at >= 0; at--) {
  const fraction = at / FRACTIONS;
  PLACES[at] = (4 - fraction) * fraction * STEEPNESS;
  EDGES[PLACES[at]] = 1 + fraction;
}

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);
double[0] = 1;
const HIGH_WORD = words[1] !== 0 ? 1 : 0;

/** `bitsOf` every finite duration that is not negative is smaller, as an unsigned number. */
export const END_OF_BITS = 0x7ff00000;

/** The bits that hold the octave of a duration and its place there. */
export function bitsOf(durationMs: number): number {
  // Turns -0 into 0.
  double[0] = durationMs + 0;
  return words[HIGH_WORD];
}

/** The octave; outside of the scale it is negative, or `OCTAVES` and more. */
function octaveOf(bits: number): number {
  return (bits >>> MANTISSA_BITS) - (BIAS + LOWEST_EXPONENT);
}

/** The place in the octave, from 0. */
export function placeOf(bits: number): number {
  return PLACES[(bits >>> (MANTISSA_BITS - FRACTION_BITS)) & (FRACTIONS - 1)];
}

/** The bucket of a finite duration that is not negative. */
export function bucketOf(durationMs: number): number {
  const bits = bitsOf(durationMs);
  const octave = octaveOf(bits);
  if (octave < 0) return 0;
  if (octave >= OCTAVES) return OCTAVES * BUCKETS_PER_OCTAVE - 1;
  return octave * BUCKETS_PER_OCTAVE + placeOf(bits);
}

/** The duration with the same relative distance to both edges of a bucket, in milliseconds. */
export function durationOf(bucket: number): number {
  const [low, high] = [edge(bucket), edge(bucket + 1)];
  return (2 * low * high) / (low + high);
}

function edge(bucket: number): number {
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
  return 2 ** (octave + LOWEST_EXPONENT) * EDGES[bucket % BUCKETS_PER_OCTAVE];
}

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

/** Intervals of the rolling window. */
export const WINDOW_INTERVALS = 6;
const HISTOGRAMS = WINDOW_INTERVALS + 1;
/** The histogram of everything before the window. */
const TOTAL = WINDOW_INTERVALS * OCTAVES;

/** A page is one octave of one histogram, numbered from 1. The total leaves at least one. */
const MAX_PAGES = OCTAVES + 1;
const FREE = HISTOGRAMS * OCTAVES;
const FIRST_PAGES = 4;
const HALVE_ABOVE = 2 ** 31;

/**
 * Histograms of one series: one for each interval of the window and one for all before, in one
 * array. A page holds the counts of one octave of one histogram:
 *
 *     octave             ...   1 ms   2 ms   4 ms   ...
 *     interval 0               page 1 page 3
 *     interval 1 (present)            page 4
 *     total                    page 2
 *
 * Durations mostly lie close together, so pages are allocated one by one, up to `MAX_PAGES`. When
 * they run out, the oldest interval joins the total early: the total stays exact.
 */
export class DurationPages {
  private counts = new Uint32Array(FIRST_PAGES * BUCKETS_PER_OCTAVE);
  /** Pages by histogram and octave (0: none), followed by a stack of freed pages. */
  private readonly pages = new Uint8Array(FREE + MAX_PAGES);
  private freed = 0;
  private used = 1;
  /** Index of the present interval's histogram in `pages`. */
  private present = 0;
  /** By octave: a bit for each histogram that has a page. Readers skip the others. */
  private readonly holders = new Uint8Array(OCTAVES);

  /** @param bits `bitsOf` a finite duration that is not negative. */
  add(bits: number): void {
    let octave = octaveOf(bits);
    let place = 0;
    // One comparison for both ends.
    if (octave >>> 0 < OCTAVES) place = placeOf(bits);
    else if (octave < 0) octave = 0;
    else [octave, place] = [OCTAVES - 1, BUCKETS_PER_OCTAVE - 1];
    let page = this.pages[this.present + octave];
    if (page === 0) page = this.open(octave);
    this.counts[firstOf(page) + place]++;
  }

  /** Begins the next interval; the oldest one joins the total. */
  rotate(): void {
    this.present = this.following(this.present);
    this.join(this.present);
  }

  /** Adds the durations of a span to `counts`, and returns their number. */
  addTo(counts: DurationCounts, span: 'interval' | 'window' | 'total'): number {
    const before = counts.total;
    const wanted = span === 'interval' ? bitOf(this.present) : span === 'window' ? bitOf(TOTAL) - 1 : 2 * bitOf(TOTAL) - 1;
    for (let octave = 0; octave < OCTAVES; octave++) {
      let held = this.holders[octave] & wanted;
      for (let histogram = 0; held !== 0; histogram += OCTAVES, held >>= 1)
        if ((held & 1) !== 0) counts.add(octave, this.counts, firstOf(this.pages[histogram + octave]));
    }
    return counts.total - before;
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.counts.byteLength + this.pages.byteLength + this.holders.byteLength;
  }

  private following(histogram: number): number {
    return (histogram + OCTAVES) % TOTAL;
  }

  private open(octave: number): number {
    // From the oldest interval to the present one: with all of them in the total, a page is free.
    for (let histogram = this.following(this.present); !this.hasRoom(); histogram = this.following(histogram)) this.join(histogram);
    const page = this.freed > 0 ? this.pages[FREE + --this.freed] : this.used++;
    if (firstOf(page) >= this.counts.length) this.grow();
    return this.hold(this.present, octave, page);
  }

  private hold(histogram: number, octave: number, page: number): number {
    this.holders[octave] |= bitOf(histogram);
    return (this.pages[histogram + octave] = page);
  }

  private hasRoom(): boolean {
    return this.freed > 0 || this.used <= MAX_PAGES;
  }

  private grow(): void {
    const grown = new Uint32Array(Math.min(MAX_PAGES * BUCKETS_PER_OCTAVE, this.counts.length * 2));
    grown.set(this.counts);
    this.counts = grown;
  }

  private join(histogram: number): void {
    for (let octave = 0; octave < OCTAVES; octave++) {
      const page = this.pages[histogram + octave];
      if (page === 0) continue;
      this.pages[histogram + octave] = 0;
      this.holders[octave] &= ~bitOf(histogram);
      const target = this.pages[TOTAL + octave];
      if (target === 0) this.hold(TOTAL, octave, page);
      else this.move(page, target);
    }
  }

  private move(page: number, target: number): void {
    const [from, to] = [firstOf(page), firstOf(target)];
    let isFull = false;
    for (let place = 0; place < BUCKETS_PER_OCTAVE; place++) {
      this.counts[to + place] += this.counts[from + place];
      isFull ||= this.counts[to + place] >= HALVE_ABOVE;
    }
    this.counts.fill(0, from, from + BUCKETS_PER_OCTAVE);
    this.pages[FREE + this.freed++] = page;
    if (isFull) this.halveTotal();
  }

  /** Halves the counts before one overflows; percentiles stay the same. */
  private halveTotal(): void {
    for (let octave = 0; octave < OCTAVES; octave++) {
      const page = this.pages[TOTAL + octave];
      if (page === 0) continue;
      const first = firstOf(page);
      for (let at = first; at < first + BUCKETS_PER_OCTAVE; at++) this.counts[at] >>>= 1;
    }
  }
}

/** The bit of a histogram in `holders`. */
function bitOf(histogram: number): number {
  return 1 << (histogram / OCTAVES);
}

/** The index of a page in `counts`. */
function firstOf(page: number): number {
  return (page - 1) * BUCKETS_PER_OCTAVE;
}

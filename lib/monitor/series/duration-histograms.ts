/**
 * Buckets of durations: octaves (powers of two of a millisecond), each divided into
 * `BUCKETS_PER_OCTAVE`, nearly equal on a logarithmic scale. A quadratic replaces the logarithm, as
 * in DDSketch's interpolated mappings: 8 % more buckets, and no call of `Math.log`.
 */

/** Enough that the middle of a bucket is within 1 % of every duration in it. */
const BUCKETS_PER_OCTAVE = 38;

/** From 2^-15 ms (31 ns) to 2^20 ms (17 minutes). */
const OCTAVES = 35;
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

/** Buckets of all octaves. */
export const BUCKETS = OCTAVES * BUCKETS_PER_OCTAVE;

/** The duration with the same relative distance to both edges of a bucket, in milliseconds. */
export function durationOf(bucket: number): number {
  const [low, high] = [edge(bucket), edge(bucket + 1)];
  return (2 * low * high) / (low + high);
}

function edge(bucket: number): number {
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
  return 2 ** (octave + LOWEST_EXPONENT) * EDGES[bucket % BUCKETS_PER_OCTAVE];
}

/** Intervals of the rolling window. */
export const WINDOW_INTERVALS = 6;
/** The histogram of everything before the window. */
const TOTAL = WINDOW_INTERVALS * OCTAVES;

/** A page is one octave of one histogram, numbered from 1. The total leaves at least one. */
const MAX_PAGES = OCTAVES + 1;
const FREE = TOTAL + OCTAVES;
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
export class DurationHistograms {
  private counts = new Uint32Array(FIRST_PAGES * BUCKETS_PER_OCTAVE);
  /** Pages by histogram and octave (0: none), followed by a stack of freed pages. */
  private readonly pages = new Uint8Array(FREE + MAX_PAGES);
  private freed = 0;
  private used = 1;
  /** Index of the present interval's histogram in `pages`. */
  private present = 0;

  /** Adds a finite duration that is not negative. */
  add(durationMs: number): void {
    // Turns -0 into 0.
    double[0] = durationMs + 0;
    const bits = words[HIGH_WORD];
    const exponent = (bits >>> MANTISSA_BITS) - (BIAS + LOWEST_EXPONENT);
    const octave = Math.min(Math.max(exponent, 0), OCTAVES - 1);
    // Durations outside of all octaves count in the outermost bucket.
    let place = exponent < 0 ? 0 : BUCKETS_PER_OCTAVE - 1;
    if (octave === exponent) place = PLACES[(bits >>> (MANTISSA_BITS - FRACTION_BITS)) & (FRACTIONS - 1)];
    const page = this.pages[this.present + octave] || this.open(octave);
    this.counts[(page - 1) * BUCKETS_PER_OCTAVE + place]++;
  }

  /** Begins the next interval; the oldest one joins the total. */
  rotate(): void {
    this.present = this.following(this.present);
    this.join(this.present);
  }

  /** Adds the durations of a span to `sums`, by bucket, and returns their number. */
  addTo(sums: Float64Array, span: 'interval' | 'window' | 'total'): number {
    const from = span === 'interval' ? this.present : 0;
    const end = span === 'interval' ? from + OCTAVES : span === 'window' ? TOTAL : TOTAL + OCTAVES;
    let added = 0;
    for (let at = from; at < end; at++) {
      const page = this.pages[at];
      if (page === 0) continue;
      const first = firstOf(page);
      const to = (at % OCTAVES) * BUCKETS_PER_OCTAVE;
      for (let place = 0; place < BUCKETS_PER_OCTAVE; place++) {
        const count = this.counts[first + place];
        sums[to + place] += count;
        added += count;
      }
    }
    return added;
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.counts.byteLength + this.pages.byteLength;
  }

  private following(histogram: number): number {
    return (histogram + OCTAVES) % TOTAL;
  }

  /** Adds a page for this octave to the current interval. */
  private open(octave: number): number {
    // From the oldest interval to the current one: once all are in the total, a page is free.
    for (let oldest = this.following(this.present); this.freed === 0 && this.used > MAX_PAGES; oldest = this.following(oldest))
      this.join(oldest);
    const page = this.freed > 0 ? this.pages[FREE + --this.freed] : this.used++;
    if (firstOf(page) >= this.counts.length) this.grow();
    return (this.pages[this.present + octave] = page);
  }

  private grow(): void {
    const grown = new Uint32Array(Math.min(MAX_PAGES * BUCKETS_PER_OCTAVE, this.counts.length * 2));
    grown.set(this.counts);
    this.counts = grown;
  }

  /** Moves the pages of an interval into the total. */
  private join(histogram: number): void {
    for (let octave = 0; octave < OCTAVES; octave++) {
      const page = this.pages[histogram + octave];
      if (page === 0) continue;
      this.pages[histogram + octave] = 0;
      const target = this.pages[TOTAL + octave];
      if (target === 0) this.pages[TOTAL + octave] = page;
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
    for (const page of this.pages.subarray(TOTAL, FREE)) {
      if (page === 0) continue;
      const first = firstOf(page);
      for (let at = first; at < first + BUCKETS_PER_OCTAVE; at++) this.counts[at] >>>= 1;
    }
  }
}

/** The index of a page in `counts`. */
function firstOf(page: number): number {
  return (page - 1) * BUCKETS_PER_OCTAVE;
}

import type { DurationCounts } from './duration-counts.js';
import { BUCKETS_PER_OCTAVE, OCTAVES, octaveOf, placeOf } from './duration-scale.js';

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
 * array. Durations mostly lie close together, so pages are allocated one by one, up to `MAX_PAGES`.
 * When they run out, the oldest interval joins the total early: the total stays exact.
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

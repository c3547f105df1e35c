import { durationOf } from './duration-histograms.js';

/** Intervals of the history. */
export const HISTORY_INTERVALS = 40;

/** Figures of past intervals, the oldest first; `null` if nothing was measured. */
export interface HistoryColumns {
  readonly calls: number[];
  /** From 0 to 1. */
  readonly errorRate: (number | null)[];
  readonly averageDurationMs: (number | null)[];
  readonly p50DurationMs: (number | null)[];
  readonly p95DurationMs: (number | null)[];
  readonly p99DurationMs: (number | null)[];
  readonly maxDurationMs: (number | null)[];
}

/** Columns of intervals, the oldest first. Index `i` is the one that ended at `endMs[i]`. */
export interface PerformanceHistory {
  /** Milliseconds since 1970. */
  readonly endMs: readonly number[];
  readonly series: readonly ({ readonly component: string; readonly operation: string } & HistoryColumns)[];
}

const NUMBERS = 3;
const BUCKETS = 4;

/** Figures of one interval. */
export interface IntervalFigures {
  readonly calls: number;
  /** From 0 to 1; `undefined` if nothing was measured. */
  readonly errorRate: number | undefined;
  readonly averageMs: number;
  /** Buckets of the 50th, 95th and 99th percentile and of the maximum. */
  readonly buckets: readonly [p50: number, p95: number, p99: number, max: number];
}

/** A ring of intervals. Durations are stored as buckets: within 1 %, in two bytes. */
export class SeriesHistory {
  /** Calls, error rate (-1: nothing was measured), mean. */
  private readonly numbers: Float32Array;
  private readonly buckets: Uint16Array;
  private length = 0;
  private next = 0;

  constructor() {
    const numberBytes = HISTORY_INTERVALS * NUMBERS * Float32Array.BYTES_PER_ELEMENT;
    const tables = new ArrayBuffer(numberBytes + HISTORY_INTERVALS * BUCKETS * Uint16Array.BYTES_PER_ELEMENT);
    this.numbers = new Float32Array(tables, 0, HISTORY_INTERVALS * NUMBERS);
    this.buckets = new Uint16Array(tables, numberBytes);
  }

  push({ calls, errorRate, averageMs, buckets }: IntervalFigures): void {
    this.numbers.set([calls, errorRate ?? -1, averageMs], this.next * NUMBERS);
    this.buckets.set(buckets, this.next * BUCKETS);
    this.next = (this.next + 1) % HISTORY_INTERVALS;
    this.length = Math.min(this.length + 1, HISTORY_INTERVALS);
  }

  /** The last `intervals`. Before its first interval a series has no calls. */
  columns(intervals: number): HistoryColumns {
    const slots = Array.from({ length: intervals }, (_, index) => {
      const age = intervals - index;
      return age > this.length ? -1 : (this.next - age + HISTORY_INTERVALS) % HISTORY_INTERVALS;
    });
    const measured = (slot: number, read: () => number): number | null =>
      slot < 0 || this.numbers[slot * NUMBERS + 1] < 0 ? null : read();
    const duration = (place: number): (number | null)[] =>
      slots.map((slot) => measured(slot, () => durationOf(this.buckets[slot * BUCKETS + place])));
    return {
      calls: slots.map((slot) => (slot < 0 ? 0 : this.numbers[slot * NUMBERS])),
      errorRate: slots.map((slot) => measured(slot, () => this.numbers[slot * NUMBERS + 1])),
      averageDurationMs: slots.map((slot) => measured(slot, () => this.numbers[slot * NUMBERS + 2])),
      p50DurationMs: duration(0),
      p95DurationMs: duration(1),
      p99DurationMs: duration(2),
      maxDurationMs: duration(3),
    };
  }

  get bytes(): number {
    return this.numbers.byteLength + this.buckets.byteLength;
  }
}

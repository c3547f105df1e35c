import { durationOf } from './duration-scale.js';

/** Intervals that are remembered. */
export const HISTORY_INTERVALS = 40;

/** Percentiles and the like of the intervals gone by, the oldest first; `null` where nothing was measured. */
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

/** What `history` answers. Index `i` of every column is the interval that ended at `endMs[i]`; the oldest come first. */
export interface PerformanceHistory {
  /** Milliseconds since 1970. */
  readonly endMs: readonly number[];
  readonly series: readonly ({ readonly component: string; readonly operation: string } & HistoryColumns)[];
}

const NUMBERS = 3;
const BUCKETS = 4;

/** A ring of intervals. Durations are kept as buckets: within 1 %, in two bytes. */
export class SeriesHistory {
  /** Calls, share of errors (-1: nothing was measured), mean. */
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

  push(calls: number, measured: number, errors: number, mean: number, p50: number, p95: number, p99: number, max: number): void {
    const [number, bucket] = [this.next * NUMBERS, this.next * BUCKETS];
    this.numbers[number] = calls;
    this.numbers[number + 1] = measured > 0 ? errors / measured : -1;
    this.numbers[number + 2] = mean;
    this.buckets[bucket] = p50;
    this.buckets[bucket + 1] = p95;
    this.buckets[bucket + 2] = p99;
    this.buckets[bucket + 3] = max;
    this.next = (this.next + 1) % HISTORY_INTERVALS;
    this.length = Math.min(this.length + 1, HISTORY_INTERVALS);
  }

  /** The last `intervals`; a series that is younger has had no calls before it began. */
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

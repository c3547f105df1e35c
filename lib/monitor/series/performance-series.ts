import type { CallSeries } from '../../common/recorder.js';
import { BUCKETS, DurationHistograms, durationOf, WINDOW_INTERVALS } from './duration-histograms.js';

/**
 * Figures of a set of calls. All except `totalCalls` cover only measured calls, and are 0 without
 * any.
 */
export interface CallFigures {
  /** All calls, measured or not. */
  readonly totalCalls: number;
  readonly measuredCalls: number;
  /** Measured calls that failed. */
  readonly errorCount: number;
  /** From 0 to 1. */
  readonly errorRate: number;
  readonly successRate: number;
  readonly totalDurationMs: number;
  readonly averageDurationMs: number;
  readonly minDurationMs: number;
  readonly maxDurationMs: number;
  /** Percentiles, within 1 %. */
  readonly p50DurationMs: number;
  readonly p95DurationMs: number;
  readonly p99DurationMs: number;
  /** Calls per second, since the start or within the window. */
  readonly throughputPerSecond: number;
  /** Sums over the measured calls. */
  readonly totalInputSize: number;
  readonly totalOutputSize: number;
}

/**
 * The figures of one component since the start: of all its operations together, and of each one.
 */
export interface ComponentStats extends CallFigures {
  readonly operations: Readonly<Record<string, OperationStats>>;
}

export interface OperationStats extends CallFigures {
  /** The same over the rolling window. */
  readonly window: CallFigures;
}

/** Intervals of the history. */
export const HISTORY_INTERVALS = 40;

/** Figures of past intervals, oldest first; `null` if nothing was measured. */
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

/** Figures by interval, oldest first. Index `i` is the interval that ended at `endMs[i]`. */
export interface PerformanceHistory {
  /** Milliseconds since 1970. */
  readonly endMs: readonly number[];
  readonly series: readonly ({ readonly component: string; readonly operation: string } & HistoryColumns)[];
}

/** Whether calls are measured, and which share. Shared by all series, and changed in place. */
export interface Sampling {
  on: boolean;
  /** From 0 to 1. */
  rate: number;
}

/** Calls until an idle series checks again whether to measure. */
const LONG = 1 << 30;

/** The sums of an interval, one row each. `skipped`: calls that were not measured. */
const Sum = { measured: 0, skipped: 1, errors: 2, durationMs: 3, inputSize: 4, outputSize: 5, minMs: 6, maxMs: 7 } as const;
const SUMS = 8;
/** The row of everything before the window. */
const BEFORE = WINDOW_INTERVALS * SUMS;

/** A row of the history. An `errorRate` of -1: nothing was measured. */
const Past = { calls: 0, errorRate: 1, averageMs: 2, p50: 3, p95: 4, p99: 5, maxMs: 6 } as const;
const PASTS = 7;

const SHARES = [0.5, 0.95, 0.99] as const;

type Span = 'window' | 'total';

/** Calls of one operation: the present interval, window, total and history, in constant memory. */
export class PerformanceSeries implements CallSeries {
  /** The same objects in every reading: prom-client caches their text by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly percentileLabels: readonly Readonly<Record<string, string>>[];
  private durations = new DurationHistograms();
  /** A row for each interval of the window, and one for all before. */
  private readonly sums = new Float64Array(BEFORE + SUMS);
  /** The row of the present interval. */
  private row = 0;
  /** A ring of rows, one for each past interval. */
  private readonly past = new Float32Array(HISTORY_INTERVALS * PASTS);
  private intervals = 0;
  private left = 0;
  private gap = 0;
  private isCounting = false;
  /** The longest duration that is recorded: that of a double, or none. */
  private longestMs = -1;

  constructor(
    readonly component: string,
    readonly operation: string,
    private readonly sampling: Sampling,
  ) {
    this.labels = { component, operation };
    this.percentileLabels = ['50', '95', '99'].map((percentile) => ({ component, operation, percentile }));
    this.clear();
    this.draw();
  }

  /** Forgets everything. */
  clear(): void {
    for (let row = 0; row <= BEFORE; row += SUMS) clearRow(this.sums, row);
    this.durations = new DurationHistograms();
    this.intervals = 0;
    this.gap = this.left;
  }

  sampled(): boolean {
    return --this.left === 0 && this.isChosen();
  }

  record(durationMs: number, ok = true, inputSize = 0, outputSize = 0): void {
    if (!(durationMs >= 0 && durationMs <= this.longestMs)) return;
    const { sums, row } = this;
    sums[row + Sum.measured]++;
    sums[row + Sum.durationMs] += durationMs;
    if (durationMs < sums[row + Sum.minMs]) sums[row + Sum.minMs] = durationMs;
    if (durationMs > sums[row + Sum.maxMs]) sums[row + Sum.maxMs] = durationMs;
    if (!ok) sums[row + Sum.errors]++;
    if (inputSize !== 0) sums[row + Sum.inputSize] += inputSize;
    if (outputSize !== 0) sums[row + Sum.outputSize] += outputSize;
    this.durations.add(durationMs);
  }

  /** Draws again after a change of the sampling. */
  resample(): void {
    this.sums[this.row + Sum.skipped] += this.pendingSkips();
    this.draw();
  }

  /** Ends the interval: its figures enter the history, and the oldest of the window the total. */
  rotate(): void {
    this.sums[this.row + Sum.skipped] += this.pendingSkips();
    this.gap = this.left;
    this.remember();
    this.row = (this.row + SUMS) % BEFORE;
    addRow(this.sums, this.row, this.sums, BEFORE);
    clearRow(this.sums, this.row);
    this.durations.rotate();
  }

  /** Adds the calls of a span to a row, and returns it. */
  addTo(sums: Float64Array, span: Span): Float64Array {
    const end = span === 'total' ? BEFORE + SUMS : BEFORE;
    for (let row = 0; row < end; row += SUMS) addRow(this.sums, row, sums);
    sums[Sum.skipped] += this.pendingSkips();
    return sums;
  }

  /** Adds its durations to `counts`; a window without any has those of the total. */
  addDurationsTo(counts: Float64Array, span: Span): void {
    if (this.durations.addTo(counts, span) === 0 && span === 'window') this.durations.addTo(counts, 'total');
  }

  /** Whether anything was measured in the window. */
  get isBusy(): boolean {
    for (let row = 0; row < BEFORE; row += SUMS) if (this.sums[row + Sum.measured] > 0) return true;
    return false;
  }

  /** The last `intervals`. A series has no calls before its first interval. */
  history(intervals: number): HistoryColumns {
    const rows = Array.from({ length: intervals }, (_, index) => {
      const interval = this.intervals - intervals + index;
      return interval < 0 ? -1 : (interval % HISTORY_INTERVALS) * PASTS;
    });
    const column = (field: number): (number | null)[] =>
      rows.map((row) => (row < 0 || this.past[row + Past.errorRate] < 0 ? null : this.past[row + field]));
    return {
      calls: rows.map((row) => (row < 0 ? 0 : this.past[row + Past.calls])),
      errorRate: column(Past.errorRate),
      averageDurationMs: column(Past.averageMs),
      p50DurationMs: column(Past.p50),
      p95DurationMs: column(Past.p95),
      p99DurationMs: column(Past.p99),
      maxDurationMs: column(Past.maxMs),
    };
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.durations.bytes + this.sums.byteLength + this.past.byteLength;
  }

  private isChosen(): boolean {
    // `record` counts the measured call.
    if (this.isCounting) this.sums[this.row + Sum.skipped] += this.gap - 1;
    this.draw();
    return this.isCounting && this.sampling.rate > 0;
  }

  /**
   * Number of calls until the next measured one, random so that periodic calls do not bias the
   * sample.
   */
  private draw(): void {
    const { on, rate } = this.sampling;
    this.isCounting = on;
    this.longestMs = on ? Number.MAX_VALUE : -1;
    if (!on || rate <= 0) this.gap = LONG;
    else this.gap = rate >= 1 ? 1 : Math.min(LONG, 1 + Math.round(Math.random() * (2 / rate - 2)));
    this.left = this.gap;
  }

  private pendingSkips(): number {
    return this.isCounting ? this.gap - this.left : 0;
  }

  private remember(): void {
    const { past, sums, row } = this;
    const to = (this.intervals++ % HISTORY_INTERVALS) * PASTS;
    const measured = sums[row + Sum.measured];
    past[to + Past.calls] = measured + sums[row + Sum.skipped];
    past[to + Past.errorRate] = measured === 0 ? -1 : sums[row + Sum.errors] / measured;
    if (measured === 0) return;
    past[to + Past.averageMs] = sums[row + Sum.durationMs] / measured;
    this.durations.addTo(emptyCounts(), 'interval');
    past.set(percentilesWithin(sums[row + Sum.minMs], sums[row + Sum.maxMs]), to + Past.p50);
    past[to + Past.maxMs] = sums[row + Sum.maxMs];
  }
}

function addRow(from: Float64Array, row: number, to: Float64Array, toRow = 0): void {
  for (let sum = 0; sum < Sum.minMs; sum++) to[toRow + sum] += from[row + sum];
  to[toRow + Sum.minMs] = Math.min(to[toRow + Sum.minMs], from[row + Sum.minMs]);
  to[toRow + Sum.maxMs] = Math.max(to[toRow + Sum.maxMs], from[row + Sum.maxMs]);
}

function clearRow(sums: Float64Array, row = 0): Float64Array {
  sums.fill(0, row, row + SUMS);
  sums[row + Sum.minMs] = Infinity;
  return sums;
}

/** Durations by bucket. Reused by one reader at a time. */
const counts = new Float64Array(BUCKETS);

function emptyCounts(): Float64Array {
  return counts.fill(0);
}

/**
 * Percentiles of `counts`, by nearest rank; the middle of a bucket can be outside the measured
 * range.
 */
function percentilesWithin(minMs: number, maxMs: number): [p50: number, p95: number, p99: number] {
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) total += counts[bucket];
  const found: [number, number, number] = [0, 0, 0];
  let bucket = 0;
  let seen = counts[0];
  for (let share = 0; share < SHARES.length; share++) {
    const rank = Math.min(total, Math.max(1, Math.ceil(SHARES[share] * total)));
    while (seen < rank) seen += counts[++bucket];
    found[share] = Math.min(Math.max(durationOf(bucket), minMs), maxMs);
  }
  return found;
}

/** Counts since the start, without reading the histograms. */
export function countsOf(series: PerformanceSeries): Pick<CallFigures, 'totalCalls' | 'errorCount' | 'totalDurationMs'> {
  const sums = series.addTo(clearRow(new Float64Array(SUMS)), 'total');
  return { totalCalls: sums[Sum.measured] + sums[Sum.skipped], errorCount: sums[Sum.errors], totalDurationMs: sums[Sum.durationMs] };
}

/** p50, p95 and p99 of the window in milliseconds; `undefined` if nothing was measured. */
export function percentilesOf(series: PerformanceSeries): readonly number[] | undefined {
  if (!series.isBusy) return undefined;
  series.addDurationsTo(emptyCounts(), 'window');
  const sums = series.addTo(clearRow(new Float64Array(SUMS)), 'window');
  return percentilesWithin(sums[Sum.minMs], sums[Sum.maxMs]);
}

/**
 * The figures of several series together.
 * @param seconds Length of the span, for the throughput.
 */
export function figuresOf(series: readonly PerformanceSeries[], span: Span, seconds: number): CallFigures {
  const sums = clearRow(new Float64Array(SUMS));
  emptyCounts();
  for (const each of series) {
    each.addTo(sums, span);
    each.addDurationsTo(counts, span);
  }
  const measured = sums[Sum.measured];
  const calls = measured + sums[Sum.skipped];
  const errors = sums[Sum.errors];
  const durationMs = sums[Sum.durationMs];
  const [p50, p95, p99] = measured > 0 ? percentilesWithin(sums[Sum.minMs], sums[Sum.maxMs]) : [0, 0, 0];
  return {
    totalCalls: calls,
    measuredCalls: measured,
    errorCount: errors,
    errorRate: measured > 0 ? errors / measured : 0,
    successRate: measured > 0 ? 1 - errors / measured : 0,
    totalDurationMs: durationMs,
    averageDurationMs: measured > 0 ? durationMs / measured : 0,
    minDurationMs: measured > 0 ? sums[Sum.minMs] : 0,
    maxDurationMs: sums[Sum.maxMs],
    p50DurationMs: p50,
    p95DurationMs: p95,
    p99DurationMs: p99,
    throughputPerSecond: seconds > 0 ? calls / seconds : 0,
    totalInputSize: sums[Sum.inputSize],
    totalOutputSize: sums[Sum.outputSize],
  };
}

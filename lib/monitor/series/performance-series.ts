import type { CallSeries } from '../../common/recorder.js';
import { CallTotals } from './call-totals.js';
import {
  bitsOf,
  bucketOf,
  type DurationCounts,
  durationOf,
  DurationPages,
  END_OF_BITS,
  sharedCounts,
  WINDOW_INTERVALS,
} from './duration-histograms.js';
import { SeriesHistory } from './series-history.js';

/** Figures of some calls. All but `totalCalls` are of measured calls; without any they are 0. */
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

/** The figures of one component since the start: of all operations together, and of each. */
export interface ComponentStats extends CallFigures {
  readonly operations: Readonly<Record<string, OperationStats>>;
}

export interface OperationStats extends CallFigures {
  /** The same over the rolling window. */
  readonly window: CallFigures;
}

/** Whether calls are measured, and which share. Shared by all series, and changed in place. */
export interface Sampling {
  on: boolean;
  /** From 0 to 1. */
  rate: number;
}

/** Calls until an idle series checks again whether to measure. */
const LONG = 1 << 30;

type Span = 'window' | 'total';

/** Calls of one operation: interval, window, total and history, in constant memory. */
export class PerformanceSeries implements CallSeries {
  /** The same objects in every reading: prom-client caches their text by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly percentileLabels: readonly Readonly<Record<string, string>>[];
  history = new SeriesHistory();
  private durations = new DurationPages();
  /** The intervals of the window, the present one among them, and the total before it. */
  private intervals = emptyWindow();
  private present = 0;
  private now = this.intervals[0];
  private before = new CallTotals();
  private left = 0;
  private gap = 0;
  private isCounting = false;
  /** Durations with smaller bits are recorded: all valid ones, or none. */
  private endOfBits = 0;

  constructor(
    readonly component: string,
    readonly operation: string,
    private readonly sampling: Sampling,
  ) {
    this.labels = { component, operation };
    this.percentileLabels = ['50', '95', '99'].map((percentile) => ({ component, operation, percentile }));
    this.gap = this.left = this.drawGap();
  }

  /** Forgets everything. */
  clear(): void {
    this.intervals = emptyWindow();
    this.now = this.intervals[this.present];
    this.before = new CallTotals();
    this.durations = new DurationPages();
    this.history = new SeriesHistory();
    this.gap = this.left;
  }

  sampled(): boolean {
    return --this.left === 0 && this.draw();
  }

  record(durationMs: number, ok = true, inputSize = 0, outputSize = 0): void {
    const bits = bitsOf(durationMs);
    if (bits >>> 0 >= this.endOfBits) return;
    const { now } = this;
    now.measured++;
    now.durationMs += durationMs;
    if (durationMs < now.minMs) now.minMs = durationMs;
    if (durationMs > now.maxMs) now.maxMs = durationMs;
    if (!ok) now.errors++;
    if (inputSize !== 0) now.inputSize += inputSize;
    if (outputSize !== 0) now.outputSize += outputSize;
    this.durations.add(bits);
  }

  /** Draws again after a change of the sampling. */
  resample(): void {
    this.now.skipped += this.pendingSkips();
    this.gap = this.left = this.drawGap();
  }

  /** Ends the interval: its figures enter the history, and the oldest of the window the total. */
  rotate(): void {
    this.now.skipped += this.pendingSkips();
    this.gap = this.left;
    this.remember();
    this.present = (this.present + 1) % WINDOW_INTERVALS;
    this.before.add(this.intervals[this.present]);
    this.now = this.intervals[this.present] = new CallTotals();
    this.durations.rotate();
  }

  /** Adds the calls of a span to `totals`. */
  addTo(totals: CallTotals, span: Span): CallTotals {
    for (const interval of this.intervals) totals.add(interval);
    if (span === 'total') totals.add(this.before);
    totals.skipped += this.pendingSkips();
    return totals;
  }

  /** Adds its durations to `counts`; a window without any has those of the total. */
  addDurationsTo(counts: DurationCounts, span: Span): void {
    if (this.durations.addTo(counts, span) === 0 && span === 'window') this.durations.addTo(counts, 'total');
  }

  /** Whether anything was measured in the window. */
  get isBusy(): boolean {
    return this.intervals.some(({ measured }) => measured > 0);
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.durations.bytes + this.history.bytes;
  }

  private draw(): boolean {
    // `record` counts the measured call.
    if (this.isCounting) this.now.skipped += this.gap - 1;
    this.gap = this.left = this.drawGap();
    return this.isCounting && this.sampling.rate > 0;
  }

  /** Calls to the next measured one: random, so that a rhythm of the calls is no bias. */
  private drawGap(): number {
    const { on, rate } = this.sampling;
    this.isCounting = on;
    this.endOfBits = on ? END_OF_BITS : 0;
    if (!on || rate <= 0) return LONG;
    return rate >= 1 ? 1 : Math.min(LONG, 1 + Math.round(Math.random() * (2 / rate - 2)));
  }

  private pendingSkips(): number {
    return this.isCounting ? this.gap - this.left : 0;
  }

  private remember(): void {
    const { calls, measured, errors, durationMs, maxMs } = this.now;
    if (measured === 0) {
      this.history.push({ calls, errorRate: undefined, averageMs: 0, buckets: [0, 0, 0, 0] });
      return;
    }
    this.durations.addTo(sharedCounts.clear(), 'interval');
    this.history.push({
      calls,
      errorRate: errors / measured,
      averageMs: durationMs / measured,
      buckets: [...sharedCounts.percentileBuckets(), bucketOf(maxMs)],
    });
  }
}

function emptyWindow(): CallTotals[] {
  return Array.from({ length: WINDOW_INTERVALS }, () => new CallTotals());
}

/** Counts since the start, without reading the histograms. */
export function countsOf(series: PerformanceSeries): Pick<CallFigures, 'totalCalls' | 'errorCount' | 'totalDurationMs'> {
  const { calls, errors, durationMs } = series.addTo(new CallTotals(), 'total');
  return { totalCalls: calls, errorCount: errors, totalDurationMs: durationMs };
}

/** p50, p95 and p99 of the window in milliseconds; `undefined` if nothing was measured. */
export function percentilesOf(series: PerformanceSeries): readonly number[] | undefined {
  if (!series.isBusy) return undefined;
  series.addDurationsTo(sharedCounts.clear(), 'window');
  return percentilesWithin(series.addTo(new CallTotals(), 'window'));
}

/**
 * The figures of several series together.
 * @param seconds Length of the span, for the throughput.
 */
export function figuresOf(series: readonly PerformanceSeries[], span: Span, seconds: number): CallFigures {
  const totals = new CallTotals();
  sharedCounts.clear();
  for (const each of series) {
    each.addTo(totals, span);
    each.addDurationsTo(sharedCounts, span);
  }
  const { measured, errors } = totals;
  const [p50, p95, p99] = measured > 0 ? percentilesWithin(totals) : [0, 0, 0];
  return {
    totalCalls: totals.calls,
    measuredCalls: measured,
    errorCount: errors,
    errorRate: measured > 0 ? errors / measured : 0,
    successRate: measured > 0 ? 1 - errors / measured : 0,
    totalDurationMs: totals.durationMs,
    averageDurationMs: measured > 0 ? totals.durationMs / measured : 0,
    minDurationMs: measured > 0 ? totals.minMs : 0,
    maxDurationMs: totals.maxMs,
    p50DurationMs: p50,
    p95DurationMs: p95,
    p99DurationMs: p99,
    throughputPerSecond: seconds > 0 ? totals.calls / seconds : 0,
    totalInputSize: totals.inputSize,
    totalOutputSize: totals.outputSize,
  };
}

/** Percentiles of `sharedCounts`; the middle of a bucket may lie outside of what was measured. */
function percentilesWithin({ minMs, maxMs }: CallTotals): number[] {
  return sharedCounts.percentileBuckets().map((bucket) => Math.min(Math.max(durationOf(bucket), minMs), maxMs));
}

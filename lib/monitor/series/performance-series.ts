import type { CallSeries } from '../../common/recorder.js';
import { sharedCounts, type DurationCounts } from './duration-counts.js';
import { DurationPages, WINDOW_INTERVALS } from './duration-pages.js';
import { bitsOf, bucketOf, durationOf, END_OF_BITS } from './duration-scale.js';
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

/** Indexes of the figures in a group: each interval has a group, and the total before them. */
const MEASURED = 0;
const ERRORS = 1;
const SUM = 2;
const MIN = 3;
const MAX = 4;
const INPUT = 5;
const OUTPUT = 6;
const SKIPPED = 7;
const FACTS = 8;
/** The groups: the present interval, those of the window, and the total before them. */
const FIRST = FACTS;
const TOTAL = FIRST + WINDOW_INTERVALS * FACTS;
/** Calls until an idle series checks again whether to measure. */
const LONG = 1 << 30;

/** Calls of one operation: interval, window, total and history, in constant memory. */
export class PerformanceSeries implements CallSeries {
  /** The same objects in every reading: prom-client caches their text by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly percentileLabels: readonly Readonly<Record<string, string>>[];
  history = new SeriesHistory();
  private durations = new DurationPages();
  /** The group of the present interval is copied into the window at its end. */
  private readonly facts = new Float64Array(TOTAL + FACTS);
  private present = FIRST;
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
    this.clear();
    this.gap = this.left = this.drawGap();
  }

  /** Forgets everything. */
  clear(): void {
    this.facts.fill(0);
    for (let group = 0; group <= TOTAL; group += FACTS) this.facts[group + MIN] = Infinity;
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
    const now = this.facts;
    now[MEASURED]++;
    now[SUM] += durationMs;
    if (durationMs < now[MIN]) now[MIN] = durationMs;
    if (durationMs > now[MAX]) now[MAX] = durationMs;
    if (!ok) now[ERRORS]++;
    if (inputSize !== 0) now[INPUT] += inputSize;
    if (outputSize !== 0) now[OUTPUT] += outputSize;
    this.durations.add(bits);
  }

  /** Draws again after a change of the sampling. */
  resample(): void {
    this.keepSkipped();
    this.gap = this.left = this.drawGap();
  }

  /** Ends the interval: its figures enter the history, and the oldest of the window the total. */
  rotate(): void {
    this.keepSkipped();
    this.gap = this.left;
    this.remember();
    this.facts.copyWithin(this.present, 0, FACTS);
    this.empty(0);
    this.present = this.present + FACTS === TOTAL ? FIRST : this.present + FACTS;
    this.durations.rotate();
    add(this.facts, TOTAL, this.present);
    this.empty(this.present);
  }

  /** Adds the figures of this series to a group. */
  addTo(facts: Float64Array, span: 'window' | 'total'): void {
    for (let group = 0; group < TOTAL; group += FACTS) add(facts, 0, group, this.facts);
    if (span === 'total') add(facts, 0, TOTAL, this.facts);
    facts[SKIPPED] += this.pendingSkips();
  }

  /** Whether anything was measured in the window. */
  get isBusy(): boolean {
    let measured = 0;
    for (let group = 0; group < TOTAL; group += FACTS) measured += this.facts[group + MEASURED];
    return measured > 0;
  }

  /** Adds its durations to `counts`; a window without any has those of the total. */
  addDurationsTo(counts: DurationCounts, span: 'window' | 'total'): void {
    if (this.durations.addTo(counts, span) === 0 && span === 'window') this.durations.addTo(counts, 'total');
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.facts.byteLength + this.durations.bytes + this.history.bytes;
  }

  private draw(): boolean {
    // `record` counts the measured call.
    if (this.isCounting) this.facts[SKIPPED] += this.gap - 1;
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

  private empty(group: number): void {
    this.facts.fill(0, group, group + FACTS);
    this.facts[group + MIN] = Infinity;
  }

  private keepSkipped(): void {
    this.facts[SKIPPED] += this.pendingSkips();
  }

  private pendingSkips(): number {
    return this.isCounting ? this.gap - this.left : 0;
  }

  private remember(): void {
    const now = this.facts;
    const measured = now[MEASURED];
    const calls = measured + now[SKIPPED];
    if (measured === 0) {
      this.history.push({ calls, errorRate: undefined, averageMs: 0, buckets: [0, 0, 0, 0] });
      return;
    }
    this.durations.addTo(sharedCounts.clear(), 'interval');
    this.history.push({
      calls,
      errorRate: now[ERRORS] / measured,
      averageMs: now[SUM] / measured,
      buckets: [...sharedCounts.percentileBuckets(), bucketOf(now[MAX])],
    });
  }
}

/** Reused for one series at a time. */
const scratch = new Float64Array(FACTS);

function factsOf(series: PerformanceSeries, span: 'window' | 'total'): Float64Array {
  scratch.fill(0);
  scratch[MIN] = Infinity;
  series.addTo(scratch, span);
  return scratch;
}

/** Counts since the start, without reading the histograms. */
export function countsOf(series: PerformanceSeries): Pick<CallFigures, 'totalCalls' | 'errorCount' | 'totalDurationMs'> {
  const facts = factsOf(series, 'total');
  return { totalCalls: facts[MEASURED] + facts[SKIPPED], errorCount: facts[ERRORS], totalDurationMs: facts[SUM] };
}

/** p50, p95 and p99 of the window in milliseconds; `undefined` if nothing was measured. */
export function percentilesOf(series: PerformanceSeries): readonly number[] | undefined {
  if (!series.isBusy) return undefined;
  const facts = factsOf(series, 'window');
  series.addDurationsTo(sharedCounts.clear(), 'window');
  return percentilesWithin(facts[MIN], facts[MAX]);
}

/**
 * The figures of several series together.
 * @param seconds Length of the span, for the throughput.
 */
export function figuresOf(series: readonly PerformanceSeries[], span: 'window' | 'total', seconds: number): CallFigures {
  const facts = new Float64Array(FACTS);
  facts[MIN] = Infinity;
  sharedCounts.clear();
  for (const each of series) {
    each.addTo(facts, span);
    each.addDurationsTo(sharedCounts, span);
  }
  const measuredCalls = facts[MEASURED];
  const totalCalls = measuredCalls + facts[SKIPPED];
  const errorRate = measuredCalls > 0 ? facts[ERRORS] / measuredCalls : 0;
  const min = measuredCalls > 0 ? facts[MIN] : 0;
  const [p50, p95, p99] = measuredCalls > 0 ? percentilesWithin(min, facts[MAX]) : [0, 0, 0];
  return {
    totalCalls,
    measuredCalls,
    errorCount: facts[ERRORS],
    errorRate,
    successRate: measuredCalls > 0 ? 1 - errorRate : 0,
    totalDurationMs: facts[SUM],
    averageDurationMs: measuredCalls > 0 ? facts[SUM] / measuredCalls : 0,
    minDurationMs: min,
    maxDurationMs: facts[MAX],
    p50DurationMs: p50,
    p95DurationMs: p95,
    p99DurationMs: p99,
    throughputPerSecond: seconds > 0 ? totalCalls / seconds : 0,
    totalInputSize: facts[INPUT],
    totalOutputSize: facts[OUTPUT],
  };
}

function add(facts: Float64Array, to: number, from: number, source = facts): void {
  for (let fact = 0; fact < FACTS; fact++) {
    if (fact === MIN) facts[to + fact] = Math.min(facts[to + fact], source[from + fact]);
    else if (fact === MAX) facts[to + fact] = Math.max(facts[to + fact], source[from + fact]);
    else facts[to + fact] += source[from + fact];
  }
}

/** Percentiles of `sharedCounts`; the middle of a bucket may lie outside of what was measured. */
function percentilesWithin(min: number, max: number): number[] {
  return sharedCounts.percentileBuckets().map((bucket) => Math.min(Math.max(durationOf(bucket), min), max));
}

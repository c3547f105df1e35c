import type { CallSeries } from '../common/recorder.js';
import { DurationPages, sharedSum, WINDOW_INTERVALS } from './duration-pages.js';
import { bucketOf, durationOf } from './duration-scale.js';
import { SeriesHistory } from './series-history.js';

/** What is known of some calls. Everything but `totalCalls` is about those that were measured; figures of none are 0. */
export interface CallFigures {
  /** Calls that were made, measured or not. */
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
  /** Within 1 % of the measured calls' own. */
  readonly p50DurationMs: number;
  readonly p95DurationMs: number;
  readonly p99DurationMs: number;
  /** Calls per second, since recording began or within the window. */
  readonly throughputPerSecond: number;
  /** Of the measured calls, added up. */
  readonly totalInputSize: number;
  readonly totalOutputSize: number;
}

/** What `getPerformanceStats` says of one component: of its operations together, since recording began, and of each. */
export interface ComponentStats extends CallFigures {
  readonly operations: Readonly<Record<string, OperationStats>>;
}

export interface OperationStats extends CallFigures {
  /** The same over the rolling window. */
  readonly window: CallFigures;
}

/** Whether calls are measured, and which share of those that ask. Shared by all series; changed in place. */
export interface Sampling {
  on: boolean;
  /** From 0 to 1. */
  rate: number;
}

/** Where the figures of an interval stand, beside each other. */
const MEASURED = 0;
const ERRORS = 1;
const SUM = 2;
const MIN = 3;
const MAX = 4;
const INPUT = 5;
const OUTPUT = 6;
const SKIPPED = 7;
const FACTS = 8;
/** The present interval comes first, then those of the window, then the total before them. */
const FIRST = FACTS;
const TOTAL = FIRST + WINDOW_INTERVALS * FACTS;
/** Calls until an idle series looks again whether it is to measure. */
const LONG = 1 << 30;

/** Calls of one operation: the present interval, the window, the total and some history, in constant memory. */
export class PerformanceSeries implements CallSeries {
  history = new SeriesHistory();
  private durations = new DurationPages();
  /** The group of the present interval among those of the window is filled at its end. */
  private readonly facts = new Float64Array(TOTAL + FACTS);
  private present = FIRST;
  private left = 0;
  private gap = 0;
  private isCounting = false;

  constructor(
    readonly component: string,
    readonly operation: string,
    private readonly sampling: Sampling,
  ) {
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
    if (!this.isCounting || !(durationMs >= 0 && durationMs < Infinity)) return;
    const now = this.facts;
    now[MEASURED]++;
    now[SUM] += durationMs;
    if (durationMs < now[MIN]) now[MIN] = durationMs;
    if (durationMs > now[MAX]) now[MAX] = durationMs;
    if (!ok) now[ERRORS]++;
    if (inputSize !== 0) now[INPUT] += inputSize;
    if (outputSize !== 0) now[OUTPUT] += outputSize;
    this.durations.add(durationMs);
  }

  /** The sampling has changed: what was drawn under the old one does not count any more. */
  resample(): void {
    this.keepSkipped();
    this.gap = this.left = this.drawGap();
  }

  /** Ends the interval: its figures go into the history, and the oldest of the window into the total. */
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

  /** Adds this series to sums of its own kind. */
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

  /** Counts by bucket, into `sum`. A window that forgot its durations is given by those of all time. */
  read(span: 'window' | 'total', sum: Float64Array): number {
    return this.durations.read(span, sum) || (span === 'window' ? this.durations.read('total', sum) : 0);
  }

  /** Bytes of the tables. */
  get bytes(): number {
    return this.facts.byteLength + this.durations.bytes + this.history.bytes;
  }

  private draw(): boolean {
    // The one that is measured is counted by `record`.
    if (this.isCounting) this.facts[SKIPPED] += this.gap - 1;
    this.gap = this.left = this.drawGap();
    return this.isCounting && this.sampling.rate > 0;
  }

  /** Calls from one that is measured to the next: between 1 and twice the mean, so that no rhythm of the calls falls in with that of the measuring. */
  private drawGap(): number {
    const { on, rate } = this.sampling;
    this.isCounting = on;
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
      this.history.push(calls, 0, 0, 0, 0, 0, 0, 0);
      return;
    }
    const [p50, p95, p99] = percentileBuckets(this.durations.read('interval', sharedSum), sharedSum);
    this.history.push(calls, measured, now[ERRORS], now[SUM] / measured, p50, p95, p99, bucketOf(now[MAX]));
  }
}

/** What has been counted since the start, without a look at the histograms. */
export function countsOf(series: PerformanceSeries): Pick<CallFigures, 'totalCalls' | 'errorCount' | 'totalDurationMs'> {
  const facts = new Float64Array(FACTS);
  series.addTo(facts, 'total');
  return { totalCalls: facts[MEASURED] + facts[SKIPPED], errorCount: facts[ERRORS], totalDurationMs: facts[SUM] };
}

/**
 * Calls of several series taken together.
 * @param seconds How long the span is, for the throughput.
 */
export function figuresOf(series: readonly PerformanceSeries[], span: 'window' | 'total', seconds: number): CallFigures {
  const facts = new Float64Array(FACTS);
  facts[MIN] = Infinity;
  const sum = series.length === 1 ? sharedSum : new Float64Array(sharedSum.length);
  let count = 0;
  for (const each of series) {
    each.addTo(facts, span);
    count += each.read(span, sharedSum);
    if (sum === sharedSum) break;
    for (let bucket = 0; bucket < sum.length; bucket++) sum[bucket] += sharedSum[bucket];
  }
  const measuredCalls = facts[MEASURED];
  const totalCalls = measuredCalls + facts[SKIPPED];
  const errorRate = measuredCalls > 0 ? facts[ERRORS] / measuredCalls : 0;
  const min = measuredCalls > 0 ? facts[MIN] : 0;
  const within = (bucket: number): number => (measuredCalls > 0 ? Math.min(Math.max(durationOf(bucket), min), facts[MAX]) : 0);
  const [p50, p95, p99] = percentileBuckets(count, sum).map(within);
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

const PERCENTILES = [0.5, 0.95, 0.99];

/** The buckets that hold the percentiles (nearest rank), of `count` durations counted in `sum`. */
function percentileBuckets(count: number, sum: Float64Array): number[] {
  const ranks = PERCENTILES.map((share) => Math.max(1, Math.ceil(share * count)));
  const found = [0, 0, 0];
  let seen = 0;
  let next = 0;
  for (let bucket = 0; bucket < sum.length && next < ranks.length; bucket++) {
    seen += sum[bucket];
    while (next < ranks.length && seen >= ranks[next]) found[next++] = bucket;
  }
  return found;
}

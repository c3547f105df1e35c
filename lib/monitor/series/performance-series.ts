import type { CallSeries } from '../../common/recorder.js';
import { sharedCounts, type DurationCounts } from './duration-counts.js';
import { DurationPages, WINDOW_INTERVALS } from './duration-pages.js';
import { bitsOf, bucketOf, durationOf, END_OF_BITS } from './duration-scale.js';
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
  /** The same objects whenever they are asked for: who writes them again and again knows them by that. */
  readonly labels: Readonly<Record<string, string>>;
  readonly percentileLabels: readonly Readonly<Record<string, string>>[];
  history = new SeriesHistory();
  private durations = new DurationPages();
  /** The group of the present interval among those of the window is filled at its end. */
  private readonly facts = new Float64Array(TOTAL + FACTS);
  private present = FIRST;
  private left = 0;
  private gap = 0;
  private isCounting = false;
  /** Durations whose bits are below this are recorded: all that can be, or none. */
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

  /** Adds its durations to `counts`. A window that forgot them is given by those of all time. */
  addDurationsTo(counts: DurationCounts, span: 'window' | 'total'): void {
    if (this.durations.addTo(counts, span) === 0 && span === 'window') this.durations.addTo(counts, 'total');
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
      this.history.push(calls, 0, 0, 0, 0, 0, 0, 0);
      return;
    }
    this.durations.addTo(sharedCounts.clear(), 'interval');
    const [p50, p95, p99] = sharedCounts.percentileBuckets();
    this.history.push(calls, measured, now[ERRORS], now[SUM] / measured, p50, p95, p99, bucketOf(now[MAX]));
  }
}

/** For adding one series up at a time. */
const scratch = new Float64Array(FACTS);

function factsOf(series: PerformanceSeries, span: 'window' | 'total'): Float64Array {
  scratch.fill(0);
  scratch[MIN] = Infinity;
  series.addTo(scratch, span);
  return scratch;
}

/** What has been counted since the start, without a look at the histograms. */
export function countsOf(series: PerformanceSeries): Pick<CallFigures, 'totalCalls' | 'errorCount' | 'totalDurationMs'> {
  const facts = factsOf(series, 'total');
  return { totalCalls: facts[MEASURED] + facts[SKIPPED], errorCount: facts[ERRORS], totalDurationMs: facts[SUM] };
}

/** The 50th, 95th and 99th percentile of the window in milliseconds, or `undefined` where nothing was measured: `figuresOf` says the same, and more. */
export function percentilesOf(series: PerformanceSeries): readonly number[] | undefined {
  if (!series.isBusy) return undefined;
  const facts = factsOf(series, 'window');
  series.addDurationsTo(sharedCounts.clear(), 'window');
  return percentilesWithin(facts[MIN], facts[MAX]);
}

/**
 * Calls of several series taken together.
 * @param seconds How long the span is, for the throughput.
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

/** Of what `sharedCounts` has: the middle of a bucket may lie outside of what was measured. */
function percentilesWithin(min: number, max: number): number[] {
  return sharedCounts.percentileBuckets().map((bucket) => Math.min(Math.max(durationOf(bucket), min), max));
}

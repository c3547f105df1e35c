import type { Observable } from 'rxjs';
import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { clocksOf, type Clocks } from '../common/clock.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { errorMessage } from '../common/errors.js';
import { checkBoolean, checkNumber, checkObject, checkOneOf, checkString, optional, refuseArgument } from '../common/options.js';
import type { CallRecorder, CallSeries } from '../common/recorder.js';
import { COMPARISON } from '../engine/comparison.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { FEATURES, findFeature, rolloutPercentage } from '../feature-flags/feature-flags.options.js';
import { compare, type PerformanceComparison } from './comparison.js';
import { PerformanceAlerts, type PerformanceAlert } from './performance-alerts.js';
import { toCsv } from './performance-export.js';
import type { ResolvedMonitorOptions } from './performance-monitor.options.js';
import { performanceMetrics } from './performance-metrics.js';
import { recommend, type PerformanceRecommendation } from './recommendations.js';
import { WINDOW_INTERVALS } from './series/duration-histograms.js';
import {
  figuresOf,
  HISTORY_INTERVALS,
  PerformanceSeries,
  type ComponentStats,
  type OperationStats,
  type PerformanceHistory,
  type Sampling,
} from './series/performance-series.js';
import { type ShadowObservation, capabilityOf, componentOf, type EngineRecorder } from '../engine/engine-recorder.js';

/** One call, for `recordPerformance`. */
export interface PerformanceRecord {
  readonly component: string;
  readonly operation: string;
  readonly durationMs: number;
  /** Default `true`. */
  readonly success?: boolean;
  /** Bytes, characters or tokens of the input. */
  readonly inputSize?: number;
  readonly outputSize?: number;
}

/** Dependencies of the monitor. */
export interface PerformanceMonitorContext {
  readonly flags: FeatureFlagsService;
  /** Monotonic milliseconds since 1970. Default: the clock of the process. */
  readonly now?: () => number;
  /** Default: Nest's logger. */
  readonly logger?: LogSink;
  /**
   * Measures two components that have too few samples; `undefined` if that is impossible or
   * already done. Default: never.
   */
  readonly measure?: (rustComponent: string, typescriptComponent: string, recorder: CallRecorder) => Promise<void> | undefined;
}

const NO_OPERATIONS: ReadonlyMap<string, PerformanceSeries> = new Map();

const IDLE = figuresOf([], 'window', 0);

/**
 * Measures operations of components: durations in logarithmic histograms, errors and sizes, over a
 * rolling window and in total, in constant memory. Always in TypeScript: recording takes a few
 * nanoseconds, less than a call into the addon.
 *
 * @example
 * monitor.recordPerformance({ component: 'billing', operation: 'charge', durationMs: 12.5 });
 * monitor.getPerformanceStats('billing').billing.p95DurationMs; // 12.5
 */
export class PerformanceMonitorService implements Capability, EngineRecorder {
  readonly capability = 'performance_monitoring';
  private readonly alerting: PerformanceAlerts;
  private readonly logger: LogSink;
  private readonly clocks: Clocks;
  private readonly differences = new Map<string, number>();
  private readonly components = new Map<string, Map<string, PerformanceSeries>>();
  private readonly all: PerformanceSeries[] = [];
  private readonly sampling: Sampling = { on: false, rate: 0 };
  /** Replaces every series above the limit; only counts calls. */
  private readonly dropped: CallSeries = { sampled: () => this.drop(), record: () => this.drop() };
  private droppedCalls = 0;
  private readonly intervalMs: number;
  /** Ends of the intervals, oldest first: by the monotonic clock, and by the wall clock. */
  private readonly ends: number[] = [];
  private readonly shownEnds: number[] = [];
  private startMs: number;
  private timer: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly options: ResolvedMonitorOptions,
    private readonly context: PerformanceMonitorContext,
  ) {
    const { flags, logger = defaultLog() } = context;
    this.logger = logger;
    this.alerting = new PerformanceAlerts(options.alerts, (component) => this.slowAboveMs(component), logger);
    this.clocks = clocksOf(context.now);
    this.intervalMs = options.windowMs / WINDOW_INTERVALS;
    this.startMs = this.clocks.now();
    flags.onChange('performance_monitoring', () => this.applyFlag());
    this.applyFlag();
  }

  /** Whether the flag `performance_monitoring` is on. */
  get isOn(): boolean {
    return this.sampling.on;
  }

  /**
   * Calls `listener` when an alert is raised or cleared, at the end of each sixth of the window.
   * Returns a function that removes it.
   */
  onAlert(listener: (alert: PerformanceAlert) => void): () => void {
    return this.alerting.listen(listener);
  }

  /** The same alerts as an RxJS observable. */
  get alerts(): Observable<PerformanceAlert> {
    return this.alerting.stream;
  }

  /** Returns the alerts that are currently raised. */
  activeAlerts(): PerformanceAlert[] {
    return this.alerting.active();
  }

  /**
   * Returns the series of an operation, for the caller to keep. Calls beyond `maxSeries` series are
   * only counted as dropped.
   */
  series(component: string, operation: string): CallSeries {
    const found = this.components.get(component)?.get(operation);
    if (found !== undefined) return found;
    // A name that makes a timer's callback throw would end the process.
    checkString('component', component, refuseArgument);
    checkString('operation', operation, refuseArgument);
    if (this.all.length >= this.options.maxSeries) return this.dropped;
    let operations = this.components.get(component);
    if (operations === undefined) this.components.set(component, (operations = new Map<string, PerformanceSeries>()));
    const series = new PerformanceSeries(component, operation, this.sampling);
    operations.set(operation, series);
    this.all.push(series);
    this.startClock();
    return series;
  }

  /**
   * Records one call, regardless of the sample rate.
   * @throws InvalidArgumentError naming the field.
   */
  recordPerformance(record: PerformanceRecord): void {
    checkObject('record', record, refuseArgument);
    const component = checkString('component', record.component, refuseArgument);
    const operation = checkString('operation', record.operation, refuseArgument);
    const durationMs = checkNumber('durationMs', record.durationMs, { min: 0 }, refuseArgument);
    const success = optional(record.success, true, (value) => checkBoolean('success', value, refuseArgument));
    const size = (name: 'inputSize' | 'outputSize'): number => {
      const value = record[name] ?? undefined;
      return optional(value, 0, (given) => checkNumber(name, given, { min: 0 }, refuseArgument));
    };
    this.series(component, operation).record(durationMs, success, size('inputSize'), size('outputSize'));
  }

  /** Records a shadow run. Called by the engines. */
  recordShadow({ feature, operation, nativeMs, typescriptMs, native, typescript, equal }: ShadowObservation): void {
    const capability = capabilityOf(feature);
    const component = componentOf(capability, 'native');
    this.series(component, operation).record(nativeMs, !native.startsWith('threw'));
    this.series(componentOf(capability, 'typescript'), operation).record(typescriptMs, !typescript.startsWith('threw'));
    if (!equal && this.sampling.on) this.differences.set(component, (this.differences.get(component) ?? 0) + 1);
  }

  /**
   * Returns the figures of one component, or of all components with calls. Figures of one component
   * exclude on-demand comparisons.
   */
  getPerformanceStats(component?: string | null): Record<string, ComponentStats> {
    if (component !== undefined && component !== null) checkString('component', component, refuseArgument);
    this.catchUp();
    const [totalSeconds, windowSeconds] = this.seconds();
    const chosen = [...this.components].filter(([name]) => (component ?? name) === name);
    return Object.fromEntries(
      chosen.flatMap(([name, operations]): [string, ComponentStats][] => {
        const used = [...operations].map(([operation, series]): [string, OperationStats] => [
          operation,
          { ...figuresOf([series], 'total', totalSeconds), window: figuresOf([series], 'window', windowSeconds) },
        ]);
        const called = used.filter(([, { totalCalls }]) => totalCalls > 0);
        if (called.length === 0) return [];
        const own = [...operations.values()].filter(({ operation }) => !operation.startsWith(COMPARISON));
        return [[name, { ...figuresOf(own, 'total', totalSeconds), operations: Object.fromEntries(called) }]];
      }),
    );
  }

  /**
   * Compares the measurements of two components. If there are too few samples, it starts to measure
   * both engines of a capability; call it again later, or await `compareImplementationsAsync`.
   * @throws InvalidArgumentError for a name that is not a non-empty string.
   */
  compareImplementations(rustComponent: string, typescriptComponent: string): PerformanceComparison {
    const comparison = this.comparisonOf(rustComponent, typescriptComponent);
    if (comparison.enoughSamples || this.measured(rustComponent, typescriptComponent) === undefined) return comparison;
    return { ...comparison, recommendation: `${comparison.recommendation} A measurement has started; try again later.` };
  }

  /** Measures first if necessary, then compares. */
  async compareImplementationsAsync(rustComponent: string, typescriptComponent: string): Promise<PerformanceComparison> {
    const { enoughSamples } = this.comparisonOf(rustComponent, typescriptComponent);
    // The measurement does not keep the process alive, but a waiting caller does.
    const awake = setInterval(() => {}, 60_000);
    try {
      if (!enoughSamples) await this.measured(rustComponent, typescriptComponent);
    } finally {
      clearInterval(awake);
    }
    return this.comparisonOf(rustComponent, typescriptComponent);
  }

  /** Returns recommendations, the most urgent first. */
  getRecommendations(): PerformanceRecommendation[] {
    return recommend({
      stats: this.getPerformanceStats(),
      slowAboveMs: (component) => this.slowAboveMs(component),
      slowMs: this.options.slowMs,
      rolloutOf: (component) => this.rolloutOf(component),
      comparisons: this.engineComparisons(),
      differences: this.differences,
      droppedCalls: this.droppedCalls,
      maxSeries: this.options.maxSeries,
    });
  }

  /**
   * Exports the statistics as JSON (`getPerformanceStats`), or as CSV (RFC 4180) with a line for
   * each operation and component.
   * @throws InvalidArgumentError for any other format.
   */
  exportPerformanceData(component?: string | null, format: 'json' | 'csv' = 'json'): string {
    checkOneOf('format', format, ['json', 'csv'], refuseArgument);
    const stats = this.getPerformanceStats(component);
    return format === 'csv' ? toCsv(stats) : JSON.stringify(stats, null, 2);
  }

  /** Returns figures of the last 40 intervals, each a sixth of the window, for plots. */
  history(component?: string): PerformanceHistory {
    this.catchUp();
    const wanted = this.all.filter((series) => component === undefined || series.component === component);
    const series = wanted.map((each) => ({ component: each.component, operation: each.operation, ...each.history(this.ends.length) }));
    return { endMs: [...this.shownEnds], series };
  }

  /** Clears one component, or all. Active alerts remain until the next interval. */
  reset(component?: string): void {
    // Emptied, not replaced, because callers keep their series.
    for (const series of this.all) if (component === undefined || series.component === component) series.clear();
    if (component !== undefined) {
      this.differences.delete(component);
      return;
    }
    this.differences.clear();
    this.droppedCalls = 0;
    this.ends.length = this.shownEnds.length = 0;
    this.startMs = this.clocks.now();
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    return performanceMetrics(this.all, this.droppedCalls, this.alerting.active().length);
  }

  /** Runs the self-test: records known durations in an empty series and reads them. */
  health(): CapabilityHealth {
    const { length } = this.alerting.active();
    const answers = passesSelfTest();
    return {
      status: answers ? 'ok' : 'down',
      engine: 'typescript',
      reason: answers ? (this.sampling.on ? 'self-test passed' : 'disabled: nothing is recorded') : 'self-test failed: wrong percentiles',
      series: this.all.length,
      droppedCalls: this.droppedCalls,
      activeAlerts: length,
    };
  }

  /** Stops the timer of the window. Can be called more than once. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private comparisonOf(rustComponent: string, typescriptComponent: string): PerformanceComparison {
    const named = (path: string, component: string) =>
      [checkString(path, component, refuseArgument), this.components.get(component) ?? NO_OPERATIONS] as const;
    return compare(named('rustComponent', rustComponent), named('typescriptComponent', typescriptComponent));
  }

  /** Compares each native engine with its TypeScript engine, by their measurements. */
  private engineComparisons(): PerformanceComparison[] {
    const native = FEATURES.map((feature) => componentOf(capabilityOf(feature), 'native'));
    return [...new Set(native)].map((component) => this.comparisonOf(component, component.replace(/^rust_/, 'typescript_')));
  }

  private measured(rustComponent: string, typescriptComponent: string): Promise<void> | undefined {
    return this.sampling.on ? this.context.measure?.(rustComponent, typescriptComponent, this) : undefined;
  }

  private applyFlag(): void {
    const { state, breaker } = this.context.flags.flag('performance_monitoring').status();
    const share = breaker === 'closed' ? rolloutPercentage(state) / 100 : 0;
    // A rollout lowers the sample rate, because there is no request id.
    this.sampling.on = share > 0;
    this.sampling.rate = this.options.sampleRate * share;
    for (const series of this.all) series.resample();
    this.startClock();
  }

  private slowAboveMs(component: string): number | undefined {
    const feature = findFeature(component);
    return feature === undefined ? undefined : this.context.flags.flag(feature).config.performanceThresholdMs;
  }

  private rolloutOf(component: string): number | undefined {
    const feature = findFeature(component);
    return feature === undefined ? undefined : this.context.flags.flag(feature).status().rolloutPercentage;
  }

  private checkAlerts(atMs: number): void {
    if (this.options.alerts === null) return;
    try {
      const [, windowSeconds] = this.seconds();
      for (const series of this.all) {
        const figures = series.isBusy ? figuresOf([series], 'window', windowSeconds) : IDLE;
        this.alerting.check(series.component, series.operation, figures, atMs);
      }
    } catch (error) {
      this.logger.error(`Performance monitor: cannot check alerts (${errorMessage(error)})`);
    }
  }

  private drop(): false {
    if (this.sampling.on) this.droppedCalls++;
    return false;
  }

  /** Lengths of total and window, in seconds. */
  private seconds(): [number, number] {
    const nowMs = this.clocks.now();
    const windowStart = this.ends.length < WINDOW_INTERVALS ? this.startMs : this.ends[this.ends.length - WINDOW_INTERVALS];
    return [Math.max(0, nowMs - this.startMs) / 1000, Math.max(0, nowMs - windowStart) / 1000];
  }

  private startClock(): void {
    if (this.timer !== undefined || this.isClosed || !this.sampling.on || this.all.length === 0) return;
    // Weak: a monitor that is collected without close() stops its clock.
    const monitor = new WeakRef(this);
    const timer = setInterval(() => {
      const alive = monitor.deref();
      if (alive === undefined) clearInterval(timer);
      else alive.tick();
    }, this.intervalMs);
    this.timer = timer.unref();
  }

  /** An error in a timer would end the process. `checkAlerts` has logged it. */
  private tick(): void {
    try {
      this.rotate();
    } catch {
      // The next interval tries again.
    }
  }

  /** Rotates if the event loop was too busy for the timer. */
  private catchUp(): void {
    if (this.clocks.now() - (this.ends.at(-1) ?? this.startMs) >= 1.5 * this.intervalMs) this.rotate();
  }

  private rotate(): void {
    const [nowMs, atMs] = [this.clocks.now(), this.clocks.wall()];
    for (const series of this.all) series.rotate();
    this.ends.push(nowMs);
    this.shownEnds.push(atMs);
    if (this.ends.length > HISTORY_INTERVALS) {
      this.ends.shift();
      this.shownEnds.shift();
    }
    this.checkAlerts(atMs);
  }
}

/** Whether an empty series returns a recorded duration within 1 %. */
function passesSelfTest(): boolean {
  const series = new PerformanceSeries('', '', { on: true, rate: 1 });
  for (const durationMs of [1, 12.5, 3000]) series.record(durationMs);
  const { measuredCalls, p50DurationMs } = figuresOf([series], 'total', 1);
  return measuredCalls === 3 && Math.abs(p50DurationMs / 12.5 - 1) <= 0.01;
}

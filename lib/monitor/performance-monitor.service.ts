import type { Observable } from 'rxjs';
import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { clocksOf } from '../common/clock.js';
import { defaultLog } from '../common/default-log.js';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { checkBoolean, checkNumber, checkObject, checkOneOf, checkString, optional, refuseArgument } from '../common/options.js';
import type { CallRecorder, CallSeries } from '../common/recorder.js';
import { capabilityOf, componentOf, type EngineRecorder } from '../engine/engine-series.js';
import { COMPARISON } from '../engine/comparison.js';
import type { ShadowObservation } from '../engine/shadow.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { FEATURES, findFeature, rolloutPercentage } from '../feature-flags/feature-flags.options.js';
import { compare, type PerformanceComparison } from './comparison.js';
import { PerformanceAlerts, type PerformanceAlert } from './performance-alerts.js';
import { toCsv } from './performance-export.js';
import type { ResolvedMonitorOptions } from './performance-monitor.options.js';
import { performanceMetrics } from './performance-metrics.js';
import type { ComponentStats } from './series/performance-series.js';
import { recommend, type PerformanceRecommendation } from './recommendations.js';
import type { PerformanceHistory } from './series/series-history.js';
import { SeriesTable } from './series/series-table.js';

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
   * Measures two components that have too few samples; `undefined` where that is impossible or
   * already done. Default: never.
   */
  readonly measure?: (rustComponent: string, typescriptComponent: string, recorder: CallRecorder) => Promise<void> | undefined;
}

/**
 * Measures operations of components: durations in logarithmic histograms, errors and sizes, over a
 * rolling window and in total, in constant memory. Always in TypeScript: recording takes a few
 * nanoseconds, less than a call of the addon.
 *
 * @example
 * monitor.recordPerformance({ component: 'billing', operation: 'charge', durationMs: 12.5 });
 * monitor.getPerformanceStats('billing').billing.p95DurationMs; // 12.5
 */
export class PerformanceMonitorService implements Capability, EngineRecorder {
  readonly capability = 'performance_monitoring';
  private readonly table: SeriesTable;
  private readonly alerting: PerformanceAlerts;
  private readonly logger: LogSink;
  private readonly differences = new Map<string, number>();

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly options: ResolvedMonitorOptions,
    private readonly context: PerformanceMonitorContext,
  ) {
    const { flags, logger = defaultLog() } = context;
    this.logger = logger;
    this.alerting = new PerformanceAlerts(options.alerts, (component) => this.slowAboveMs(component), logger);
    this.table = new SeriesTable(options, clocksOf(context.now), (atMs) => this.checkAlerts(atMs));
    flags.onChange('performance_monitoring', () => this.applyFlag());
    this.applyFlag();
  }

  /** Whether the flag `performance_monitoring` is on. */
  get isOn(): boolean {
    return this.table.isOn;
  }

  /**
   * Calls `listener` when an alert is raised or cleared, at the end of each sixth of the window.
   * Returns a function that removes it.
   */
  onAlert(listener: (alert: PerformanceAlert) => void): () => void {
    return this.alerting.listen(listener);
  }

  /** The same as an rxjs observable. */
  get alerts(): Observable<PerformanceAlert> {
    return this.alerting.stream;
  }

  /** The alerts that are raised now. */
  activeAlerts(): PerformanceAlert[] {
    return this.alerting.active();
  }

  /**
   * The series of an operation, to be kept by the caller. Calls of more than `maxSeries` series are
   * only counted as dropped.
   */
  series(component: string, operation: string): CallSeries {
    return this.table.series(component, operation);
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
    if (!equal && this.table.isOn) this.differences.set(component, (this.differences.get(component) ?? 0) + 1);
  }

  /**
   * The figures of one component, or of all with calls. Those of a component leave out comparisons
   * on demand.
   */
  getPerformanceStats(component?: string | null): Record<string, ComponentStats> {
    if (component !== undefined && component !== null) checkString('component', component, refuseArgument);
    return this.table.stats(component ?? undefined, (operation) => operation.startsWith(COMPARISON));
  }

  /**
   * Compares two components by their measurements. With too few samples it starts to measure the
   * two engines of a capability: call it again, or wait with `compareImplementationsAsync`.
   * @throws InvalidArgumentError for a name that is empty or no string.
   */
  compareImplementations(rustComponent: string, typescriptComponent: string): PerformanceComparison {
    const comparison = this.comparisonOf(rustComponent, typescriptComponent);
    if (comparison.enoughSamples || this.measured(rustComponent, typescriptComponent) === undefined) return comparison;
    return { ...comparison, recommendation: `${comparison.recommendation} They are being measured now: ask again.` };
  }

  /** The same, after measuring. */
  async compareImplementationsAsync(rustComponent: string, typescriptComponent: string): Promise<PerformanceComparison> {
    const { enoughSamples } = this.comparisonOf(rustComponent, typescriptComponent);
    // The measurement keeps no process alive; a caller that waits for it does.
    const awake = setInterval(() => {}, 60_000);
    try {
      if (!enoughSamples) await this.measured(rustComponent, typescriptComponent);
    } finally {
      clearInterval(awake);
    }
    return this.comparisonOf(rustComponent, typescriptComponent);
  }

  /** Recommendations, the most urgent first. */
  getRecommendations(): PerformanceRecommendation[] {
    return recommend({
      stats: this.getPerformanceStats(),
      slowAboveMs: (component) => this.slowAboveMs(component),
      slowMs: this.options.slowMs,
      comparisons: this.engineComparisons(),
      differences: this.differences,
      droppedCalls: this.table.droppedCalls,
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

  /** Figures of the last 40 intervals, each a sixth of the window. For plots. */
  history(component?: string): PerformanceHistory {
    return this.table.history(component);
  }

  /** Forgets one component, or all. Raised alerts stay until the next interval. */
  reset(component?: string): void {
    this.table.reset(component);
    if (component === undefined) this.differences.clear();
    else this.differences.delete(component);
  }

  /** The current metrics of this capability. */
  metrics(): readonly MetricSample[] {
    return performanceMetrics(this.table, this.alerting.active().length);
  }

  /** Runs the self-test: records known durations in an empty series and reads them. */
  health(): CapabilityHealth {
    const { length } = this.alerting.active();
    const answers = SeriesTable.selfTest();
    return {
      status: answers ? 'ok' : 'down',
      engine: 'typescript',
      reason: answers
        ? this.table.isOn
          ? 'self-test passed'
          : 'switched off: nothing is recorded'
        : 'self-test failed: wrong percentiles',
      series: this.table.size,
      droppedCalls: this.table.droppedCalls,
      activeAlerts: length,
    };
  }

  /** Stops the clock of the window. May be called more than once. */
  close(): void {
    this.table.close();
  }

  private comparisonOf(rustComponent: string, typescriptComponent: string): PerformanceComparison {
    const named = (path: string, component: string) =>
      [checkString(path, component, refuseArgument), this.table.operations(component)] as const;
    return compare(named('rustComponent', rustComponent), named('typescriptComponent', typescriptComponent));
  }

  /** Every native engine beside the TypeScript one, by their measurements. */
  private engineComparisons(): PerformanceComparison[] {
    const native = FEATURES.map((feature) => componentOf(capabilityOf(feature), 'native'));
    return [...new Set(native)].map((component) => this.comparisonOf(component, component.replace(/^rust_/, 'typescript_')));
  }

  private measured(rustComponent: string, typescriptComponent: string): Promise<void> | undefined {
    return this.table.isOn ? this.context.measure?.(rustComponent, typescriptComponent, this) : undefined;
  }

  private applyFlag(): void {
    const { state, breaker } = this.context.flags.flag('performance_monitoring').status();
    const share = breaker === 'closed' ? rolloutPercentage(state) / 100 : 0;
    // A rollout lowers the sample rate, because there is no request id to decide by.
    this.table.sample(share > 0, this.options.sampleRate * share);
  }

  private slowAboveMs(component: string): number | undefined {
    const feature = findFeature(component);
    return feature === undefined ? undefined : this.context.flags.flag(feature).config.performanceThresholdMs;
  }

  private checkAlerts(atMs: number): void {
    if (this.options.alerts === null) return;
    try {
      this.table.forEach((component, operation, window) => this.alerting.check(component, operation, window, atMs));
    } catch (error) {
      this.logger.error(`Alerts: check failed (${errorMessage(error)})`);
    }
  }
}

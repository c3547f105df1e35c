import { custom, integer, number, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.file.js';

export const ALERTS = {
  /** Threshold for the share of failed calls, from 0 to 1. Default 0.05. */
  errorRate: number({ min: 0, max: 1, default: 0.05 }),
  /**
   * Threshold for the 95th percentile, in milliseconds. Default: none; for a feature,
   * `performanceThresholdMs`.
   */
  p95Ms: number({ min: 0 }),
  /** Minimum number of measured calls in a window. Default 100. */
  minCalls: integer({ min: 1, default: 100 }),
  /**
   * A file that alerts are appended to, as lines of JSON. Default: `alert_file` of the flags file,
   * or none.
   */
  file: string(),
};

/** Alert thresholds for the rolling window. */
export interface PerformanceAlertOptions extends OptionsOf<typeof ALERTS> {}
export type ResolvedAlertOptions = Resolved<typeof ALERTS>;

export const MONITOR = {
  /**
   * Share of calls to measure, from 0 to 1, for operations so fast that reading the clock would be
   * noticeable: token counts, rate limit decisions, selections. Requests, connections, answers of
   * providers and `recordPerformance` are always measured. Default 0.01.
   */
  sampleRate: number({ min: 0, max: 1, default: 0.01 }),
  /**
   * Length of the rolling window in milliseconds, from 60 to a day. It advances in steps of a
   * sixth; the history has 40 steps. Default 60,000.
   */
  windowMs: integer({ min: 60, max: 86_400_000, default: 60_000 }),
  /**
   * Maximum number of pairs of component and operation, up to 8 KB each; calls of further ones are
   * dropped and counted. Default 500.
   */
  maxSeries: integer({ min: 1, max: 1_000_000, default: 500 }),
  /** Average in milliseconds above which `getRecommendations` lists a component. Default 1,000. */
  slowMs: number({ min: 0, default: 1_000 }),
  /** Alert thresholds; `false`: no alerts. Default: the thresholds below. */
  alerts: custom<boolean | PerformanceAlertOptions, ResolvedAlertOptions | null>(
    'boolean or object',
    checkAlerts,
    resolveOptions(ALERTS, ''),
  ),
};

/**
 * Options of the performance monitor (`monitor`), which the flag `performance_monitoring` enables.
 */
export interface PerformanceMonitorOptions extends OptionsOf<typeof MONITOR> {}
export type ResolvedMonitorOptions = Resolved<typeof MONITOR>;

/**
 * Checks the options. Those of the flags file override them.
 * @throws InvalidConfigurationError naming the option (`monitor.alerts.errorRate`).
 */
export function resolveMonitorOptions(
  options: PerformanceMonitorOptions = {},
  { sampleRate, performanceAlerts, alertFile }: FlagsSettings['monitoring'] = {},
  path = 'monitor',
): ResolvedMonitorOptions {
  const { alerts, ...resolved } = resolveOptions(MONITOR, path, options, { over: { sampleRate } });
  if (alerts === null || performanceAlerts === false) return { ...resolved, alerts: null };
  return { ...resolved, alerts: alertFile === undefined ? alerts : { ...alerts, file: alertFile } };
}

function checkAlerts(path: string, value: unknown): ResolvedAlertOptions | null {
  return value === false ? null : resolveOptions(ALERTS, path, value === true ? {} : value);
}

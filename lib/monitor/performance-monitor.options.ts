import { custom, integer, number, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.file.js';

export const ALERTS = {
  /** Share of failed calls, from 0 to 1. Default 0.05. */
  errorRate: number({ min: 0, max: 1, default: 0.05 }),
  /** 95th percentile in milliseconds. Default: none; for a feature `performanceThresholdMs`. */
  p95Ms: number({ min: 0 }),
  /** Least measured calls of a window. Default 100. */
  minCalls: integer({ min: 1, default: 100 }),
  /** A file for alerts, as lines of JSON. Default: `alert_file` of the flags file, or none. */
  file: string(),
};

/** Thresholds of the rolling window. */
export interface PerformanceAlertOptions extends OptionsOf<typeof ALERTS> {}
export type ResolvedAlertOptions = Resolved<typeof ALERTS>;

export const MONITOR = {
  /**
   * Share of measured calls, from 0 to 1, for operations so fast that the clock would show: token
   * counts, rate limit decisions, selections. Requests, connections, answers of providers and
   * `recordPerformance` are always measured. Default 0.01.
   */
  sampleRate: number({ min: 0, max: 1, default: 0.01 }),
  /**
   * Length of the rolling window in milliseconds, from 60 to a day. It moves in sixths; the history
   * has 40 of these. Default 60,000.
   */
  windowMs: integer({ min: 60, max: 86_400_000, default: 60_000 }),
  /**
   * Most pairs of component and operation, of up to 8 KB each; calls of later ones are dropped and
   * counted. Default 500.
   */
  maxSeries: integer({ min: 1, max: 1_000_000, default: 500 }),
  /** Average in milliseconds above which `getRecommendations` names a component. Default 1,000. */
  slowMs: number({ min: 0, default: 1_000 }),
  /** `false`: no alerts. Default: with the thresholds below. */
  alerts: custom<boolean | PerformanceAlertOptions, ResolvedAlertOptions | null>(
    'boolean or object',
    checkAlerts,
    resolveOptions(ALERTS, ''),
  ),
};

/** Options of the performance monitor (`monitor`), which has the flag `performance_monitoring`. */
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

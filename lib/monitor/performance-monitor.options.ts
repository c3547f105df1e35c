import { checkInteger, checkKnownKeys, checkNumber, checkObject, checkString, joinPath, optional } from '../common/options.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.settings.js';

/** Options of the performance monitor (`monitor`), which has the flag `performance_monitoring`. */
export interface PerformanceMonitorOptions {
  /**
   * Share of measured calls, from 0 to 1, for operations so fast that the clock would show: token
   * counts, rate limit decisions, selections. Requests, connections, answers of providers and
   * `recordPerformance` are always measured. Default 0.01.
   */
  readonly sampleRate?: number;
  /**
   * Length of the rolling window in milliseconds, from 60 to a day. It moves in sixths; the history
   * has 40 of these. Default 60,000.
   */
  readonly windowMs?: number;
  /**
   * Most pairs of component and operation, of up to 8 KB each; calls of later ones are dropped and
   * counted. Default 500.
   */
  readonly maxSeries?: number;
  /** Average in milliseconds above which `getRecommendations` names a component. Default 1000. */
  readonly slowMs?: number;
  /** `false`: no alerts. Default: with the thresholds below. */
  readonly alerts?: boolean | PerformanceAlertOptions;
}

/** Thresholds of the rolling window. */
export interface PerformanceAlertOptions {
  /** Share of failed calls, from 0 to 1. Default 0.05. */
  readonly errorRate?: number;
  /** 95th percentile in milliseconds. Default: none; for a feature `performanceThresholdMs`. */
  readonly p95Ms?: number;
  /** Least measured calls of a window. Default 100. */
  readonly minCalls?: number;
  /** A file for alerts, as lines of JSON. Default: `alert_file` of the flags file, or none. */
  readonly file?: string;
}

/** The checked options, with defaults. */
export interface ResolvedMonitorOptions {
  readonly sampleRate: number;
  readonly windowMs: number;
  readonly maxSeries: number;
  readonly slowMs: number;
  readonly alerts: ResolvedAlertOptions | null;
}

export interface ResolvedAlertOptions {
  readonly errorRate: number;
  readonly p95Ms?: number;
  readonly minCalls: number;
  readonly file?: string;
}

const KNOWN: readonly (keyof PerformanceMonitorOptions)[] = ['sampleRate', 'windowMs', 'maxSeries', 'slowMs', 'alerts'];
const KNOWN_ALERTS: readonly (keyof PerformanceAlertOptions)[] = ['errorRate', 'p95Ms', 'minCalls', 'file'];
const DAY_MS = 86_400_000;
const SHARE = { min: 0, max: 1 };

/**
 * Checks the options. Those of the flags file override them.
 * @throws InvalidConfigurationError naming the option (`monitor.alerts.errorRate`).
 */
export function resolveMonitorOptions(
  options: PerformanceMonitorOptions = {},
  settings: FlagsSettings['monitoring'] = {},
  path = 'monitor',
): ResolvedMonitorOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof PerformanceMonitorOptions): string => joinPath(path, key);
  const sampleRate = optional(input.sampleRate, 0.01, (value) => checkNumber(at('sampleRate'), value, SHARE));
  const alerts = resolveAlerts(at('alerts'), input.alerts, settings.alertFile);
  return {
    sampleRate: settings.sampleRate ?? sampleRate,
    windowMs: optional(input.windowMs, 60_000, (value) => checkInteger(at('windowMs'), value, { min: 60, max: DAY_MS })),
    maxSeries: optional(input.maxSeries, 500, (value) => checkInteger(at('maxSeries'), value, { min: 1, max: 1_000_000 })),
    slowMs: optional(input.slowMs, 1000, (value) => checkNumber(at('slowMs'), value, { min: 0 })),
    alerts: settings.performanceAlerts === false ? null : alerts,
  };
}

function resolveAlerts(path: string, value: unknown, fileOfFlags: string | undefined): ResolvedAlertOptions | null {
  if (value === undefined || typeof value === 'boolean') {
    return value === false ? null : { errorRate: 0.05, minCalls: 100, file: fileOfFlags };
  }
  const input = checkObject(path, value);
  checkKnownKeys(path, input, KNOWN_ALERTS);
  const at = (key: keyof PerformanceAlertOptions): string => joinPath(path, key);
  return {
    errorRate: optional(input.errorRate, 0.05, (rate) => checkNumber(at('errorRate'), rate, SHARE)),
    p95Ms: optional(input.p95Ms, undefined, (p95) => checkNumber(at('p95Ms'), p95, { min: 0 })),
    minCalls: optional(input.minCalls, 100, (calls) => checkInteger(at('minCalls'), calls, { min: 1 })),
    file: fileOfFlags ?? optional(input.file, undefined, (file) => checkString(at('file'), file)),
  };
}

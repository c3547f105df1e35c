import { checkInteger, checkKnownKeys, checkNumber, checkObject, checkString, joinPath, optional } from '../common/options.js';
import type { FlagsSettings } from '../feature-flags/feature-flags.settings.js';

/** Options of the performance monitor: the key `monitor`. The flag `performance_monitoring` switches it on and off. */
export interface PerformanceMonitorOptions {
  /**
   * Share of the calls to measure, from 0 to 1, where a call takes so little time that the clock would show in it: token counts, rate limit decisions, picks.
   * Requests, connections and answers of providers are measured every time, and so is what `recordPerformance` is told. Default 0.01.
   */
  readonly sampleRate?: number;
  /** What rolling figures cover, in milliseconds: it moves on in sixths, and the history has 40 of those. From 60 to a day; default 60,000. */
  readonly windowMs?: number;
  /** Pairs of component and operation that are kept, of 8 KB each at most; calls of those that come later are counted as dropped. Default 500. */
  readonly maxSeries?: number;
  /** A component slower than this on average is named by `getRecommendations`, in milliseconds. Default 1000. */
  readonly slowMs?: number;
  /** `false`: no alerts. Default: at the thresholds below. */
  readonly alerts?: boolean | PerformanceAlertOptions;
}

/** When the rolling window gives alarm. */
export interface PerformanceAlertOptions {
  /** Share of failed calls, from 0 to 1. Default 0.05. */
  readonly errorRate?: number;
  /** 95th percentile of any operation, in milliseconds. Default: none; of a feature its own `performanceThresholdMs`. */
  readonly p95Ms?: number;
  /** Measured calls that a window must have. Default 100. */
  readonly minCalls?: number;
  /** A file that gets a line of JSON for each alert. Default: none; of the flags' file its `alert_file`. */
  readonly file?: string;
}

/** The options, checked and complete. */
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
 * Checks the options. What the flags' file says goes before them.
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

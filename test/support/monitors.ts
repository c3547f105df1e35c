import type { FeatureFlagsOptions } from '../../lib/feature-flags/feature-flags.options.js';
import { FeatureFlagsService } from '../../lib/feature-flags/feature-flags.service.js';
import { resolveMonitorOptions, type PerformanceMonitorOptions } from '../../lib/monitor/performance-monitor.options.js';
import { PerformanceMonitorService, type PerformanceRecord } from '../../lib/monitor/performance-monitor.service.js';

/** Where the clock of `useMonitors` begins. */
export const START_MS = 1_000_000;

const monitors: PerformanceMonitorService[] = [];

/** What monitors have logged in the present test. */
export const lines: string[] = [];
const write = (line: string): void => void lines.push(line);
const logger = { log: write, warn: write, error: write };

/** Gives every test of a file a clock that stands still, and closes the monitors that it opens. */
export function useMonitors(): void {
  beforeEach(() => {
    jest.useFakeTimers({ now: START_MS });
    lines.length = 0;
  });
  afterEach(() => {
    for (const monitor of monitors.splice(0)) monitor.close();
    jest.useRealTimers();
  });
}

export function openMonitor(options: PerformanceMonitorOptions = {}, flagOptions: FeatureFlagsOptions = {}): PerformanceMonitorService {
  const flags = new FeatureFlagsService(flagOptions, { env: {}, logger });
  const monitor = new PerformanceMonitorService(resolveMonitorOptions(options, flags.settings.monitoring), {
    flags,
    logger,
  });
  monitors.push(monitor);
  return monitor;
}

/** Records a call several times. Default: component `c`, operation `o`, 1 ms. */
export function record(monitor: PerformanceMonitorService, times: number, call: Partial<PerformanceRecord>): void {
  for (let i = 0; i < times; i++) monitor.recordPerformance({ component: 'c', operation: 'o', durationMs: 1, ...call });
}

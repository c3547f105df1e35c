import { sampleOf, type MetricSample } from '../common/capability.js';
import { countsOf, percentilesOf, type PerformanceSeries } from './series/performance-series.js';

/** Samples of calls, errors, durations and rolling percentiles of every operation. */
export function performanceMetrics(all: readonly PerformanceSeries[], droppedCalls: number, activeAlerts: number): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const series of all) {
    const { labels, percentileLabels } = series;
    const { totalCalls, errorCount, totalDurationMs } = countsOf(series);
    samples.push(
      sampleOf('calls_total', 'Calls of an operation, measured or not.', 'counter', totalCalls, labels),
      sampleOf('call_errors_total', 'Measured calls that failed.', 'counter', errorCount, labels),
      sampleOf('call_seconds_total', 'Duration of the measured calls.', 'counter', totalDurationMs / 1000, labels),
    );
    const help = 'Percentiles of the measured calls in the rolling window.';
    // Without measured calls, no sample is exported, because a graph would show 0.
    percentilesOf(series)?.forEach((ms, index) =>
      samples.push({ ...sampleOf('call_duration_seconds', help, 'gauge', ms / 1000, percentileLabels[index]), addsUp: false }),
    );
  }
  const help = 'Calls not recorded, because monitor.maxSeries was reached.';
  samples.push(
    sampleOf('monitor_series', 'Pairs of component and operation.', 'gauge', all.length),
    sampleOf('monitor_dropped_calls_total', help, 'counter', droppedCalls),
    sampleOf('monitor_active_alerts', 'Raised alerts.', 'gauge', activeAlerts),
  );
  return samples;
}

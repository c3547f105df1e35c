import type { MetricSample } from '../common/capability.js';
import { countsOf, percentilesOf, type PerformanceSeries } from './series/performance-series.js';

/** Samples of calls, errors, durations and rolling percentiles of every operation. */
export function performanceMetrics(all: readonly PerformanceSeries[], droppedCalls: number, activeAlerts: number): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const series of all) {
    const { labels, percentileLabels } = series;
    const { totalCalls, errorCount, totalDurationMs } = countsOf(series);
    samples.push(
      { name: 'calls_total', help: 'Calls of an operation, measured or not.', type: 'counter', value: totalCalls, labels },
      { name: 'call_errors_total', help: 'Measured calls that failed.', type: 'counter', value: errorCount, labels },
      { name: 'call_seconds_total', help: 'Duration of the measured calls.', type: 'counter', value: totalDurationMs / 1000, labels },
    );
    // Without measured calls there is no sample, because a graph would draw 0.
    percentilesOf(series)?.forEach((ms, index) => {
      samples.push({
        name: 'call_duration_seconds',
        help: 'Percentiles of the measured calls in the rolling window.',
        type: 'gauge',
        value: ms / 1000,
        labels: percentileLabels[index],
        addsUp: false,
      });
    });
  }
  samples.push(
    { name: 'monitor_series', help: 'Pairs of component and operation.', type: 'gauge', value: all.length },
    {
      name: 'monitor_dropped_calls_total',
      help: 'Calls not recorded, because monitor.maxSeries was reached.',
      type: 'counter',
      value: droppedCalls,
    },
    { name: 'monitor_active_alerts', help: 'Raised alerts.', type: 'gauge', value: activeAlerts },
  );
  return samples;
}

import type { MetricSample } from '../common/capability.js';
import { countsOf, percentilesOf } from './series/performance-series.js';
import type { SeriesTable } from './series/series-table.js';

/** Calls, errors, seconds and rolling percentiles of every operation. */
export function performanceMetrics(table: SeriesTable, activeAlerts: number): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const series of table.all()) {
    const { labels, percentileLabels } = series;
    const { totalCalls, errorCount, totalDurationMs } = countsOf(series);
    samples.push(
      { name: 'calls_total', help: 'Calls of an operation, measured or not.', type: 'counter', value: totalCalls, labels },
      { name: 'call_errors_total', help: 'Measured calls that failed.', type: 'counter', value: errorCount, labels },
      { name: 'call_seconds_total', help: 'Time that the measured calls took.', type: 'counter', value: totalDurationMs / 1000, labels },
    );
    // Nothing measured is no duration, and 0 would be drawn as one.
    percentilesOf(series)?.forEach((ms, index) => {
      samples.push({
        name: 'call_duration_seconds',
        help: 'Percentiles of the measured calls of the rolling window.',
        type: 'gauge',
        value: ms / 1000,
        labels: percentileLabels[index],
        addsUp: false,
      });
    });
  }
  samples.push(
    { name: 'monitor_series', help: 'Pairs of component and operation that are kept.', type: 'gauge', value: table.size },
    { name: 'monitor_dropped_calls_total', help: 'Calls not kept: maxSeries was reached.', type: 'counter', value: table.droppedCalls },
    { name: 'monitor_active_alerts', help: 'Alerts that are raised.', type: 'gauge', value: activeAlerts },
  );
  return samples;
}

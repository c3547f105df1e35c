import { COMPARISON } from '../engine/comparison.js';
import { rankOf } from './dashboard.snapshot.js';
import type { PerformanceHistory } from '../monitor/series/performance-series.js';
import { words } from './number-format.js';

/** The columns of one operation. Durations in milliseconds; `null` if nothing was measured. */
export interface PlotSeries {
  readonly id: string;
  readonly label: string;
  readonly perSecond: readonly (number | null)[];
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

export interface PlotData {
  /** Ends of the intervals, in seconds since 1970. */
  readonly times: readonly number[];
  /** Whole requests before engines, the busiest first. */
  readonly series: readonly PlotSeries[];
}

const SHOWN_SERIES = 16;

/** The history of the busiest operations. */
export function plotData({ endMs, series }: PerformanceHistory): PlotData {
  const seconds = endMs.map((end, at) => ((at > 0 ? end - endMs[at - 1] : endMs.length > 1 ? endMs[1] - endMs[0] : 0) || 1000) / 1000);
  const called = series
    .map((entry) => ({ entry, total: entry.calls.reduce((sum, calls) => sum + calls, 0) }))
    .filter(({ entry, total }) => total > 0 && !entry.operation.startsWith(COMPARISON))
    .sort((a, b) => rankOf(a.entry.component) - rankOf(b.entry.component) || b.total - a.total);
  return {
    times: endMs.map((end) => end / 1000),
    series: called.slice(0, SHOWN_SERIES).map(({ entry }) => ({
      id: `${entry.component}/${entry.operation}`,
      label: `${words(entry.component)}, ${words(entry.operation)}`,
      perSecond: entry.calls.map((calls, at) => rounded(calls / seconds[at])),
      p50: entry.p50DurationMs.map(rounded),
      p95: entry.p95DurationMs.map(rounded),
      p99: entry.p99DurationMs.map(rounded),
    })),
  };
}

function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4));
}

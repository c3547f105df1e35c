import type { PerformanceComparison } from './comparison.js';
import type { ComponentStats } from './series/performance-series.js';

/** A recommendation derived from measurements. */
export interface PerformanceRecommendation {
  readonly type: 'high_error_rate' | 'slow_performance' | 'native_slower' | 'engines_differ' | 'low_usage' | 'series_dropped';
  readonly component: string;
  readonly message: string;
  readonly priority: 'high' | 'medium' | 'low';
  readonly suggestion: string;
}

/** The measurements that recommendations are made from. */
export interface Evidence {
  readonly stats: Readonly<Record<string, ComponentStats>>;
  /** The threshold of a component; overrides `slowMs`. */
  readonly slowAboveMs: (component: string) => number | undefined;
  readonly slowMs: number;
  /** The rollout percentage of a component with a feature flag. */
  readonly rolloutOf: (component: string) => number | undefined;
  /** Compares each native engine with its TypeScript engine, by their measurements. */
  readonly comparisons: readonly PerformanceComparison[];
  /** Shadow runs with different answers, by component. */
  readonly differences: ReadonlyMap<string, number>;
  readonly droppedCalls: number;
  readonly maxSeries: number;
}

const MANY_CALLS = 100;
const FEW_CALLS = 10;
const MUCH = 0.05;
/** A smaller factor is noise. */
const SLOWER = 1.15;
const MUCH_SLOWER = 2;
const PRIORITIES = ['high', 'medium', 'low'];

/** Recommendations, the most urgent first. */
export function recommend(evidence: Evidence): PerformanceRecommendation[] {
  const { stats, comparisons, differences, droppedCalls, maxSeries } = evidence;
  const found: PerformanceRecommendation[] = Object.entries(stats).flatMap(([component, figures]) =>
    ofComponent(component, figures, evidence),
  );
  for (const { rustComponent, operations, speedup } of comparisons) {
    if (speedup === null || speedup * SLOWER > 1) continue;
    const factor = 1 / speedup;
    found.push({
      type: 'native_slower',
      component: rustComponent,
      message: `${rustComponent}: the native engine takes ${factor.toPrecision(3)} times as long as TypeScript (${operations.join(', ')})`,
      priority: factor >= MUCH_SLOWER ? 'medium' : 'low',
      suggestion: 'Rebuild the addon for this machine; if it stays slower, disable the feature',
    });
  }
  for (const [component, count] of differences) {
    found.push({
      type: 'engines_differ',
      component,
      message: `${component}: ${count} shadow runs differ from TypeScript`,
      priority: 'high',
      suggestion: 'Keep the feature in shadow mode and report the difference',
    });
  }
  if (droppedCalls > 0) {
    found.push({
      type: 'series_dropped',
      component: 'performance_monitoring',
      message: `${droppedCalls} calls dropped: more than ${maxSeries} pairs of component and operation`,
      priority: 'medium',
      suggestion: 'Use names from a bounded set, or raise monitor.maxSeries',
    });
  }
  return found.sort((a, b) => PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority));
}

function ofComponent(component: string, figures: ComponentStats, evidence: Evidence): PerformanceRecommendation[] {
  const { slowAboveMs, slowMs, rolloutOf } = evidence;
  const { totalCalls, measuredCalls, errorRate, totalDurationMs, maxDurationMs } = figures;
  const found: PerformanceRecommendation[] = [];
  if (measuredCalls > MANY_CALLS && errorRate > MUCH) {
    found.push({
      type: 'high_error_rate',
      component,
      message: `${component}: ${(errorRate * 100).toFixed(1)} % of the calls fail`,
      priority: 'high',
      suggestion: 'Find the cause of the errors; until then, send traffic elsewhere',
    });
  }
  const threshold = slowAboveMs(component) ?? slowMs;
  // The first call may load a vocabulary or open a connection.
  const steadyMs = (totalDurationMs - maxDurationMs) / Math.max(1, measuredCalls - 1);
  if (measuredCalls >= FEW_CALLS && steadyMs > threshold) {
    found.push({
      type: 'slow_performance',
      component,
      message: `${component}: a call takes ${steadyMs.toFixed(1)} ms on average (threshold ${threshold} ms)`,
      priority: 'medium',
      suggestion: 'Reduce the input of the operation with the highest percentiles, or run more of these operations in parallel',
    });
  }
  if (totalCalls > 0 && totalCalls < FEW_CALLS) {
    const rollout = rolloutOf(component) ?? 100;
    const advice = rollout < 100 ? `Raise its rollout percentage (now ${rollout})` : 'Wait for more calls';
    found.push({
      type: 'low_usage',
      component,
      message: `${component}: only ${totalCalls} calls so far`,
      priority: 'low',
      suggestion: `${advice}; too few for meaningful figures`,
    });
  }
  return found;
}

import type { SpeedVerdict } from '../engine/engine-speeds.js';
import type { ComponentStats } from './series/performance-series.js';

/** Something that could be better, by what was measured. */
export interface PerformanceRecommendation {
  readonly type: 'high_error_rate' | 'slow_performance' | 'native_slower' | 'engines_differ' | 'low_usage' | 'series_dropped';
  readonly component: string;
  readonly message: string;
  readonly priority: 'high' | 'medium' | 'low';
  readonly suggestion: string;
}

/** What recommendations are made from. */
export interface Evidence {
  readonly stats: Readonly<Record<string, ComponentStats>>;
  /** A component's own idea of slow, before `slowMs`. */
  readonly slowAboveMs: (component: string) => number | undefined;
  readonly slowMs: number;
  readonly verdicts: readonly SpeedVerdict[];
  /** Shadow runs with unequal answers, by component. */
  readonly differences: ReadonlyMap<string, number>;
  readonly droppedCalls: number;
  readonly maxSeries: number;
}

const MANY_CALLS = 100;
const FEW_CALLS = 10;
const MUCH = 0.05;
const MUCH_SLOWER = 2;
const PRIORITIES = ['high', 'medium', 'low'];

/** The most urgent first. */
export function recommend(evidence: Evidence): PerformanceRecommendation[] {
  const { stats, verdicts, differences, droppedCalls, maxSeries } = evidence;
  const found: PerformanceRecommendation[] = Object.entries(stats).flatMap(([component, figures]) =>
    ofComponent(component, figures, evidence),
  );
  for (const { component, kind, nativeMs, typescriptMs, source } of verdicts) {
    found.push({
      type: 'native_slower',
      component,
      message: `${component}: the native engine takes ${(nativeMs / typescriptMs).toPrecision(3)} times as long as TypeScript for ${kind} (${source})`,
      priority: nativeMs >= MUCH_SLOWER * typescriptMs ? 'medium' : 'low',
      suggestion:
        'TypeScript answers these where the choice is automatic: nothing to be done, unless it was much faster before. Then rebuild the addon for this machine',
    });
  }
  for (const [component, count] of differences) {
    found.push({
      type: 'engines_differ',
      component,
      message: `${component}: ${count} shadow runs gave another answer than TypeScript`,
      priority: 'high',
      suggestion: 'Keep the feature in shadow and report the difference',
    });
  }
  if (droppedCalls > 0) {
    found.push({
      type: 'series_dropped',
      component: 'performance_monitoring',
      message: `${droppedCalls} calls were dropped: there are more than ${maxSeries} pairs of component and operation`,
      priority: 'medium',
      suggestion: 'Use names from a bounded set, or raise monitor.maxSeries',
    });
  }
  return found.sort((a, b) => PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority));
}

function ofComponent(component: string, figures: ComponentStats, { slowAboveMs, slowMs }: Evidence): PerformanceRecommendation[] {
  const { totalCalls, measuredCalls, errorRate, averageDurationMs } = figures;
  const found: PerformanceRecommendation[] = [];
  if (measuredCalls > MANY_CALLS && errorRate > MUCH) {
    found.push({
      type: 'high_error_rate',
      component,
      message: `${component}: ${(errorRate * 100).toFixed(1)} % of the calls fail`,
      priority: 'high',
      suggestion: 'Look for the cause of the errors; until then keep traffic away from what fails',
    });
  }
  const threshold = slowAboveMs(component) ?? slowMs;
  if (measuredCalls > 0 && averageDurationMs > threshold) {
    found.push({
      type: 'slow_performance',
      component,
      message: `${component}: a call takes ${averageDurationMs.toFixed(1)} ms on average (threshold ${threshold} ms)`,
      priority: 'medium',
      suggestion: 'Look at the operation with the highest percentiles; give it less work at a time, or more of them at once',
    });
  }
  if (totalCalls > 0 && totalCalls < FEW_CALLS) {
    found.push({
      type: 'low_usage',
      component,
      message: `${component}: only ${totalCalls} calls so far`,
      priority: 'low',
      suggestion: 'Raise its share if it is being rolled out; its figures mean little yet',
    });
  }
  return found;
}

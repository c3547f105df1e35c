import { figuresOf, type CallFigures, type PerformanceSeries } from './series/performance-series.js';

/** Least measured calls of each side. */
const MIN_COMPARED_CALLS = 20;

/** Comparison of the measurements of two implementations. */
export interface PerformanceComparison {
  readonly rustComponent: string;
  readonly typescriptComponent: string;
  /** Whether both sides have enough measured calls. Otherwise every ratio is `null`. */
  readonly enoughSamples: boolean;
  /** Operations with enough calls on both sides. Empty: all operations were compared. */
  readonly operations: readonly string[];
  readonly rust: CallFigures;
  readonly typescript: CallFigures;
  readonly rustAvgMs: number;
  readonly typescriptAvgMs: number;
  /** How many times faster `rust` is on average; operations are weighted by the calls of `rust`. */
  readonly speedup: number | null;
  /** `(speedup - 1) * 100`. */
  readonly improvementPercentage: number | null;
  /** The same ratio for percentiles. */
  readonly p50Speedup: number | null;
  readonly p95Speedup: number | null;
  readonly p99Speedup: number | null;
  /** One sentence. */
  readonly recommendation: string;
}

type Operations = ReadonlyMap<string, PerformanceSeries>;

/** Compares operations with enough calls on both sides; without any, all of them. */
export function compare(
  [rustComponent, rustSeries]: readonly [string, Operations],
  [typescriptComponent, typescriptSeries]: readonly [string, Operations],
): PerformanceComparison {
  const enough = (series: PerformanceSeries | undefined): boolean =>
    series !== undefined && figuresOf([series], 'total', 0).measuredCalls >= MIN_COMPARED_CALLS;
  const operations = [...rustSeries.keys()].filter((name) => enough(rustSeries.get(name)) && enough(typescriptSeries.get(name)));
  const chosen = (all: Operations): PerformanceSeries[] =>
    [...all].filter(([name]) => operations.length === 0 || operations.includes(name)).map(([, series]) => series);
  const rust = figuresOf(chosen(rustSeries), 'total', 0);
  const typescript = figuresOf(chosen(typescriptSeries), 'total', 0);
  const both = { rustComponent, typescriptComponent, operations, rust, typescript };
  const averages = { rustAvgMs: rust.averageDurationMs, typescriptAvgMs: typescript.averageDurationMs };
  const fewest = Math.min(rust.measuredCalls, typescript.measuredCalls);
  if (fewest < MIN_COMPARED_CALLS) {
    const side = rust.measuredCalls === fewest ? rustComponent : typescriptComponent;
    const recommendation = `Too few samples: ${side} has ${fewest} of the ${MIN_COMPARED_CALLS} measured calls that a comparison requires.`;
    const none = { speedup: null, improvementPercentage: null, p50Speedup: null, p95Speedup: null, p99Speedup: null };
    return { ...both, ...averages, enoughSamples: false, ...none, recommendation };
  }
  const speedup =
    operations.length === 0
      ? ratio(typescript.averageDurationMs, rust.averageDurationMs)
      : weighted(operations, rustSeries, typescriptSeries);
  return {
    ...both,
    ...averages,
    enoughSamples: true,
    speedup,
    improvementPercentage: (speedup - 1) * 100,
    p50Speedup: ratio(typescript.p50DurationMs, rust.p50DurationMs),
    p95Speedup: ratio(typescript.p95DurationMs, rust.p95DurationMs),
    p99Speedup: ratio(typescript.p99DurationMs, rust.p99DurationMs),
    recommendation: advice(rustComponent, typescriptComponent, speedup),
  };
}

/** The ratio as if both sides had made the calls of `rust`. */
function weighted(operations: readonly string[], rustSeries: Operations, typescriptSeries: Operations): number {
  let [rustMs, typescriptMs] = [0, 0];
  for (const name of operations) {
    const rust = figuresOf([rustSeries.get(name)!], 'total', 0);
    const typescript = figuresOf([typescriptSeries.get(name)!], 'total', 0);
    rustMs += rust.totalDurationMs;
    typescriptMs += typescript.averageDurationMs * rust.measuredCalls;
  }
  return ratio(typescriptMs, rustMs);
}

function ratio(typescript: number, rust: number): number {
  return typescript === rust ? 1 : typescript / rust;
}

function advice(rust: string, typescript: string, speedup: number): string {
  if (speedup >= 1.1) return `Use ${rust}: it is ${speedup.toPrecision(3)} times as fast as ${typescript}.`;
  if (speedup <= 1 / 1.1) return `Use ${typescript}: it is ${(1 / speedup).toPrecision(3)} times as fast as ${rust}.`;
  return `Either: ${rust} and ${typescript} are equally fast within 10 %.`;
}

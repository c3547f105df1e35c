import { plotData } from './plot-data.js';

const entry = (component: string, operation: string, calls: number[]) => ({
  component,
  operation,
  calls,
  p50DurationMs: calls.map((count) => (count > 0 ? 1.23456 : null)),
  p95DurationMs: calls.map(() => null),
  p99DurationMs: calls.map(() => null),
  maxDurationMs: calls.map(() => null),
  averageDurationMs: calls.map(() => null),
  errorRate: calls.map(() => null),
});

describe('plotData', () => {
  it('sorts whole requests before engines, the busiest first, and leaves out comparisons on demand', () => {
    const history = {
      endMs: [2000, 4000],
      series: [
        entry('rust_routing', 'pick', [900, 900]),
        entry('rust_routing', 'comparison_choose', [24, 0]),
        entry('http', 'GET /quiet', [1, 0]),
        entry('http', 'POST /busy', [10, 30]),
        entry('typescript_rate_limiting', 'check', [0, 0]),
      ],
    };
    const { times, series } = plotData(history);
    expect(times).toEqual([2, 4]);
    expect(series.map(({ id }) => id)).toEqual(['http/POST /busy', 'http/GET /quiet', 'rust_routing/pick']);
    expect(series[0]).toMatchObject({ perSecond: [5, 15], p50: [1.235, 1.235], p95: [null, null] });
    expect(series[1].p50).toEqual([1.235, null]);
  });
});

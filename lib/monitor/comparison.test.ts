import { openMonitor as open, record, useMonitors } from '../../test/support/monitors.js';

useMonitors();

describe('compareImplementations', () => {
  it('returns both sides, their ratio and a recommendation', () => {
    const monitor = open();
    record(monitor, 30, { component: 'rust_routing', operation: 'pick', durationMs: 2 });
    record(monitor, 30, { component: 'typescript_routing', operation: 'pick', durationMs: 5 });
    expect(monitor.compareImplementations('rust_routing', 'typescript_routing')).toMatchObject({
      enoughSamples: true,
      operations: ['pick'],
      rust: { measuredCalls: 30, averageDurationMs: 2 },
      typescript: { averageDurationMs: 5 },
      rustAvgMs: 2,
      typescriptAvgMs: 5,
      speedup: 2.5,
      improvementPercentage: 150,
      p50Speedup: 2.5,
      p99Speedup: 2.5,
      recommendation: 'Use rust_routing: it is 2.50 times as fast as typescript_routing.',
    });
    expect(monitor.compareImplementations('typescript_routing', 'rust_routing').recommendation).toContain('Use rust_routing: it is 2.50');
  });

  it('ignores an operation of one side only', () => {
    const monitor = open();
    record(monitor, 40, { component: 'r', operation: 'small', durationMs: 1 });
    record(monitor, 20, { component: 'r', operation: 'large', durationMs: 10 });
    record(monitor, 20, { component: 't', operation: 'small', durationMs: 2 });
    record(monitor, 20, { component: 't', operation: 'large', durationMs: 10 });
    record(monitor, 500, { component: 'r', operation: 'other', durationMs: 1000 });
    // 40 * 2 + 20 * 10 over 40 * 1 + 20 * 10
    expect(monitor.compareImplementations('r', 't').speedup).toBeCloseTo(280 / 240, 10);
  });

  it('reports too few samples', () => {
    const monitor = open();
    record(monitor, 30, { component: 'r' });
    record(monitor, 19, { component: 't' });
    const none = { speedup: null, improvementPercentage: null, p95Speedup: null };
    expect(monitor.compareImplementations('r', 't')).toMatchObject({
      enoughSamples: false,
      ...none,
      recommendation: /^Too few samples: t has 19/,
    });
    expect(monitor.compareImplementations('r', 'unknown')).toMatchObject({ enoughSamples: false, typescript: { totalCalls: 0 } });
    expect(() => monitor.compareImplementations('', 't')).toThrow(expect.objectContaining({ path: 'rustComponent' }));
  });
});

describe('shadow runs', () => {
  const observation = {
    feature: 'batch_token_counting',
    operation: 'count_batch',
    typescriptMs: 8,
    nativeMs: 2,
    equal: true,
    typescript: '3',
    native: '3',
  };

  it('are recorded under both components, and differences reported', () => {
    const monitor = open();
    for (let i = 0; i < 25; i++) monitor.recordShadow(observation);
    monitor.recordShadow({ ...observation, equal: false, native: 'threw Error' });
    expect(monitor.compareImplementations('rust_token_counting', 'typescript_token_counting')).toMatchObject({
      operations: ['count_batch'],
      speedup: 4,
      rust: { errorCount: 1 },
      typescript: { errorCount: 0 },
    });
    expect(monitor.getRecommendations()).toContainEqual(
      expect.objectContaining({ type: 'engines_differ', component: 'rust_token_counting' }),
    );
    monitor.reset();
    expect(monitor.getRecommendations()).toEqual([]);
  });
});

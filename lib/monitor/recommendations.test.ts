import { openMonitor as open, record, useMonitors } from '../../test/support/monitors.js';

useMonitors();

describe('getRecommendations', () => {
  it.each([
    ['high_error_rate', 'high', { times: 101, fails: 6 }],
    ['slow_performance', 'medium', { times: 10, durationMs: 1001 }],
    ['low_usage', 'low', { times: 9 }],
  ])('%s', (type, priority, { times, fails = 0, durationMs = 1 }: { times: number; fails?: number; durationMs?: number }) => {
    const monitor = open();
    record(monitor, times - fails, { durationMs });
    record(monitor, fails, { success: false });
    const found = monitor.getRecommendations();
    expect(found).toEqual([
      { type, priority, component: 'c', message: expect.stringMatching(/^c: /) as string, suggestion: expect.any(String) as string },
    ]);
  });

  it('is empty for healthy components and for too few calls', () => {
    const monitor = open();
    record(monitor, 100, { success: false });
    expect(monitor.getRecommendations()).toEqual([]);
    record(open(), 0, {});
  });

  it('uses the threshold of a feature', () => {
    const monitor = open({}, { features: { rust_routing: { performanceThresholdMs: 5 } } });
    record(monitor, 10, { component: 'rust_routing', durationMs: 6 });
    expect(monitor.getRecommendations()).toMatchObject([{ type: 'slow_performance', message: /threshold 5 ms/ }]);
  });

  it('does not report a slow first call, which loads what later calls use', () => {
    const monitor = open({}, { features: { rust_token_counting: { performanceThresholdMs: 1 } } });
    record(monitor, 1, { component: 'rust_token_counting', durationMs: 40 });
    expect(monitor.getRecommendations().map(({ type }) => type)).toEqual(['low_usage']);
    record(monitor, 19, { component: 'rust_token_counting', durationMs: 0.02 });
    expect(monitor.getRecommendations()).toEqual([]);
  });

  it.each([
    ['enabled', 'Wait for more calls; too few for meaningful figures'],
    ['rollout:25', 'Raise its rollout percentage (now 25); too few for meaningful figures'],
  ] as const)('suggests a higher rollout only below a full one: %s', (state, suggestion) => {
    const monitor = open({}, { features: { rust_routing: { state } } });
    record(monitor, 3, { component: 'rust_routing' });
    expect(monitor.getRecommendations()).toMatchObject([{ type: 'low_usage', suggestion }]);
  });

  it('sorts by priority', () => {
    const monitor = open({ maxSeries: 2 });
    record(monitor, 5, {});
    record(monitor, 200, { component: 'd', success: false });
    record(monitor, 1, { component: 'e' });
    expect(monitor.getRecommendations().map(({ priority }) => priority)).toEqual(['high', 'medium', 'low']);
  });

  it.each([
    [3, 'low'],
    [4, 'medium'],
    [2.2, undefined],
  ])('names a native engine that was recorded to take %d ms where TypeScript takes 2', (durationMs, priority) => {
    const monitor = open();
    record(monitor, 30, { component: 'rust_routing', operation: 'pick', durationMs });
    record(monitor, 30, { component: 'typescript_routing', operation: 'pick', durationMs: 2 });
    const message = `rust_routing: the native engine takes ${(durationMs / 2).toPrecision(3)} times as long as TypeScript (pick)`;
    const expected = priority === undefined ? [] : [{ type: 'native_slower', component: 'rust_routing', message, priority }];
    expect(monitor.getRecommendations()).toMatchObject(expected);
  });
});

import { openMonitor as open, record, useMonitors } from '../../test/support/monitors.js';

useMonitors();

describe('recordPerformance', () => {
  it('records by component and operation', () => {
    const monitor = open();
    record(monitor, 3, { inputSize: 10, outputSize: 2 });
    record(monitor, 1, { operation: 'p', durationMs: 5, success: false });
    record(monitor, 1, { component: 'd' });
    jest.advanceTimersByTime(2000);
    const stats = monitor.getPerformanceStats();
    expect(Object.keys(stats)).toEqual(['c', 'd']);
    expect(stats.c).toMatchObject({
      totalCalls: 4,
      errorCount: 1,
      averageDurationMs: 2,
      maxDurationMs: 5,
      throughputPerSecond: 2,
      totalInputSize: 30,
      totalOutputSize: 6,
    });
    expect(stats.c.operations.o).toMatchObject({ totalCalls: 3, p50DurationMs: 1, window: { totalCalls: 3 } });
    expect(monitor.getPerformanceStats('d')).toEqual({ d: stats.d });
    expect(monitor.getPerformanceStats('unknown')).toEqual({});
  });

  it.each([
    ['component', { component: '' }],
    ['operation', { operation: 7 }],
    ['durationMs', { durationMs: -1 }],
    ['durationMs', { durationMs: NaN }],
    ['durationMs', { durationMs: '5' }],
    ['success', { success: 'yes' }],
    ['inputSize', { inputSize: -1 }],
    ['outputSize', { outputSize: Infinity }],
  ])('rejects an invalid %s and records nothing', (path, wrong) => {
    const monitor = open();
    expect(() => record(monitor, 1, wrong as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', path }));
    expect(monitor.getPerformanceStats()).toEqual({});
  });

  it('accepts names of built-in properties', () => {
    const monitor = open();
    record(monitor, 1, { component: '__proto__', operation: 'constructor' });
    expect(Object.keys(monitor.getPerformanceStats())).toEqual(['__proto__']);
  });

  it('keeps a million components within the limit, and counts dropped calls', () => {
    const monitor = open({ maxSeries: 50 });
    for (let i = 0; i < 1_000_000; i++) monitor.recordPerformance({ component: `c${i}`, operation: 'o', durationMs: 1 });
    expect(Object.keys(monitor.getPerformanceStats())).toHaveLength(50);
    expect(monitor.health()).toMatchObject({ status: 'ok', series: 50, droppedCalls: 999_950 });
    expect(monitor.metrics().find(({ name }) => name === 'monitor_dropped_calls_total')?.value).toBe(999_950);
    expect(monitor.getRecommendations()).toContainEqual(expect.objectContaining({ type: 'series_dropped', priority: 'medium' }));
  });
});

describe('the flag', () => {
  it.each(['disabled', 'shadow', 'canary:0'] as const)('%s records nothing', (state) => {
    const monitor = open({ sampleRate: 1 }, { features: { performance_monitoring: state } });
    record(monitor, 5, {});
    const series = monitor.series('c', 'hot');
    expect(series.sampled()).toBe(false);
    series.record(1);
    expect(monitor.getPerformanceStats()).toEqual({});
    expect(jest.getTimerCount()).toBe(0);
    expect(monitor.health()).toMatchObject({ status: 'ok', reason: expect.stringContaining('disabled') as string });
  });

  it('rollout:N lowers the sample rate', () => {
    const series = open({ sampleRate: 0.5 }, { features: { performance_monitoring: 'rollout:20' } }).series('c', 'o');
    let measured = 0;
    for (let i = 0; i < 50_000; i++) if (series.sampled()) measured++;
    expect(measured / 50_000).toBeGreaterThan(0.08);
    expect(measured / 50_000).toBeLessThan(0.12);
  });
});

describe('the rolling window', () => {
  it('moves in sixths, and the total does not', () => {
    const monitor = open({ windowMs: 6000 });
    record(monitor, 6, { durationMs: 10 });
    jest.advanceTimersByTime(3000);
    record(monitor, 3, { durationMs: 20 });
    jest.advanceTimersByTime(2000);
    expect(monitor.getPerformanceStats().c.operations.o.window).toMatchObject({ totalCalls: 9, maxDurationMs: 20 });
    jest.advanceTimersByTime(2000);
    expect(monitor.getPerformanceStats().c.operations.o.window).toMatchObject({
      totalCalls: 3,
      minDurationMs: 20,
      throughputPerSecond: 0.6,
    });
    jest.advanceTimersByTime(60_000);
    expect(monitor.getPerformanceStats().c.operations.o).toMatchObject({ totalCalls: 9, window: { totalCalls: 0, p99DurationMs: 0 } });
  });

  it('has a history of columns, the oldest first, of constant length', () => {
    const monitor = open({ windowMs: 6000 });
    for (let interval = 0; interval < 60; interval++) {
      if (interval % 2 === 0) record(monitor, 10, { durationMs: interval + 1, success: interval !== 58 });
      jest.advanceTimersByTime(1000);
    }
    record(monitor, 1, { component: 'late' });
    const { endMs, series } = monitor.history('c');
    expect(endMs).toHaveLength(40);
    expect(endMs.at(-1)).toBe(1_060_000);
    expect(series).toHaveLength(1);
    expect(series[0].calls.slice(-4)).toEqual([10, 0, 10, 0]);
    expect(series[0].errorRate.slice(-2)).toEqual([1, null]);
    expect(series[0].averageDurationMs.slice(-4)).toEqual([57, null, 59, null]);
    for (const column of ['p50DurationMs', 'p95DurationMs', 'p99DurationMs', 'maxDurationMs'] as const) {
      expect(Math.abs((series[0][column].at(-2) ?? 0) - 59)).toBeLessThanOrEqual(0.59);
    }
    expect(monitor.history('late').series[0].calls).toEqual(new Array(40).fill(0));
    expect(monitor.history().series).toHaveLength(2);
  });

  it('catches up when the event loop was blocked', () => {
    const monitor = open({ windowMs: 6000 });
    record(monitor, 1, {});
    const laterMs = performance.now() + 5000;
    jest.spyOn(performance, 'now').mockReturnValue(laterMs);
    jest.setSystemTime(1_005_000);
    expect(monitor.history().endMs).toEqual([1_005_000]);
  });

  it.each([-3_600_000, 3_600_000])('measures by a monotonic clock and shows wall-clock time, after a step of %d ms', (stepMs) => {
    const monitor = open({ windowMs: 6000 });
    record(monitor, 6, {});
    jest.advanceTimersByTime(1000);
    jest.setSystemTime(Date.now() + stepMs);
    record(monitor, 6, {});
    expect(monitor.history().endMs).toEqual([1_001_000]);
    jest.advanceTimersByTime(1000);
    expect(monitor.history().endMs).toEqual([1_001_000, 1_002_000 + stepMs]);
    expect(monitor.getPerformanceStats().c.operations.o).toMatchObject({ throughputPerSecond: 6, window: { throughputPerSecond: 6 } });
  });

  it('runs no timer before the first series and after close()', () => {
    const monitor = open();
    expect(jest.getTimerCount()).toBe(0);
    record(monitor, 1, {});
    expect(jest.getTimerCount()).toBe(1);
    monitor.close();
    monitor.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('reset', () => {
  it('forgets one component or all, and series that callers keep go on', () => {
    const monitor = open({ maxSeries: 2 });
    const kept = monitor.series('c', 'o');
    kept.record(1);
    record(monitor, 1, { component: 'd' });
    record(monitor, 1, { component: 'dropped' });
    monitor.reset('d');
    expect(Object.keys(monitor.getPerformanceStats())).toEqual(['c']);
    monitor.reset();
    expect(monitor.getPerformanceStats()).toEqual({});
    expect(monitor.health().droppedCalls).toBe(0);
    kept.record(2);
    expect(monitor.getPerformanceStats().c.totalDurationMs).toBe(2);
  });
});

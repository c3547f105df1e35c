import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, take, toArray } from 'rxjs';
import { lines, openMonitor as open, record, useMonitors } from '../../test/support/monitors.js';

useMonitors();

describe('alerts', () => {
  it('are raised once and cleared once, for listeners, rxjs, log and file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alerts-'));
    const file = join(folder, 'alerts.jsonl');
    const monitor = open({ windowMs: 6000, alerts: { errorRate: 0.1, p95Ms: 50, minCalls: 10, file } });
    const stream = firstValueFrom(monitor.alerts.pipe(take(4), toArray()));
    const heard: string[] = [];
    const stop = monitor.onAlert(({ type, state }) => void heard.push(`${type} ${state}`));
    monitor.onAlert(() => {
      throw new Error('broken listener');
    });
    record(monitor, 20, { durationMs: 100, success: false });
    jest.advanceTimersByTime(1000);
    expect(heard).toEqual(['high_error_rate raised', 'slow_performance raised']);
    expect(monitor.activeAlerts()).toMatchObject([
      { type: 'high_error_rate', component: 'c', operation: 'o', value: 1, threshold: 0.1 },
      { type: 'slow_performance', value: 100, threshold: 50, atMs: 1_001_000 },
    ]);
    expect(monitor.health().activeAlerts).toBe(2);
    jest.advanceTimersByTime(3000);
    expect(heard).toHaveLength(2);
    stop();
    jest.advanceTimersByTime(10_000);
    expect(heard).toHaveLength(2);
    expect(monitor.activeAlerts()).toEqual([]);
    expect((await stream).map(({ state }) => state)).toEqual(['raised', 'raised', 'cleared', 'cleared']);
    expect(lines).toContain('Performance alert: c o: 100.0 % of the calls fail (threshold 10 %)');
    expect(lines).toContain('Performance monitor: an alert listener threw (broken listener)');

    jest.useRealTimers();
    const written = (): string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
    while (written().length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const alerts = written().map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(alerts).toContainEqual(
      expect.objectContaining({ type: 'slow_performance', state: 'raised', timestamp: '1970-01-01T00:16:41.000Z' }),
    );
    rmSync(folder, { recursive: true });
  });

  it('use the threshold of a feature, and wait for enough calls', () => {
    const monitor = open({ windowMs: 6000 }, { features: { rust_routing: { performanceThresholdMs: 5 } } });
    record(monitor, 99, { component: 'rust_routing', durationMs: 6 });
    record(monitor, 200, { component: 'other', durationMs: 6000 });
    jest.advanceTimersByTime(1000);
    expect(monitor.activeAlerts()).toEqual([]);
    record(monitor, 1, { component: 'rust_routing', durationMs: 6 });
    jest.advanceTimersByTime(1000);
    expect(monitor.activeAlerts()).toMatchObject([{ type: 'slow_performance', component: 'rust_routing', threshold: 5 }]);
  });

  it('can be switched off', () => {
    const monitor = open({ windowMs: 6000, alerts: false });
    record(monitor, 200, { success: false });
    jest.advanceTimersByTime(1000);
    expect(monitor.activeAlerts()).toEqual([]);
    expect(lines).toEqual([]);
  });
});

import { InvalidArgumentError } from '../common/errors.js';
import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { resolveMonitorOptions } from './performance-monitor.options.js';
import { PerformanceMonitorService } from './performance-monitor.service.js';

const silent = { log: () => {}, warn: () => {}, error: () => {} };

function open(logger = silent) {
  const options = resolveMonitorOptions({ windowMs: 60_000, sampleRate: 1, alerts: { minCalls: 1, errorRate: 0.1 } }, {});
  const monitor = new PerformanceMonitorService(options, { flags: new FeatureFlagsService({}, { env: {}, logger: silent }), logger });
  return monitor;
}

describe('the names of operations', () => {
  afterEach(() => jest.useRealTimers());

  it.each([1n, 7, '', null, undefined, Symbol('x'), {}, [], () => 'x', { toString: () => 'x' }, new String('x')])(
    'are rejected when they are no string: %p',
    (name) => {
      const monitor = open();
      for (const work of [
        () => monitor.series(name as string, 'ok'),
        () => monitor.series('ok', name as string),
        () => monitor.recordPerformance({ component: name as string, operation: 'ok', durationMs: 1 }),
        () => monitor.recordPerformance({ component: 'ok', operation: name as string, durationMs: 1 }),
      ]) {
        expect(work).toThrow(InvalidArgumentError);
      }
      expect(Object.keys(monitor.getPerformanceStats())).toEqual([]);
      monitor.close();
    },
  );

  it('cannot stop the clock: an error in a check of the alerts is logged', () => {
    jest.useFakeTimers();
    const failing = { ...silent, warn: () => raise(), error: () => raise() };
    const monitor = open(failing);
    monitor.onAlert(() => raise());
    monitor.series('c', 'o').record(5, false);
    expect(() => jest.advanceTimersByTime(60_000)).not.toThrow();
    expect(monitor.history().endMs.length).toBeGreaterThan(1);
    monitor.close();
  });

  it('reach listeners that reject, and the rejection is logged', async () => {
    const lines: string[] = [];
    jest.useFakeTimers();
    const monitor = open({ ...silent, error: (line: string) => void lines.push(line) } as never);
    const rejects = (): unknown => Promise.reject(new Error('late'));
    monitor.onAlert(rejects);
    monitor.series('c', 'o').record(5, false);
    jest.advanceTimersByTime(60_000);
    jest.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toContain('Performance monitor: an alert listener threw (late)');
    monitor.close();
  });
});

function raise(): never {
  throw new Error('broken');
}

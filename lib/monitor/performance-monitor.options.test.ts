import { resolveMonitorOptions } from './performance-monitor.options.js';

describe('the options of the monitor', () => {
  it('have defaults', () => {
    const alerts = { errorRate: 0.05, p95Ms: undefined, minCalls: 100, file: undefined };
    expect(resolveMonitorOptions()).toEqual({ sampleRate: 0.01, windowMs: 60_000, maxSeries: 500, slowMs: 1000, alerts });
    expect(resolveMonitorOptions({ alerts: {} }).alerts).toEqual(alerts);
    expect(resolveMonitorOptions({ alerts: false }).alerts).toBeNull();
  });

  it('are overridden by the flags file', () => {
    const settings = { sampleRate: 0.5, performanceAlerts: false, alertFile: '/tmp/alerts' };
    expect(resolveMonitorOptions({ sampleRate: 0.1 }, settings)).toMatchObject({ sampleRate: 0.5, alerts: null });
    expect(resolveMonitorOptions({ alerts: { file: '/other' } }, { alertFile: '/tmp/alerts' }).alerts?.file).toBe('/tmp/alerts');
  });

  it.each([
    ['monitor.sampleRate', { sampleRate: 1.1 }],
    ['monitor.windowMs', { windowMs: 59 }],
    ['monitor.windowMs', { windowMs: 1e9 }],
    ['monitor.maxSeries', { maxSeries: 0 }],
    ['monitor.slowMs', { slowMs: '1' }],
    ['monitor.alerts', { alerts: 'on' }],
    ['monitor.alerts.errorRate', { alerts: { errorRate: 5 } }],
    ['monitor.alerts.p95Ms', { alerts: { p95Ms: -1 } }],
    ['monitor.alerts.minCalls', { alerts: { minCalls: 0 } }],
    ['monitor.alerts.file', { alerts: { file: '' } }],
    ['monitor.alerts.errorrate', { alerts: { errorrate: 1 } }],
    ['monitor.samplerate', { samplerate: 1 }],
    ['monitor', 5],
  ])('reject an invalid %s', (path, options) => {
    expect(() => resolveMonitorOptions(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path }));
  });
});

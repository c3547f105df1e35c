import { StoreFailure } from './store-failure.js';
import { StoreOutage } from './store-outage.js';
import type { RateLimitStore } from '../store.js';

describe('an outage of a store', () => {
  const oom = new StoreFailure('reply', 'OOM command not allowed', '');
  const away = new StoreFailure('connection', 'the connection to Redis is lost', '');
  const wrote = (): Promise<undefined> => Promise.resolve(undefined);

  it('is one while Redis refuses to write, whatever it answers in between', () => {
    const outage = new StoreOutage('deny', {} as RateLimitStore, 'Redis');
    for (let i = 0; i < 5; i++) {
      outage.count(oom);
      // Requests that are denied, and looks: nothing is written.
      outage.succeeded(false);
      expect(outage.recent()).toBe(oom.reason);
    }
    outage.succeeded(true);
    expect(outage.recent()).toBeUndefined();
  });

  it('is not over for a ping when Redis refused to write before its connection was lost', async () => {
    const outage = new StoreOutage('deny', {} as RateLimitStore, 'Redis');
    outage.count(oom);
    outage.count(away);
    outage.succeeded(false);
    expect(outage.recent()).toBe(away.reason);
    await outage.reachable(() => Promise.resolve(oom));
    expect(outage.recent()).toBe(oom.reason);
    await outage.reachable(wrote);
    expect(outage.recent()).toBeUndefined();
  });

  it('that comes and goes is over 2 s after its last failure', () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(10_000);
    const outage = new StoreOutage('deny', {} as RateLimitStore, 'Redis');
    for (let i = 0; i < 4; i++) {
      outage.count(oom);
      outage.succeeded(true);
    }
    expect(outage.recent()).toBe(oom.reason);
    clock.mockReturnValue(11_999);
    expect(outage.recent()).toBe(oom.reason);
    clock.mockReturnValue(12_000);
    expect(outage.recent()).toBeUndefined();
    clock.mockRestore();
  });

  it('is logged once a minute, with the reason and onStoreError', () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(10_000);
    const warn = jest.fn<void, [string]>();
    const outage = new StoreOutage('deny', {} as RateLimitStore, 'Redis', { warn, log: () => {} });
    for (let i = 0; i < 100; i++) outage.count(oom);
    clock.mockReturnValue(80_000);
    outage.count(away);
    outage.count(away);
    expect(warn.mock.calls).toEqual([
      [
        'Rate limiter: Redis failed (OOM command not allowed; 1 operation failed); until Redis recovers, requests get 503 (onStoreError: deny)',
      ],
      [
        'Rate limiter: Redis failed (the connection to Redis is lost; 100 operations failed); until Redis recovers, requests get 503 (onStoreError: deny)',
      ],
    ]);
    clock.mockRestore();
  });

  it('logs its end once for each line of its begin', () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(10_000);
    const log = jest.fn<void, [string]>();
    const outage = new StoreOutage('deny', {} as RateLimitStore, 'Redis', { warn: () => {}, log });
    outage.succeeded(true);
    for (let i = 0; i < 8; i++) outage.count(away);
    clock.mockReturnValue(22_500);
    outage.succeeded(true);
    outage.count(away);
    outage.succeeded(true);
    expect(log.mock.calls).toEqual([['Rate limiter: Redis recovered after 13 s (failed operations since the last log line: 7)']]);
    clock.mockRestore();
  });
});

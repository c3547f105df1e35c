import type { Redis } from 'ioredis';
import { openRedisClient, reconnectDelayMs } from './client.js';

it('spreads the reconnections of processes that lost Redis together', () => {
  expect([1, 2, 3, 20, 1_000].map((attempt) => reconnectDelayMs(attempt, () => 1))).toEqual([100, 200, 400, 3_000, 3_000]);
  expect(reconnectDelayMs(20, () => 0.25)).toBe(750);
  const delays = Array.from({ length: 100 }, () => reconnectDelayMs(10));
  expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(1_000);
});

it('does not keep the process for more than 100 ms after a client of a lost Redis is closed', async () => {
  const client = openRedisClient('redis://127.0.0.1:1', { purpose: 'a test', connectionName: 'test', timeoutMs: 250 }) as unknown as Redis;
  await new Promise((resolve) => client.once('reconnecting', resolve));
  const timers = jest.spyOn(globalThis, 'setTimeout');
  client.disconnect();
  expect(Math.max(0, ...timers.mock.calls.map(([, delayMs]) => delayMs ?? 0))).toBeLessThanOrEqual(100);
  timers.mockRestore();
});

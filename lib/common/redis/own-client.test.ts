import { openOwnClient, reconnectDelayMs } from './own-client.js';

it('processes that lost Redis together come back one by one', () => {
  expect([1, 2, 3, 20, 1_000].map((attempt) => reconnectDelayMs(attempt, () => 1))).toEqual([100, 200, 400, 3_000, 3_000]);
  expect(reconnectDelayMs(20, () => 0.25)).toBe(750);
  const delays = Array.from({ length: 100 }, () => reconnectDelayMs(10));
  expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(1_000);
});

it('a client whose Redis is away does not keep its process for long once it is closed', async () => {
  const client = openOwnClient('redis://127.0.0.1:1', 'a test', { retryStrategy: () => 60_000 }, () => {});
  await new Promise((resolve) => client.once('reconnecting', resolve));
  const timers = jest.spyOn(globalThis, 'setTimeout');
  client.disconnect();
  expect(Math.max(0, ...timers.mock.calls.map(([, delayMs]) => delayMs ?? 0))).toBeLessThanOrEqual(100);
  timers.mockRestore();
});

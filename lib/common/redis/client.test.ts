import type { Redis } from 'ioredis';
import { hasRedis, RedisServer } from '../../../test/support/redis-server.js';
import { RedisCircuitBreaker } from './circuit-breaker.js';
import { connectionFault, openRedisClient, reconnectDelayMs } from './client.js';

const open = (url: string) => openRedisClient(url, { purpose: 'a test', connectionName: 'test', timeoutMs: 250 }) as unknown as Redis;

it('spreads the reconnections of processes that lost Redis together', () => {
  expect([1, 2, 3, 20, 1_000].map((attempt) => reconnectDelayMs(attempt, () => 1))).toEqual([100, 200, 400, 3_000, 3_000]);
  expect(reconnectDelayMs(20, () => 0.25)).toBe(750);
  const delays = Array.from({ length: 100 }, () => reconnectDelayMs(10));
  expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(1_000);
});

it('does not keep the process for more than 100 ms after a client of a lost Redis is closed', async () => {
  const client = open('redis://127.0.0.1:1');
  await new Promise((resolve) => client.once('reconnecting', resolve));
  const timers = jest.spyOn(globalThis, 'setTimeout');
  client.disconnect();
  expect(Math.max(0, ...timers.mock.calls.map(([, delayMs]) => delayMs ?? 0))).toBeLessThanOrEqual(100);
  timers.mockRestore();
});

it('knows why a connection is refused', async () => {
  const client = open('redis://127.0.0.1:1');
  const breaker = new RedisCircuitBreaker(client, 250);
  await new Promise((resolve) => client.once('reconnecting', resolve));
  expect(breaker.refusal()).toMatch(/^the connection to Redis is lost \((re)?connecting, ECONNREFUSED\)$/);
  breaker.close();
  client.disconnect();
});

(hasRedis ? it : it.skip)('knows the code of a password that Redis refuses, until a connection is ready', async () => {
  const server = await RedisServer.start();
  const client = open(server.url.replace('//', '//someone:wrong@'));
  await new Promise((resolve) => client.once('reconnecting', resolve));
  expect(connectionFault(client)).toBe('WRONGPASS');
  client.emit('ready');
  expect(connectionFault(client)).toBeUndefined();
  client.disconnect();
  await server.stop();
});

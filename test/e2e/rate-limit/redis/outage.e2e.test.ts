import { Redis } from 'ioredis';
import type { RateLimiterService } from '../../../../lib/rate-limit/rate-limit.service.js';
import { cleanUp, limiter as limiterWith, metric, passes } from '../../../support/redis-limiter.js';
import { hasRedis, Proxy, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';

/** Where Redis hangs. */
const TIMEOUT_MS = 300;
/** Where Redis answers or refuses, so that a busy machine is not too late. */
const PATIENT_MS = 5_000;
/** A time-out, and what a busy machine adds. */
const BOUND_MS = TIMEOUT_MS + 5_000;

const limiter: typeof limiterWith = (redis, limits) => limiterWith({ timeoutMs: TIMEOUT_MS, ...redis }, limits);

async function redisServer(...settings: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...settings);
  cleanUp.push(() => server.stop());
  return server;
}

/** To connect, and to ask a Sentinel first, may take a busy machine more time than a decision has. */
function connected(service: RateLimiterService): Promise<void> {
  return until(async () => (await service.peekAsync('k')).outage === undefined);
}

async function timed<T>(call: () => Promise<T>): Promise<[T, number]> {
  const startMs = performance.now();
  return [await call(), performance.now() - startMs];
}

(hasRedis ? describe : describe.skip)('an outage of Redis', () => {
  test.each([
    ['deny', 0],
    ['allow', 20],
    ['local', 5],
  ] as const)(
    'killed, onStoreError %s: the answer comes at once, and Redis decides again when it is back',
    async (onStoreError, expected) => {
      const server = await redisServer();
      const service = limiter({ url: server.url, onStoreError, timeoutMs: PATIENT_MS });
      await connected(service);
      expect(await passes(service, 'k', 20)).toBe(5);
      const answers = (): number => metric(service, 'rate_limit_store_outage_answers_total', onStoreError) ?? 0;
      const failures = (): number => metric(service, 'rate_limit_store_failures_total', 'connection') ?? 0;
      const [answersBefore, failuresBefore] = [answers(), failures()];
      await server.kill();
      const [passed, ms] = await timed(() => passes(service, 'other', 20));
      expect(passed).toBe(expected);
      expect(ms).toBeLessThan(BOUND_MS);
      expect((await service.checkAsync('other')).outage).toBe(onStoreError);
      expect(answers() - answersBefore).toBe(21);
      expect(failures() - failuresBefore).toBe(21);
      expect(await service.health()).toMatchObject({ status: onStoreError === 'deny' ? 'down' : 'degraded', onStoreError });
      await server.start();
      // Without a request: who is not ready is sent none.
      await until(async () => (await service.health()).status === 'ok');
      await until(async () => (await service.checkAsync('probe')).outage === undefined);
      // It kept nothing: one more limit's worth, and no more.
      expect(await passes(service, 'k', 20)).toBe(5);
    },
  );

  test('there from the beginning: requests are answered, and Redis takes over when it comes', async () => {
    const server = await redisServer();
    await server.kill();
    const service = limiter({ url: server.url, onStoreError: 'allow' });
    const [{ outage }, ms] = await timed(() => service.checkAsync('k'));
    expect(outage).toBe('allow');
    expect(ms).toBeLessThan(BOUND_MS);
    await server.start();
    await until(async () => (await service.checkAsync('k')).outage === undefined);
  });

  test('hung: a time-out a few times, then none; it goes on when Redis does', async () => {
    const server = await redisServer();
    const service = limiter({ url: server.url, onStoreError: 'allow' });
    await connected(service);
    const timeouts = (): number => metric(service, 'rate_limit_store_failures_total', 'timeout') ?? 0;
    const timeoutsBefore = timeouts();
    expect(await passes(service, 'k', 20)).toBe(5);
    server.signal('SIGSTOP');
    for (let i = 0; i < 3; i++) {
      const [{ outage }, ms] = await timed(() => service.checkAsync(`hung ${i}`));
      expect(outage).toBe('allow');
      expect(ms).toBeLessThan(BOUND_MS);
    }
    // Nothing waits any more: the failures below stay at three.
    expect(await passes(service, 'after', 100)).toBe(100);
    expect(metric(service, 'rate_limit_store_up')).toBe(0);
    expect(timeouts() - timeoutsBefore).toBe(3);
    server.signal('SIGCONT');
    await until(async () => (await service.checkAsync('probe')).outage === undefined);
    expect(metric(service, 'rate_limit_store_up')).toBe(1);
    expect(await passes(service, 'k', 20)).toBe(0);
  });

  test.each([
    ['deny', 5],
    ['allow', 4],
  ] as const)('a late answer is taken back, but for what somebody got (onStoreError: %s)', async (onStoreError, left) => {
    const server = await redisServer();
    const service = limiter({ url: server.url, onStoreError }, { requestsPerMinute: 5, maxConcurrent: 5 });
    await connected(service);
    server.signal('SIGSTOP');
    expect(await service.checkAsync('k')).toMatchObject({ allowed: onStoreError === 'allow', outage: onStoreError });
    server.signal('SIGCONT');
    // Redis comes to this behind the check.
    await connected(service);
    await until(() => server.ask(async (client) => (await client.keys('*/running')).length === 0));
    expect((await service.peekAsync('k', { cost: 0 })).remainingRequests).toBe(left);
  });

  test('who was let pass without it gives back nothing that others hold there', async () => {
    const server = await redisServer();
    const service = limiter({ url: server.url, onStoreError: 'allow' }, { maxConcurrent: 1, tokensPerMinute: 100 });
    await connected(service);
    expect((await service.reserveAsync('k', { tokens: 60 })).outage).toBeUndefined();
    server.signal('SIGSTOP');
    const passed = await service.reserveAsync('k', { tokens: 60 });
    expect(passed).toMatchObject({ allowed: true, outage: 'allow' });
    server.signal('SIGCONT');
    await connected(service);
    await service.settleAsync(passed, 0);
    expect(await service.peekAsync('k')).toMatchObject({ allowed: false, exceeded: 'concurrency', remainingTokens: 40 });
  });

  test('slow: bounded by the time-out', async () => {
    const server = await redisServer();
    const proxy = await Proxy.start(server.port);
    cleanUp.push(() => proxy.stop());
    const service = limiter({ url: proxy.url, onStoreError: 'local' });
    await connected(service);
    expect(await passes(service, 'k', 20)).toBe(5);
    proxy.delayMs = 2 * TIMEOUT_MS;
    for (let i = 0; i < 5; i++) {
      const [{ outage }, ms] = await timed(() => service.checkAsync(`slow ${i}`));
      expect(outage).toBe('local');
      expect(ms).toBeLessThan(BOUND_MS);
    }
    proxy.delayMs = TIMEOUT_MS / 10;
    // A busy machine may still be too late for some. What Redis answers is that the limit is used.
    const ofRedis: boolean[] = [];
    await until(async () => {
      const { allowed, outage } = await service.checkAsync('k');
      if (outage === undefined) ofRedis.push(allowed);
      return ofRedis.length === 20;
    });
    expect(ofRedis).toEqual(Array.from(ofRedis, () => false));
  });

  test('out of memory: the answer comes at once, nothing is half taken, and it goes on when there is room', async () => {
    const server = await redisServer('--maxmemory-policy', 'noeviction');
    const service = limiter({ url: server.url, onStoreError: 'deny', timeoutMs: PATIENT_MS }, { requestsPerMinute: 5, maxConcurrent: 5 });
    await connected(service);
    expect(await passes(service, 'k', 2)).toBe(2);
    await server.ask((client) => client.config('SET', 'maxmemory', '100kb'));
    const { allowed, outage } = await service.checkAsync('k');
    expect({ allowed, outage }).toEqual({ allowed: false, outage: 'deny' });
    expect(metric(service, 'rate_limit_store_failures_total', 'reply')).toBe(1);
    expect(await service.health()).toMatchObject({ status: 'down', reason: expect.stringContaining('OOM') });
    // It still answers those who only look.
    await service.peekAsync('k');
    expect(await service.health()).toMatchObject({ status: 'down' });
    await server.ask((client) => client.config('SET', 'maxmemory', '0'));
    await until(async () => (await service.peekAsync('k')).outage === undefined);
    expect(await passes(service, 'k', 5)).toBe(3);
    expect(await service.health()).toMatchObject({ status: 'ok' });
  });

  test('out of memory, while denied requests are answered in between: it is one outage, and over with the first request that passes', async () => {
    const server = await redisServer('--maxmemory-policy', 'noeviction');
    const service = limiter({ url: server.url, onStoreError: 'deny', timeoutMs: PATIENT_MS });
    await connected(service);
    expect(await passes(service, 'used up', 20)).toBe(5);
    await server.ask((client) => client.config('SET', 'maxmemory', '100kb'));
    for (let i = 0; i < 5; i++) {
      expect((await service.checkAsync('k')).outage).toBe('deny');
      expect(await service.checkAsync('used up')).toMatchObject({ allowed: false, outage: undefined });
      expect(await service.health()).toMatchObject({ status: 'down', reason: expect.stringContaining('OOM') });
    }
    await server.ask((client) => client.config('SET', 'maxmemory', '0'));
    expect((await service.checkAsync('k')).outage).toBeUndefined();
    expect(await service.health()).toMatchObject({ status: 'ok' });
  });

  test('out of memory, and no request comes: health says what Redis does now', async () => {
    const server = await redisServer('--maxmemory-policy', 'noeviction');
    const service = limiter({ url: server.url, onStoreError: 'deny', timeoutMs: PATIENT_MS });
    await connected(service);
    await server.ask((client) => client.config('SET', 'maxmemory', '100kb'));
    expect((await service.checkAsync('k')).outage).toBe('deny');
    expect(await service.health()).toMatchObject({ status: 'down' });
    await server.ask((client) => client.config('SET', 'maxmemory', '0'));
    expect(await service.health()).toMatchObject({ status: 'ok' });
    await until(async () => (await server.ask((client) => client.keys('*probe'))).length === 0);
  });

  test('that comes and goes: it is not well at the third time, though it answers', async () => {
    const server = await redisServer('--maxmemory-policy', 'noeviction');
    const service = limiter({ url: server.url, onStoreError: 'deny', timeoutMs: PATIENT_MS }, { requestsPerMinute: 1_000 });
    const states: string[] = [];
    for (let outage = 0; outage < 3; outage++) {
      await server.ask((client) => client.config('SET', 'maxmemory', '100kb'));
      expect((await service.checkAsync('k')).outage).toBe('deny');
      await server.ask((client) => client.config('SET', 'maxmemory', '0'));
      expect((await service.checkAsync('k')).outage).toBeUndefined();
      states.push((await service.health()).status);
    }
    expect(states).toEqual(['ok', 'ok', 'down']);
  });

  test('started anew with nothing, onDataLoss refuse: nothing passes until what may have been taken is out of the window', async () => {
    const server = await redisServer();
    await server.ask((client) => client.set('fast-litellm:{all}mark', 0));
    const limits = { requestsPerWindow: 5, windowMs: 2_000, limits: { one: { maxConcurrent: 1 } } };
    const service = limiter({ url: server.url, onDataLoss: 'refuse', slotTtlMs: 4_000 }, limits);
    await connected(service);
    expect(await passes(service, 'k', 20)).toBe(5);
    await server.kill();
    await server.start();
    await until(async () => (await service.checkAsync('k')).outage === undefined);
    const refused = await service.checkAsync('k');
    expect(refused).toMatchObject({ allowed: false, exceeded: 'window', remainingRequests: 0 });
    expect(await passes(service, 'never seen', 1)).toBe(0);
    expect(await service.checkAsync('k', { limit: 'one' })).toMatchObject({ allowed: false, exceeded: 'concurrency' });
    await until(async () => (await service.peekAsync('k')).allowed);
    expect(await passes(service, 'k', 20)).toBe(5);
    await until(async () => (await service.checkAsync('k', { limit: 'one' })).allowed);
    expect(Number(await server.ask((client) => client.get('fast-litellm:{all}mark')))).toBeGreaterThan(0);
  });

  test('another address behind the name: a hung one is given up for it', async () => {
    const [old, next] = [await redisServer(), await redisServer()];
    const proxy = await Proxy.start(old.port);
    cleanUp.push(() => proxy.stop());
    const service = limiter({ url: proxy.url });
    await connected(service);
    expect(await passes(service, 'k', 20)).toBe(5);
    old.signal('SIGSTOP');
    proxy.target = next.port;
    await until(async () => (await service.checkAsync('probe')).outage === undefined);
    expect(await passes(service, 'k', 20)).toBe(5);
    expect(await next.ask((client) => client.keys('*'))).toHaveLength(2);
  });

  test('a replica: it is said what it refuses, also while its connection is given up for that', async () => {
    const master = await redisServer();
    const replica = await redisServer('--replicaof', `127.0.0.1 ${master.port}`);
    await until(() => replica.ask(async (client) => (await client.info('replication')).includes('master_link_status:up')));
    const service = limiter({ url: replica.url, onStoreError: 'local' });
    await connected(service);
    for (let i = 0; i < 5; i++) {
      expect((await service.checkAsync('k')).outage).toBe('local');
      expect(await service.health()).toMatchObject({ status: 'degraded', reason: expect.stringContaining('READONLY') });
    }
    await replica.ask((client) => client.replicaof('NO', 'ONE'));
    await until(async () => (await service.checkAsync('k')).outage === undefined);
  });

  test('a failover by Sentinel: the new master goes on with what it knows', async () => {
    const master = await redisServer();
    const replica = await redisServer('--replicaof', `127.0.0.1 ${master.port}`);
    const sentinel = await RedisServer.startSentinel(master.port);
    cleanUp.push(() => sentinel.stop());
    await until(() => replica.ask(async (client) => (await client.info('replication')).includes('master_link_status:up')));
    const client = new Redis({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main', maxRetriesPerRequest: 1 });
    client.on('error', () => {});
    cleanUp.push(() => client.disconnect());
    const service = limiter({ client });
    await connected(service);
    expect(await passes(service, 'k', 20)).toBe(5);
    await until(() => replica.ask(async (copy) => (await copy.keys('*')).length === 1));
    await master.kill();
    await until(async () => (await service.checkAsync('probe')).outage === undefined);
    expect(await passes(service, 'k', 20)).toBe(0);
  });
});

import { Redis } from 'ioredis';
import { cleanUp, limiter, metric, passes } from '../../../support/redis-limiter.js';
import { hasRedis, Proxy, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';

/** A lease of a limit per minute lasts a second. */
const SHORT_OF_A_LEASE_MS = 500;

(hasRedis ? describe : describe.skip)('leases of permits over Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(() => server.ask((client) => client.flushall()));

  test("leases decide without Redis; a limiter that closes gives back what it did not use, and the user's client stays open", async () => {
    const client = new Redis(server.url);
    cleanUp.push(() => client.disconnect());
    const limits = { requestsPerMinute: 1_000 };
    const [a, b] = [limiter({ client, localLease: true }, limits), limiter({ client }, limits)];
    const started = performance.now();
    for (let i = 0; i < 100; i++) expect((await a.checkAsync('k')).allowed).toBe(true);
    const { remainingRequests } = await b.peekAsync('k', { cost: 0 });
    // On a machine that stalls a lease ends meanwhile, and says nothing.
    if (performance.now() - started < SHORT_OF_A_LEASE_MS) {
      expect(metric(a, 'rate_limit_store_leased_decisions_total')).toBeGreaterThan(80);
      expect(remainingRequests).toBeLessThan(900);
    }
    await a.close();
    expect((await b.peekAsync('k', { cost: 0 })).remainingRequests).toBe(900);
    expect(client.status).toBe('ready');
  });

  test('a lease of other figures under the same name is not spent', async () => {
    const service = limiter({ url: server.url, localLease: true });
    const figures = [{ requestsPerMinute: 1_000 }, { requestsPerMinute: 3 }];
    for (let i = 0; i < 6; i++) expect((await service.checkAsync('k', { limits: figures[0] })).allowed).toBe(true);
    expect((await service.checkAsync('k', { limits: figures[1] })).allowed).toBe(false);
  });

  test('what a lease left unspent comes back by itself', async () => {
    const limits = { requestsPerMinute: 1_000 };
    const [a, b] = [limiter({ url: server.url, localLease: true }, limits), limiter({ url: server.url }, limits)];
    for (let i = 0; i < 100; i++) await a.checkAsync('k');
    await until(async () => (await b.peekAsync('k', { cost: 0 })).remainingRequests === 900);
  });

  test('a reset forgets permits that were on their way, too', async () => {
    const service = limiter({ url: server.url, localLease: true }, { requestsPerMinute: 100 });
    for (let round = 0; round < 20; round++) {
      const key = `k ${round}`;
      // Each of these asks for more permits than it spends, all of them before the key is reset.
      for (let i = 0; i < 3 + round; i++) await service.checkAsync(key);
      await Promise.all([service.checkAsync(key), service.resetAsync(key)]);
      const passed = await passes(service, key, 200);
      expect({ round, over: Math.max(0, passed - 100) }).toEqual({ round, over: 0 });
    }
  });

  test.each([
    [0, 1_050],
    [350, 400],
  ])('no permit is spent after its time, which counts from the question (answered %d ms late)', async (delayMs, idleMs) => {
    const proxy = await Proxy.start(server.port);
    cleanUp.push(() => proxy.stop());
    const service = limiter({ url: proxy.url, localLease: true }, { requestsPerMinute: 1_000 });
    const scopes = [{ key: 'k', limit: service.options.limit }];
    for (let i = 0; i < 4; i++) await service.decide(scopes, 1, 0);
    proxy.delayMs = delayMs;
    await service.decide(scopes, 1, 0);
    // Busy, so that nothing sweeps it away.
    const startMs = performance.now();
    while (performance.now() - startMs < idleMs);
    expect(service.store.check(scopes, 1, 0)).toBeInstanceOf(Promise);
  });
});

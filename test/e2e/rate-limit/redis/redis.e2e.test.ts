import { Redis, type RedisOptions } from 'ioredis';
import { readFileSync } from 'node:fs';
import { FastLiteLLM } from '../../../../lib/fast-litellm.js';
import type { RateLimiterService } from '../../../../lib/rate-limit/rate-limit.service.js';
import { FastThrottlerStorage } from '../../../../lib/standalone.js';
import { cleanUp, limiter, metric, openLimiter, passes } from '../../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../../support/redis-server.js';
import { sleep, until } from '../../../support/until.js';

/** So long that a machine that stalls does not miss it. */
const BLOCK_MS = 3_000;

(hasRedis ? describe : describe.skip)('limits over Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(() => server.ask((client) => client.flushall()));

  test('20 at once over two instances: 10 pass', async () => {
    const limits = { requestsPerMinute: 10 };
    const [a, b] = [limiter({ url: server.url }, limits), limiter({ url: server.url }, limits)];
    const [first, second] = await Promise.all([passes(a, 'k', 10), passes(b, 'k', 10)]);
    expect(first + second).toBe(10);
    const refused = await a.checkAsync('k');
    expect(refused).toMatchObject({ allowed: false, exceeded: 'minute', limit: 10, remainingRequests: 0 });
    expect(refused.retryAfterMs).toBeGreaterThan(55_000);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('a bucket of 100, 50 takes of 5 at once: 20 pass', async () => {
    const service = limiter({ url: server.url }, { requestsPerSecond: 0.001, burst: 100 });
    const results = await Promise.all(Array.from({ length: 50 }, () => service.checkAsync('k', { cost: 5 })));
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(20);
  });

  test('tokens: reserved together, settled once', async () => {
    const service = limiter({ url: server.url }, { tokensPerMinute: 100 });
    const reservations = await Promise.all(Array.from({ length: 5 }, () => service.reserveAsync('k', { tokens: 50 })));
    const passed = reservations.filter(({ allowed }) => allowed);
    expect(passed).toHaveLength(2);
    await service.settleAsync(passed[0], 10);
    await service.settleAsync(passed[0], 10);
    expect((await service.peekAsync('k', { cost: 0 })).remainingTokens).toBe(40);
    await service.settleAsync(passed[1], 60);
    expect((await service.peekAsync('k', { cost: 0 })).remainingTokens).toBe(30);
  });

  test('limits of one name and other kinds count apart, as in memory', async () => {
    const inMemory = new FastLiteLLM({ logger: { log: () => {}, warn: () => {}, error: () => {} }, rateLimit: { requestsPerMinute: 10 } });
    cleanUp.push(() => inMemory.close());
    const answers = async (service: RateLimiterService): Promise<unknown[]> => {
      const hour = { key: 'k', limits: { requestsPerHour: 1 } };
      const both = { limits: { requestsPerMinute: 10, requestsPerHour: 100 } };
      const [first, second] = [await service.reserveAsync(['k', hour]), await service.reserveAsync(['k', hour])];
      await service.checkAsync('k', both);
      await service.resetAsync('k');
      const stands = [await service.peekAsync('k', { cost: 0 }), await service.peekAsync('k', { cost: 0, ...both })];
      return [first.allowed, second.exceeded, second.scope, ...stands.map(({ remainingRequests }) => remainingRequests)];
    };
    const expected = [true, 'hour', 1, 10, 9];
    expect(await answers(inMemory.rateLimiter)).toEqual(expected);
    expect(await answers(limiter({ url: server.url }, { requestsPerMinute: 10 }))).toEqual(expected);
  });

  test('several scopes: all or nothing', async () => {
    const service = limiter({ url: server.url }, { requestsPerMinute: 10, limits: { team: { requestsPerMinute: 3 } } });
    const scopes = ['user', { key: 'team', limit: 'team' }];
    const results = await Promise.all(Array.from({ length: 5 }, () => service.reserveAsync(scopes)));
    expect(results.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false]);
    expect(results[4]).toMatchObject({ scope: 1, limit: 3, exceeded: 'minute' });
    expect((await service.peekAsync('user', { cost: 0 })).remainingRequests).toBe(7);
  });

  test('places of running requests: given back, renewed, and lost with their process', async () => {
    const limits = { maxConcurrent: 2 };
    const [a, b] = [limiter({ url: server.url, slotTtlMs: 3_000 }, limits), limiter({ url: server.url, slotTtlMs: 3_000 }, limits)];
    const held = await a.reserveAsync('k');
    expect(await passes(b, 'k', 3)).toBe(1);
    await a.releaseAsync(held);
    await a.releaseAsync(held);
    expect(await passes(a, 'k', 2)).toBe(1);
    await sleep(3_500);
    expect(await passes(a, 'k', 2)).toBe(0);
    // As if its process had died: nobody says any more that its requests go on.
    await b.close();
    await until(async () => (await passes(a, 'k', 1)) === 1);
    expect(await passes(a, 'k', 1)).toBe(0);
  });

  test('keys of any kind are kept apart, and each expires', async () => {
    const service = limiter({ url: server.url }, { requestsPerMinute: 1, requestsPerHour: 5, tokensPerMinute: 10, maxConcurrent: 5 });
    const keys = [
      '',
      '\0',
      'a',
      'a*',
      '{a}',
      'a}',
      '[a]',
      '?',
      '__proto__',
      '😀',
      '\ud800',
      '\ud801',
      'x'.repeat(1_000_000),
      'a/b',
      'a b',
      'ä',
    ];
    for (const key of keys) expect([key.slice(0, 9), await passes(service, key, 2)]).toEqual([key.slice(0, 9), 1]);
    await server.ask(async (client) => {
      const names = await client.keys('*');
      expect(names).toHaveLength(2 * keys.length);
      for (const name of names) {
        expect(name).toMatch(/^fast-litellm:\{default\/[\w.:@~-]+\}\/mhc(\/running)?$/);
        expect(await client.pttl(name)).toBeGreaterThan(0);
        expect(await client.pttl(name)).toBeLessThanOrEqual(1.125 * 3_600_000);
      }
    });
    await service.resetAsync('a');
    expect(await passes(service, 'a', 2)).toBe(1);
  });

  test('what was taken is kept until its window has gone by, however often and however slowly a key is asked', async () => {
    const service = limiter({ url: server.url }, { requestsPerWindow: 100, windowMs: 400 });
    const scopes = [{ key: 'k', limit: service.options.limit }];
    for (let i = 0; i < 6; i++) {
      const { atMs } = await service.decide(scopes, 1, 0);
      const [[, [seconds, micros]], [, leftMs]] = (await server.ask((client) =>
        client.multi().time().pttl('fast-litellm:{default/k}/w400').exec(),
      )) as [[null, [number, number]], [null, number]];
      const nowMs = seconds * 1000 + Math.floor(micros / 1000);
      // On a machine that stalls it may be gone by right.
      if (nowMs < atMs + 400) expect(nowMs + leftMs + 1).toBeGreaterThanOrEqual(atMs + 400);
      await sleep(90);
    }
  });

  test.each([0, 1_100])('what Redis has forgotten is not given back from what others took since (%d ms later)', async (ms) => {
    const service = limiter({ url: server.url }, { tokensPerMinute: 100 });
    const lost = await service.reserveAsync('k', { tokens: 60 });
    await server.ask((client) => client.flushall());
    await sleep(ms);
    await service.reserveAsync('k', { tokens: 10 });
    await service.settleAsync(lost, 0);
    const { remainingTokens } = await service.peekAsync('k', { cost: 0 });
    expect(remainingTokens).toBeLessThanOrEqual(ms === 0 ? 100 : 90);
  });

  test('one call decides a whole turn of the event loop; a script that was flushed is loaded again', async () => {
    const service = limiter({ url: server.url }, { requestsPerMinute: 100 });
    expect(await passes(service, 'k', 100)).toBe(100);
    expect(metric(service, 'rate_limit_store_calls_total')).toBe(1);
    await server.ask((client) => client.script('FLUSH'));
    expect(await passes(service, 'k', 10)).toBe(0);
    expect(metric(service, 'rate_limit_store_failures_total', 'reply')).toBe(0);
    expect(await service.health()).toMatchObject({ status: 'ok', store: 'redis' });
  });

  test('a place that was forgotten stays so while its request goes on', async () => {
    const service = limiter({ url: server.url, slotTtlMs: 1_000 }, { maxConcurrent: 1 });
    await service.reserveAsync('k');
    await service.resetAsync('k');
    // It is said to be held still, three times a second.
    await sleep(700);
    expect((await service.peekAsync('k')).allowed).toBe(true);
  });

  test("Nest's throttler counts and blocks over all instances", async () => {
    const storages = [0, 1].map(() => new FastThrottlerStorage(limiter({ url: server.url })));
    const hit = (instance: number) => storages[instance].increment('client', 60_000, 4, BLOCK_MS, 'default');
    const hits = [await hit(0), await hit(1), await hit(0), await hit(1)];
    expect(hits.map(({ totalHits, isBlocked }) => [totalHits, isBlocked])).toEqual([1, 2, 3, 4].map((total) => [total, false]));
    expect(await hit(0)).toMatchObject({ totalHits: 5, isBlocked: true, timeToBlockExpire: expect.any(Number) as number });
    expect(await hit(1)).toMatchObject({ isBlocked: true, timeToBlockExpire: expect.any(Number) as number });
    expect(await storages[1].increment('client', 60_000, 4, BLOCK_MS, 'other')).toMatchObject({ totalHits: 1, isBlocked: false });
    // After the block it starts afresh.
    await until(async () => !(await hit(1)).isBlocked);
    expect(await hit(0)).toMatchObject({ totalHits: 2, isBlocked: false });
  });

  test('a block of another instance holds for hits that were on their way', async () => {
    const services = [limiter({ url: server.url }), limiter({ url: server.url })];
    const [here, there] = services.map((service) => new FastThrottlerStorage(service));
    const hit = (storage: FastThrottlerStorage) => storage.increment('client', 60_000, 2, 60_000, 'default');
    await hit(here);
    await hit(there);
    const { store } = services[0];
    const look = store.peek.bind(store);
    jest.spyOn(store, 'peek').mockImplementationOnce(async (...asked) => {
      const seen = await look(...asked);
      expect(await hit(there)).toMatchObject({ isBlocked: true });
      return seen;
    });
    expect(await hit(here)).toMatchObject({ isBlocked: true });
    expect(await hit(here)).toMatchObject({ isBlocked: true });
  });

  test('hits of a throttler at once: a block counts all of them', async () => {
    const service = limiter({ url: server.url });
    const storage = new FastThrottlerStorage(service);
    const hits = await Promise.all(Array.from({ length: 20 }, () => storage.increment('client', 60_000, 10, 60_000, 'default')));
    for (let i = 0; i < 10; i++) hits.push(await storage.increment('client', 60_000, 10, 60_000, 'default'));
    expect(hits.filter(({ isBlocked }) => !isBlocked)).toHaveLength(10);
  });

  test.each<RedisOptions>([{ enableAutoPipelining: true }, { keyPrefix: 'app:', enableAutoPipelining: true }, { protocol: 3 }])(
    'any client of the app will do: %j',
    async (options) => {
      const client = new Redis(server.port, '127.0.0.1', options);
      cleanUp.push(() => client.disconnect());
      const service = limiter({ client });
      expect(await passes(service, 'k', 7)).toBe(5);
      expect(await service.health()).toMatchObject({ status: 'ok' });
      const names = await server.ask((connection) => connection.keys('*'));
      expect(names).toEqual([`${options.keyPrefix ?? ''}fast-litellm:{default/k}/m`]);
    },
  );

  test('what is settled and released before the end still arrives', async () => {
    const limits = { tokensPerMinute: 100, maxConcurrent: 1 };
    const service = openLimiter({ url: server.url }, limits);
    const held = await service.reserveAsync('k', { tokens: 60 });
    service.settle(held, 10);
    await service.close();
    expect(await limiter({ url: server.url }, limits).reserveAsync('k')).toMatchObject({ allowed: true, remainingTokens: 90 });
  });

  test('the documented permissions are sufficient', async () => {
    const documented = /`(~\S+)` and `((?:\+\w+ ?)+)`, with budgets also\s`((?:\+\w+ ?)+)`/;
    const [, keys, ...commands] = documented.exec(readFileSync('docs/rate-limits.md', 'utf8')) as RegExpExecArray;
    await server.ask((client) => client.call('ACL', 'SETUSER', 'limits', 'on', '>secret', keys, ...commands.join(' ').split(' ')));
    const limits = { requestsPerSecond: 100, requestsPerMinute: 4, tokensPerMinute: 100, maxConcurrent: 3 };
    const service = limiter({ url: server.url.replace('//', '//limits:secret@'), onDataLoss: 'refuse' }, limits);
    await server.ask((client) => client.set('fast-litellm:{all}mark', 0));
    const held = [await service.reserveAsync('k', { tokens: 20 }), await service.reserveAsync('k', { tokens: 20 })];
    expect(held.map(({ allowed }) => allowed)).toEqual([true, true]);
    for (const one of held) await service.settleAsync(one, 10);
    expect(await service.peekAsync('k', { cost: 0 })).toMatchObject({ remainingRequests: 2, remainingTokens: 80 });
    await service.reserveAsync('k');
    await service.resetAsync('k');
    const paid = { limits: { requestsPerMinute: 4, maxConcurrent: 3, usdPerDay: 1 } };
    for (const usd of [0, 0.1]) {
      const reservation = await service.reserveAsync('k', { ...paid, usd: 0.1 });
      expect(await service.extendAsync(reservation, 0.2)).toBe(true);
      await service.settleAsync(reservation, { usd });
    }
    expect(await service.getBudgetsAsync('k', paid)).toMatchObject([{ spentUsd: 0.1, heldUsd: 0 }]);
    await service.resetAsync('k', paid);
    const endless = { limit: 'endless', limits: { usdTotal: 1 } };
    await service.settleAsync(await service.reserveAsync('k', { ...endless, usd: 0.1 }), { usd: 0.1 });
    await service.reserveAsync('k', { ...endless, usd: 0.2 });
    await service.raiseBudget('k', 1, endless);
    expect(await service.getBudgetHolds('k', endless)).toMatchObject({ count: 1 });
    expect((await service.listBudgets(endless)).keys).toMatchObject([
      { key: 'k', budgets: [{ limitUsd: 2, spentUsd: 0.1, heldUsd: 0.2 }] },
    ]);
    expect(await service.health()).toMatchObject({ status: 'ok' });
    expect(metric(service, 'rate_limit_store_failures_total', 'reply')).toBe(0);
  });
});

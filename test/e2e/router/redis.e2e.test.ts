import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisClient as RouterRedisClient } from '../../../lib/common/redis/client.js';
import { redisRouterState, type RedisRouterStateOptions } from '../../../lib/router/redis/redis-shared-state.js';
import type { RouterOptions } from '../../../lib/router/router.options.js';
import type { RouterService } from '../../../lib/router/router.service.js';
import { hasRedis, Proxy, RedisServer } from '../../support/redis-server.js';
import { fromMinute, sleep, until } from '../../support/until.js';
import { deployment, routerEngines, routerOn } from '../../support/router-engines.js';
import { root } from '../../project/sources.js';

const [engine] = routerEngines();

(hasRedis ? describe : describe.skip)('routers that share their state over Redis', () => {
  let redis: RedisServer;
  const routers: RouterService[] = [];
  const children: ChildProcess[] = [];
  const clients: Redis[] = [];
  let prefixes = 0;
  let prefix = '';

  beforeAll(async () => void (redis = await RedisServer.start()));
  beforeEach(() => void (prefix = `test-${prefixes++}:`));
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(routers.splice(0).map((router) => router.close()));
    for (const client of clients.splice(0)) client.disconnect();
  });
  afterAll(() => redis.stop());

  const open = (options: RouterOptions = {}, state: Partial<RedisRouterStateOptions> = {}, now = Date.now): RouterService => {
    const own = state.client === undefined ? { url: redis.url } : {};
    const { router } = routerOn(
      engine,
      {
        strategy: 'least_busy',
        modelList: ['a', 'b'].map((id) => deployment(id, { tpm: 100 })),
        sharedState: redisRouterState({ ...own, prefix, intervalMs: 20, silenceMs: 1_000, ...state }),
        ...options,
      },
      { now },
    );
    routers.push(router);
    return router;
  };
  const of = (router: RouterService, id: string): ReturnType<RouterService['status']>[number] => {
    const found = router.status().find((state) => state.id === id);
    if (found === undefined) throw new Error(`no ${id}`);
    return found;
  };

  it('count the requests in flight of the other processes', async () => {
    const [first, second] = [open(), open()];
    const picks = [1, 2, 3].map(() => first.acquire('a'));
    await until(() => of(second, 'a').inFlight === 3);
    for (let turn = 0; turn < 3; turn++) expect(second.acquire('gpt-4').deployment.id).toBe('b');
    await until(() => of(first, 'b').inFlight === 3);
    for (const pick of picks) first.succeeded(pick, { latencyMs: 1 });
    await until(() => of(second, 'a').inFlight === 0);
    expect(of(first, 'a').inFlight).toBe(0);
  });

  it('abandon a Redis that hangs, and use its replacement at the same address', async () => {
    const next = await RedisServer.start();
    const hung = await RedisServer.start();
    const proxy = await Proxy.start(hung.port);
    try {
      const [first, second] = [1, 2].map(() => open({ sharedState: redisRouterState({ url: proxy.url, prefix, intervalMs: 20 }) }));
      await until(() => [first, second].every((router) => router.health().status === 'ok'));
      hung.signal('SIGSTOP');
      proxy.target = next.port;
      await until(() => first.health().status === 'degraded');
      const pick = first.acquire('a');
      await until(() => of(second, 'a').inFlight === 1);
      await until(() => [first, second].every((router) => router.health().status === 'ok'));
      first.cancelled(pick);
    } finally {
      await proxy.stop();
      await hung.stop();
      await next.stop();
    }
  });

  it('add up the usage of a minute, and respect their limits together', async () => {
    const now = fromMinute();
    const [first, second] = [1, 2].map(() => open({ strategy: 'usage_based' }, {}, now));
    first.succeeded(first.acquire('a'), { latencyMs: 1, promptTokens: 60, completionTokens: 30 });
    await until(() => of(second, 'a').tokens === 90);
    expect(of(second, 'a').requests).toBe(1);
    for (let turn = 0; turn < 10; turn++) expect(second.getAvailableDeployment('gpt-4')?.id).toBe('b');
    second.succeeded(second.acquire('b'), { latencyMs: 1, promptTokens: 95 });
    await until(() => of(first, 'b').tokens === 95);
    expect(() => first.acquire('gpt-4', { inputTokens: 20 })).toThrow(expect.objectContaining({ code: 'ROUTER_RATE_LIMITED' }));
    // Nothing is counted twice, however often it is told.
    await sleep(200);
    expect([of(first, 'a').tokens, of(second, 'a').tokens, of(first, 'b').tokens]).toEqual([90, 90, 95]);
  });

  it('publish their remaining usage when they close', async () => {
    const now = fromMinute();
    const [first, second] = [open({}, { intervalMs: 2_000 }, now), open({}, {}, now)];
    await until(() => first.health().status === 'ok');
    first.succeeded(first.acquire('a'), { latencyMs: 1, promptTokens: 60 });
    await first.close();
    await until(() => of(second, 'a').tokens === 60);
  });

  it('share one budget, including what was spent during an outage of Redis', async () => {
    const real = new Redis(redis.url);
    clients.push(real);
    let isAway = false;
    const orAway = (call: () => Promise<unknown>): Promise<unknown> => (isAway ? Promise.reject(new Error('away')) : call());
    const client: RouterRedisClient = {
      status: 'ready',
      createBuiltinCommand: (name) => ({
        string: (...values) => orAway(() => real.call(name, ...values)),
        buffer: (...values) => orAway(() => real.callBuffer(name, ...values)),
      }),
      ping: () => orAway(() => real.ping()),
      on: () => client,
      off: () => client,
    };
    const budgeted = {
      modelList: ['a', 'b'].map((id) => deployment(id, { model: `${id}/x`, input_cost_per_token: 1 })),
      providerBudgets: { a: { budgetUsd: 10, periodMs: 5_000 } },
    };
    const [first, second] = [open(budgeted, { client }), open(budgeted)];
    const left = (router: RouterService): number =>
      router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    const pay = (router: RouterService, usd: number): void => router.succeeded(router.acquire('a'), { latencyMs: 1, promptTokens: usd });
    pay(first, 4);
    await until(() => left(second) === 6);
    isAway = true;
    pay(first, 1);
    pay(second, 3);
    await until(() => first.health().status === 'degraded');
    isAway = false;
    await until(() => left(first) === 2 && left(second) === 2);
    pay(first, 2);
    await until(() => of(second, 'a').state === 'over_budget');
    expect(of(first, 'a').state).toBe('over_budget');
    expect(second.getAvailableDeployment('gpt-4')?.id).toBe('b');
    // Its time is that of the first call, for all.
    await until(() => of(first, 'a').state === 'available' && of(second, 'a').state === 'available');
    await until(() => {
      if (of(second, 'a').state === 'available') pay(second, 10);
      return of(first, 'a').state === 'over_budget';
    });
  });

  /** Two routers with a budget of 10 USD, of which 4 are spent, and what damages their state. */
  async function spending(periodMs = 600_000) {
    const budgeted = {
      modelList: ['a', 'b'].map((id) => deployment(id, { model: `${id}/x`, input_cost_per_token: 1 })),
      providerBudgets: { a: { budgetUsd: 10, periodMs } },
    };
    const both = [open(budgeted), open(budgeted)];
    const left = (router: RouterService): number =>
      router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    const pay = (usd: number): void => both[0].succeeded(both[0].acquire('a'), { latencyMs: 1, promptTokens: usd });
    pay(4);
    await until(() => both.every((router) => left(router) === 6));
    const client = new Redis(redis.url);
    clients.push(client);
    return { both, left, pay, client, key: (name: string) => `${prefix}{router}:${name}` };
  }
  /** Longer than several exchanges. */
  const exchanges = (): Promise<void> => sleep(200);

  it.each(['not a number', 'nan', '-5', '1e300', 'inf', '', 'lost'])('keep what was spent when its total in Redis is %j', async (total) => {
    const { both, left, pay, client, key } = await spending();
    if (total === 'lost') await client.del(key('spent:provider:a'));
    else await client.set(key('spent:provider:a'), total);
    await exchanges();
    expect(both.map(left)).toEqual([6, 6]);
    pay(3);
    await until(() => both.every((router) => left(router) === 3));
    expect(await client.pttl(key('spent:provider:a'))).toBeGreaterThan(0);
  });

  it.each(['members', 'cooldowns', 'spent:provider:a', 'usage:MINUTE', 'under-way:forged'])(
    'share again after %s became a value of another type, and count no spending twice',
    async (name) => {
      const { both, left, pay, client, key } = await spending();
      const minute = String(Math.floor(Date.now() / 60_000));
      await client.zadd(key('members'), Date.now() + 900, 'forged|group');
      for (const type of ['list', 'text'] as const) {
        const damaged = key(name.replace('MINUTE', minute));
        // At once, or an exchange could write the key anew between the two.
        const anew = client.multi().del(damaged);
        await (type === 'list' ? anew.lpush(damaged, 'x') : anew.set(damaged, 'x'.repeat(1_000_000))).exec();
        pay(1);
        await exchanges();
      }
      await until(() => both.every((router) => left(router) === 4 && router.health().status === 'ok'));
      both[0].failed(both[0].acquire('b'), { status: 429 });
      await until(() => of(both[1], 'b').state === 'cooling');
    },
  );

  it('drop values that are not numbers, and numbers that no router writes', async () => {
    const { both, left, pay, client, key } = await spending();
    const minute = String(Math.floor(Date.now() / 60_000));
    const wrong = ['nan', 'inf', '-inf', '1e300', '-1e18', 'x', ''];
    await client.zadd(key('members'), 1e300, 'ahead|of time', Date.now() + 900, 'without a bar', Date.now() + 900, 'forged|group');
    for (const value of wrong) {
      for (const name of ['cooldowns', 'under-way:forged']) await client.hset(key(name), 'a', value, 'b', value, 'unknown', value);
      await client.hset(key(`usage:${minute}`), 'a|r', value, 'a|t', value, 'a', value);
      await exchanges();
      for (const router of both) {
        expect([value, router.health().status, of(router, 'a').state]).toEqual([value, 'ok', 'available']);
        expect(of(router, 'a').inFlight).toBe(0);
        expect(Number.isFinite(of(router, 'a').tokens)).toBe(true);
      }
    }
    pay(1);
    await until(() => both.every((router) => left(router) === 5));
  });

  it('share a cooldown without prolonging it', async () => {
    const [first, second] = [open({ cooldownMs: 2_000 }), open({ cooldownMs: 2_000 })];
    first.failed(first.acquire('a'), { status: 429 });
    await until(() => of(second, 'a').state === 'cooling');
    expect(of(second, 'a').coolingForMs).toBeLessThanOrEqual(2_000);
    expect(second.getAvailableDeployment('gpt-4')?.id).toBe('b');
    await until(() => of(second, 'a').state === 'available' && of(first, 'a').state === 'available');
    await sleep(150);
    expect(of(second, 'a').state).toBe('available');
  });

  it('forget the requests in flight of a killed process', async () => {
    const router = open({}, { prefix: 'fast-litellm:' });
    const args = [
      '--require',
      join(root, 'test/support/typescript-hook.js'),
      join(root, 'test/e2e/router/router-redis.child.ts'),
      redis.url,
      '4',
    ];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    await until(() => of(router, 'a').inFlight === 4);
    child.kill('SIGKILL');
    await until(() => of(router, 'a').inFlight === 0);
  });

  it('accept a client of the app, and leave it open', async () => {
    const client = new Redis(redis.url);
    const [first, second] = [open({}, { client }), open()];
    first.acquire('a');
    await until(() => of(second, 'a').inFlight === 1);
    expect(second.health()).toMatchObject({ status: 'ok', sharedState: 'redis', processes: 2 });
    await first.close();
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });

  it('need only the permissions listed in the docs', async () => {
    const [, keys, commands] = /`(~\S+)` and `((?:\+\w+ ?)+)`/.exec(readFileSync('docs/router.md', 'utf8')) as RegExpExecArray;
    await redis.ask((client) => client.call('ACL', 'SETUSER', 'router', 'reset', 'on', '>secret', keys, ...commands.split(' ')));
    const budgets = {
      modelList: ['a', 'b'].map((id) => deployment(id, { model: `${id}/x`, tpm: 100, input_cost_per_token: 1 })),
      providerBudgets: { a: { budgetUsd: 1_000, periodMs: 600_000 } },
    };
    const url = redis.url.replace('//', '//router:secret@');
    // An answer that is late on a loaded machine would be a failure, too.
    const state = { url, client: undefined, prefix: `fast-litellm:${prefix}`, silenceMs: 1_000, timeoutMs: 10_000 };
    const now = fromMinute();
    const [first, second] = [1, 2].map(() => open(budgets, state, now));
    const failures = (): (number | undefined)[] =>
      [first, second].map((router) => router.metrics().find(({ name }) => name === 'router_shared_state_failures_total')?.value);
    // The first exchanges may come before the connection.
    await until(() => [first, second].every((router) => router.health().status === 'ok'));
    const before = failures();
    first.acquire('a');
    first.succeeded(first.acquire('a'), { latencyMs: 1, promptTokens: 5 });
    // Each by itself: on a busy machine the cooldown may end before the in-flight request is seen.
    first.failed(first.acquire('b'), { status: 429, retryAfterMs: 3_000 });
    await until(() => of(second, 'b').state === 'cooling');
    await until(() => of(second, 'a').inFlight === 1);
    await until(() => of(second, 'a').tokens === 5);
    await until(() => of(second, 'b').state === 'available');
    await first.close();
    await until(() => second.health().processes === 1 && second.health().status === 'ok');
    expect(failures()).toEqual(before);
  });

  it('may use the same sharedState one after the other, not at once', async () => {
    const sharedState = redisRouterState({ url: redis.url, prefix, intervalMs: 20 });
    const [first, other] = [open({ sharedState }), open()];
    const start = (): RouterService => open({ sharedState });
    expect(start).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path: 'router.sharedState' }));
    await first.close();
    const second = start();
    expect(second.health()).toMatchObject({ status: 'degraded' });
    second.acquire('a');
    await until(() => of(other, 'a').inFlight === 1 && second.health().status === 'ok');
    await second.close();
    const client = new Redis(redis.url);
    clients.push(client);
    await other.close();
    await until(async () => !String(await client.client('LIST')).includes('name=fast-litellm-router'));
  });

  it('close while a client of the app waits for Redis', async () => {
    const own = await RedisServer.start();
    const client = new Redis(own.url, { maxRetriesPerRequest: null, disconnectTimeout: 100 });
    clients.push(client);
    client.on('error', () => {});
    const router = open({}, { client });
    await until(() => router.health().status === 'ok');
    await own.kill();
    await until(() => router.health().status === 'degraded');
    await sleep(100);
    await router.close();
    client.disconnect();
    await own.stop();
  });

  it('route alone during an outage of Redis, log it, and share again afterwards', async () => {
    const own = await RedisServer.start();
    const [first, second] = [open({}, { url: own.url }), open({}, { url: own.url })];
    first.acquire('a');
    await until(() => of(second, 'a').inFlight === 1);
    await own.kill();
    await until(() => first.health().status === 'degraded' && of(second, 'a').inFlight === 0);
    expect(of(first, 'a').inFlight).toBe(1);
    second.succeeded(second.acquire('a'), { latencyMs: 1 });
    expect(second.metrics().find(({ name }) => name === 'router_shared_state_up')?.value).toBe(0);
    expect(JSON.stringify(second.health())).not.toContain(own.url);
    await own.start();
    await until(() => of(second, 'a').inFlight === 1 && second.health().status === 'ok');
    await Promise.all(routers.map((router) => router.close()));
    await own.stop();
  });
});

describe('the options of sharedState', () => {
  it.each([
    [{}, 'redis'],
    [{ url: 'http://a' }, 'redis.url'],
    [{ url: 'redis://:secret@a', timeoutMs: 0 }, 'redis.timeoutMs'],
    [{ client: {} }, 'redis.client'],
    [{ url: 'redis://a', prefix: '{x}' }, 'redis.prefix'],
    [{ url: 'redis://a', intervall: 1 }, 'redis.intervall'],
  ])('reject %j', (options, path) => {
    const refused = (): unknown => redisRouterState(options as RedisRouterStateOptions);
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION', path }));
    expect(refused).not.toThrow(/secret/);
  });
});

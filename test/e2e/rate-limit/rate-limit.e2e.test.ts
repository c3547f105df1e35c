import { Controller, Get, HttpException, Module, UseGuards, type ExecutionContext, type INestApplication, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  FastLiteLLMModule,
  RateLimit,
  RateLimitExceededError,
  RateLimitGuard,
  RateLimiterService,
  SkipRateLimit,
  type RateLimitStore,
} from 'nestjs-fast-litellm';
import { adapters, logger, startLimited, startModule } from './limited-routes.js';

type DropFirst<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

describe.each(adapters)('RateLimitGuard on %s', (adapter) => {
  let app: INestApplication;
  let limiter: RateLimiterService;

  async function start(...args: DropFirst<Parameters<typeof startLimited>>) {
    const started = await startLimited(adapter, ...args);
    ({ app, limiter } = started);
    return started.client;
  }
  afterEach(() => app.close());

  it('limits all routes without a rule together by the options, and sets the headers', async () => {
    const client = await start({ requestsPerMinute: 2 });
    const first = await client.get('/plain').expect(200);
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"default";q=2;w=60',
      ratelimit: '"default";r=1;t=60',
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '1m0s',
    });
    expect(first.headers).not.toHaveProperty('x-ratelimit-limit-tokens');
    await client.get('/other').expect(200);
    const refused = await client.get('/plain').expect(429);
    expect(refused.body).toEqual({
      error: {
        message: expect.stringMatching(/^Rate limit reached: 2 requests per minute \(default\)\. Please try again in (59|60) s\.$/),
        type: 'requests',
        param: null,
        code: 'rate_limit_exceeded',
      },
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(59);
    expect(Number(refused.headers['retry-after-ms'])).toBeLessThanOrEqual(60_000);
    expect(refused.headers.ratelimit).toBe(`"default";r=0;t=${refused.headers['retry-after']}`);
    await client.get('/skipped').expect(200);
    await client.get('/own').expect(200);
  });

  it('counts HEAD requests and failed requests, and sets their headers', async () => {
    const client = await start({ requestsPerMinute: 2, limits: { chat: { requestsPerMinute: 2 } } });
    expect((await client.head('/plain').expect(200)).headers.ratelimit).toBe('"default";r=1;t=60');
    for (const [fail, left] of [
      [404, 1],
      [500, 0],
    ] as const) {
      const { headers } = await client.post('/chat').send({ fail }).expect(fail);
      expect(headers.ratelimit).toMatch(new RegExp(`^"chat";r=${left};t=`));
    }
    await client.post('/chat').send({ fail: 404 }).expect(429);
    await client.get('/nowhere').expect(404);
    await client.get('/plain').expect(200);
  });

  it('counts an unnamed rule for each route', async () => {
    const client = await start({});
    await client.get('/own').expect(200);
    await client.get('/own').expect(429);
    await client.get('/own-too').expect(200);
    await client.get('/plain').expect(200);
  });

  it('allows a request only if every rule does, and counts a denied one under none', async () => {
    const client = await start({});
    const { headers } = await client.get('/two').expect(200);
    expect(headers['ratelimit-policy']).toBe('"short";q=2;w=1, "long-minute";q=3;w=60, "long-day";q=5;w=86400');
    expect(headers.ratelimit).toMatch(/^"short";r=1;t=1, "long-minute";r=2;t=60$/);
    expect(headers['x-ratelimit-remaining-requests']).toBe('1');
    await client.get('/two').expect(200);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client.get('/two').expect(200);
    const { body } = await client.get('/two').expect(429);
    expect((body as { error: { message: string } }).error.message).toContain('3 requests per minute (long)');
  });

  it('calls the functions for cost and key, and falls back to the default key', async () => {
    const client = await start({});
    const costs = [];
    for (const cost of [4, 7, 6, 1]) costs.push((await client.get(`/costly?cost=${cost}`)).status);
    expect(costs).toEqual([200, 429, 200, 429]);
    for (const cost of [-1, 0.5, 2 ** 31 + 1]) await client.get(`/costly?cost=${cost}`).expect(500);
    const users = [];
    for (const user of ['a', 'a', 'b', '', '']) users.push((await client.get('/user').set('x-user', user)).status);
    expect(users).toEqual([200, 429, 200, 200, 429]);
  });

  it('tells clients apart by API key, and keeps only its hash', async () => {
    const client = await start({ requestsPerMinute: 1 });
    const status = async (name: string, value: string) => (await client.get('/plain').set(name, value)).status;
    expect(await status('authorization', 'Bearer sk-1')).toBe(200);
    expect(await status('authorization', 'bearer sk-1')).toBe(429);
    expect(await status('x-api-key', 'sk-1')).toBe(429);
    expect(await status('x-api-key', 'sk-2')).toBe(200);
    expect(await status('authorization', 'Basic abc')).toBe(200);
    expect(await status('authorization', 'Basic xyz')).toBe(429);
    expect(limiter.getRemaining('sk-1')).toBe(1);
  });

  it('uses X-Forwarded-For only where the app trusts its proxy', async () => {
    const statuses = async (client: Awaited<ReturnType<typeof start>>) => {
      const all = [];
      for (const ip of ['203.0.113.1', '203.0.113.2', '203.0.113.2'])
        all.push((await client.get('/plain').set('x-forwarded-for', ip)).status);
      return all;
    };
    expect(await statuses(await start({ requestsPerMinute: 1 }))).toEqual([200, 429, 429]);
    await app.close();
    expect(await statuses(await start({ requestsPerMinute: 1 }, { trustProxy: true }))).toEqual([200, 200, 429]);
  });

  it('waits for an asynchronous store, and answers 503 when it is unavailable', async () => {
    let away = false;
    const store = (memory: RateLimitStore): RateLimitStore => ({
      ...({ kind: 'late', stats: () => ({}), metrics: () => [], health: () => ({}), close: () => {} } as const),
      check: async (...args) =>
        away ? { allowed: false, scope: 0, retryAfterMs: 1000, standings: [], atMs: 0, outage: 'deny' as const } : memory.check(...args),
      peek: async (...args) => memory.peek(...args),
      settle: async (...args) => memory.settle(...args),
      release: async (...args) => memory.release(...args),
      reset: async (...args) => memory.reset(...args),
    });
    const client = await start({ requestsPerMinute: 1, store });
    await client.get('/plain').expect(200);
    await client.get('/plain').expect(429);
    away = true;
    const { body, headers } = await client.get('/plain').expect(503);
    expect(body).toMatchObject({ error: { type: 'server_error', code: 'rate_limit_unavailable' } });
    expect(headers['retry-after']).toBe('1');
    expect(headers).not.toHaveProperty('ratelimit-policy');
  });

  it('calls the hooks for key, tokens and error, and leaves out headers', async () => {
    class OwnGuard extends RateLimitGuard {
      protected override getKey(req: { headers: Record<string, string> }) {
        return Promise.resolve(`tenant:${req.headers['x-tenant']}`);
      }
      protected override getTokens() {
        return 60;
      }
      protected override throwRateLimitException(context: ExecutionContext, error: RateLimitExceededError): never {
        throw new HttpException({ handler: context.getHandler().name, code: error.code, exceeded: error.exceeded }, 418);
      }
    }
    const client = await start({ headers: false, limits: { chat: { tokensPerMinute: 100 } } }, { guard: OwnGuard });
    const { headers } = await client.post('/chat').set('x-tenant', 'a').send({ silent: true }).expect(200);
    expect(headers).not.toHaveProperty('x-ratelimit-limit-tokens');
    await client
      .post('/chat')
      .set('x-tenant', 'a')
      .send({})
      .expect(418, { handler: 'chat', code: 'RATE_LIMIT_EXCEEDED', exceeded: 'tokens' });
    await client.post('/chat').set('x-tenant', 'b').send({}).expect(200);
    expect(limiter.peek('tenant:a', { limit: 'chat', cost: 0 }).remainingTokens).toBe(40);
  });
});

describe.each(adapters)('RateLimitGuard as APP_GUARD on %s', (adapter) => {
  let app: INestApplication;
  afterEach(() => app.close());

  async function start(module: Type<unknown>) {
    const started = await startModule(adapter, module);
    ({ app } = started);
    return started.client;
  }

  @Controller()
  @RateLimit({ requestsPerMinute: 2 }, { name: 'burst', requestsPerSecond: 1000 })
  class LimitedController {
    @Get('a')
    a() {
      return 'a';
    }
    @Get('b')
    @UseGuards(RateLimitGuard)
    b() {
      return 'b';
    }
    @Get('c')
    @RateLimit({ requestsPerMinute: 1 })
    c() {
      return 'c';
    }
    @Get('d')
    @SkipRateLimit('default')
    d() {
      return 'd';
    }
  }

  it('guards every route once, also where a route names the guard, and prefers rules of the method', async () => {
    @Module({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: false })],
      controllers: [LimitedController],
      providers: [{ provide: APP_GUARD, useClass: RateLimitGuard }],
    })
    class GlobalModule {}
    const client = await start(GlobalModule);
    const statuses = [];
    for (const path of ['a', 'b', 'a', 'c', 'c', 'd', 'd', 'd']) statuses.push((await client.get(`/${path}`)).status);
    expect(statuses).toEqual([200, 200, 429, 200, 429, 200, 200, 200]);
    expect((await client.get('/d')).headers['ratelimit-policy']).toBe('"burst";q=1000;w=1');
  });
});

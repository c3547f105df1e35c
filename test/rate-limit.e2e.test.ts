import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Module,
  Post,
  Req,
  Res,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import {
  FastLiteLLMModule,
  FastThrottlerStorage,
  RateLimit,
  RateLimitExceededError,
  RateLimitGuard,
  RateLimiterService,
  reportUsage,
  SkipRateLimit,
  type FastLiteLLMOptions,
  type RateLimitStore,
} from 'nestjs-fast-litellm';
import { request as httpRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';

const logger = { log: () => {}, warn: () => {}, error: () => {} };
const chat = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello world' }] };
/** 3 around the message, 1 for its role, 2 of text, 3 to prime the reply. */
const PROMPT = 9;

const waiting: (() => void)[] = [];
const isOver = new Map<string, () => void>();
/** Told by the route that streams, when its client is gone. */
const gone = (name: string) => new Promise<void>((resolve) => isOver.set(name, resolve));

class Denying implements CanActivate {
  canActivate(): never {
    throw new HttpException('not you', 403);
  }
}

@Controller()
@UseGuards(RateLimitGuard)
class RoutesController {
  @Get('plain')
  plain() {
    return { ok: true };
  }

  @Get('other')
  other() {
    return { ok: true };
  }

  @Get('skipped')
  @SkipRateLimit()
  skipped() {
    return { ok: true };
  }

  @Get('own')
  @RateLimit({ requestsPerMinute: 1 })
  own() {
    return { ok: true };
  }

  @Get('own-too')
  @RateLimit({ requestsPerMinute: 1 })
  ownToo() {
    return { ok: true };
  }

  @Get('two')
  @RateLimit({ name: 'short', requestsPerSecond: 100, burst: 2 })
  @RateLimit({ name: 'long', requestsPerMinute: 3, requestsPerDay: 5 })
  two() {
    return { ok: true };
  }

  @Get('costly')
  @RateLimit({ name: 'costly', requestsPerMinute: 10, cost: async (req: { query: { cost: string } }) => Number(req.query.cost) })
  costly() {
    return { ok: true };
  }

  @Get('user')
  @RateLimit({
    name: 'user',
    requestsPerMinute: 1,
    key: (req: { headers: Record<string, string> }) => Promise.resolve(req.headers['x-user']),
  })
  user() {
    return { ok: true };
  }

  @Post('chat')
  @HttpCode(200)
  @RateLimit({ name: 'chat' })
  chat(@Body() body: { fail?: number; silent?: boolean }) {
    if (body.fail) throw new HttpException('failed', body.fail);
    return body.silent ? { ok: true } : { usage: { prompt_tokens: PROMPT, completion_tokens: 11, total_tokens: PROMPT + 11 } };
  }

  @Post('denied')
  @RateLimit({ name: 'chat' })
  @UseGuards(Denying)
  denied() {
    return { ok: true };
  }

  @Post('stream')
  @RateLimit({ name: 'chat' })
  stream(@Req() req: object, @Res() res: ServerResponse & { raw?: ServerResponse; hijack?: () => void }, @Body() body: { cut?: string }) {
    res.hijack?.();
    const raw = res.raw ?? res;
    raw.writeHead(200, { 'content-type': 'text/event-stream' });
    raw.write('data: {"n":1}\n\n');
    if (body.cut === undefined) {
      reportUsage(req, { input_tokens: PROMPT, output_tokens: 3 });
      reportUsage(req, { input_tokens: PROMPT, output_tokens: 21 });
      raw.end('data: [DONE]\n\n');
      return;
    }
    const name = body.cut;
    if (name === 'before') reportUsage(req, PROMPT + 5);
    raw.on('close', () => {
      setImmediate(() => {
        if (name === 'after') reportUsage(req, PROMPT + 7);
        isOver.get(name)?.();
      });
    });
  }

  @Get('slow')
  @RateLimit({ name: 'slow', maxConcurrent: 1 })
  async slow() {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { ok: true };
  }
}

describe.each([
  ['Express', (trust: boolean) => ({ adapter: new ExpressAdapter(), trust })],
  ['Fastify', (trust: boolean) => ({ adapter: new FastifyAdapter({ trustProxy: trust }), trust })],
])('RateLimitGuard on %s', (_, make) => {
  let app: INestApplication;
  let limiter: RateLimiterService;

  async function start(rateLimit: FastLiteLLMOptions['rateLimit'], trustProxy = false, guard: Type<RateLimitGuard> = RateLimitGuard) {
    const testing = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit })],
      controllers: [RoutesController],
    })
      .overrideGuard(RateLimitGuard)
      .useClass(guard)
      .compile();
    const { adapter, trust } = make(trustProxy);
    app = testing.createNestApplication(adapter as ExpressAdapter, { logger: false });
    if (adapter.getType() === 'express') (app as NestExpressApplication).set('trust proxy', trust);
    await app.listen(0, '127.0.0.1');
    limiter = app.get(RateLimiterService);
    return request(app.getHttpServer());
  }
  afterEach(() => app.close());

  const tokensLeft = (key = 'ip:127.0.0.1') => limiter.peek(key, { limit: 'chat', cost: 0 }).remainingTokens;
  const chatLimits = { limits: { chat: { tokensPerMinute: 10_000, maxConcurrent: 4 } } };
  /** The answer can be read before the server has seen its end. */
  const settled = async (tokens: number) => {
    for (let i = 0; i < 100 && tokensLeft() !== tokens; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(tokensLeft()).toBe(tokens);
  };

  it('limits routes without a rule by the options, all together, and says so in the headers', async () => {
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

  it('counts a rule without a name per route', async () => {
    const client = await start({});
    await client.get('/own').expect(200);
    await client.get('/own').expect(429);
    await client.get('/own-too').expect(200);
    await client.get('/plain').expect(200);
  });

  it('needs every rule to allow, and takes from none otherwise', async () => {
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

  it('asks functions for cost and key, and falls back to its own key', async () => {
    const client = await start({});
    const costs = [];
    for (const cost of [4, 7, 6, 1]) costs.push((await client.get(`/costly?cost=${cost}`)).status);
    expect(costs).toEqual([200, 429, 200, 429]);
    await client.get('/costly?cost=-1').expect(500);
    const users = [];
    for (const user of ['a', 'a', 'b', '', '']) users.push((await client.get('/user').set('x-user', user)).status);
    expect(users).toEqual([200, 429, 200, 200, 429]);
  });

  it('tells clients apart by API key, which it does not keep', async () => {
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

  it('believes in X-Forwarded-For only where the app trusts its proxy', async () => {
    const statuses = async (client: Awaited<ReturnType<typeof start>>) => {
      const all = [];
      for (const ip of ['203.0.113.1', '203.0.113.2', '203.0.113.2'])
        all.push((await client.get('/plain').set('x-forwarded-for', ip)).status);
      return all;
    };
    expect(await statuses(await start({ requestsPerMinute: 1 }))).toEqual([200, 429, 429]);
    await app.close();
    expect(await statuses(await start({ requestsPerMinute: 1 }, true))).toEqual([200, 200, 429]);
  });

  it('reserves an estimate and settles what was used', async () => {
    const client = await start(chatLimits);
    const { headers } = await client
      .post('/chat')
      .send({ ...chat, max_tokens: 100 })
      .expect(200);
    expect(headers).toMatchObject({
      'x-ratelimit-limit-tokens': '10000',
      'x-ratelimit-remaining-tokens': String(10_000 - PROMPT - 100),
      'ratelimit-policy': '"chat";q=4;qu="concurrent-requests"',
    });
    await settled(10_000 - PROMPT - 11);
  });

  it('gives all back after a failure, of the handler or of a later guard', async () => {
    const client = await start(chatLimits);
    await client
      .post('/chat')
      .send({ ...chat, fail: 500 })
      .expect(500);
    await settled(10_000);
    await client.post('/denied').send(chat).expect(403);
    await settled(10_000);
  });

  it('lets an estimate stand where nothing is known', async () => {
    const client = await start(chatLimits);
    await client
      .post('/chat')
      .send({ ...chat, silent: true })
      .expect(200);
    await settled(10_000 - 1024);
  });

  it('settles a stream by what its handler reports', async () => {
    const client = await start(chatLimits);
    await client.post('/stream').send(chat).expect(200);
    await settled(10_000 - PROMPT - 21);
  });

  it.each([
    ['before', PROMPT + 5],
    ['after', PROMPT + 7],
    ['never', 1024],
  ])('settles the part that was used when the client goes away: usage reported %s', async (cut, used) => {
    await start(chatLimits);
    const over = gone(cut);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const upstream = httpRequest({ port, path: '/stream', method: 'POST', headers: { 'content-type': 'application/json' } });
    upstream.on('error', () => {});
    upstream.end(JSON.stringify({ ...chat, cut }));
    await new Promise<void>((resolve) => upstream.on('response', (response) => response.once('data', () => resolve())));
    upstream.destroy();
    await over;
    await settled(10_000 - used);
    for (let i = 0; i < 4; i++) expect(limiter.isAllowed('ip:127.0.0.1', { limit: 'chat' })).toBe(true);
  });

  it('refuses by tokens, with the time that helps, or none where no time does', async () => {
    const client = await start({ limits: { chat: { tokensPerMinute: 150 } } });
    await client
      .post('/chat')
      .send({ ...chat, max_tokens: 100, silent: true })
      .expect(200);
    const refused = await client
      .post('/chat')
      .send({ ...chat, max_completion_tokens: 100 })
      .expect(429);
    expect(refused.body).toMatchObject({ error: { type: 'tokens', message: expect.stringContaining('150 tokens per minute') } });
    expect(refused.headers).toMatchObject({ 'retry-after': expect.any(String), 'x-ratelimit-remaining-tokens': '41' });
    const never = await client
      .post('/chat')
      .send({ ...chat, max_tokens: 1e300 })
      .expect(429);
    expect(never.headers).not.toHaveProperty('retry-after');
    await client
      .post('/chat')
      .send({ ...chat, max_tokens: -1000 })
      .expect(200);
  });

  it('lets so many run at a time, and frees the place at the end', async () => {
    const client = await start({});
    const running = client.get('/slow').then((response) => response.status);
    while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const refused = await client.get('/slow').expect(429);
    expect(refused.headers).not.toHaveProperty('retry-after');
    expect(refused.body).toMatchObject({ error: { message: 'Rate limit reached: 1 requests at a time (slow).' } });
    waiting.pop()?.();
    await expect(running).resolves.toBe(200);
    for (let i = 0; i < 100 && !limiter.peek('ip:127.0.0.1', { limit: 'slow', limits: { maxConcurrent: 1 } }).allowed; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const again = client.get('/slow').then((response) => response.status);
    while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    waiting.pop()?.();
    await expect(again).resolves.toBe(200);
  });

  it('waits for a store elsewhere, and tells when it is away', async () => {
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
  });

  it('has hooks for key, tokens and refusal, and can do without headers', async () => {
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
    Reflect.defineMetadata('design:paramtypes', Reflect.getMetadata('design:paramtypes', RateLimitGuard), OwnGuard);
    const client = await start({ headers: false, limits: { chat: { tokensPerMinute: 100 } } }, false, OwnGuard);
    const { headers } = await client.post('/chat').set('x-tenant', 'a').send({ silent: true }).expect(200);
    expect(headers).not.toHaveProperty('x-ratelimit-limit-tokens');
    await client
      .post('/chat')
      .set('x-tenant', 'a')
      .send({})
      .expect(418, { handler: 'chat', code: 'RATE_LIMIT_EXCEEDED', exceeded: 'tokens' });
    await client.post('/chat').set('x-tenant', 'b').send({}).expect(200);
    expect(tokensLeft('tenant:a')).toBe(40);
  });
});

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('in a whole app on %s', (_, adapter) => {
  let app: INestApplication;
  afterEach(() => app.close());

  async function start(module: Type<unknown>) {
    const testing = await Test.createTestingModule({ imports: [module] }).compile();
    app = testing.createNestApplication(adapter() as ExpressAdapter, { logger: false });
    await app.init();
    if (app.getHttpAdapter().getType() === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    return request(app.getHttpServer());
  }

  @Controller()
  @RateLimit({ requestsPerMinute: 2 }, { name: 'burst', requestsPerSecond: 1000 })
  class LimitedController {
    @Get('a')
    a() {
      return 'a';
    }
    @Get('b')
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

  it('guards all routes as APP_GUARD; a method goes before its class', async () => {
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

  it("is the storage of Nest's own throttler", async () => {
    @Controller()
    class ThrottledController {
      @Get('a')
      a() {
        return 'a';
      }
    }
    @Module({
      imports: [
        FastLiteLLMModule.forRoot({ logger, metrics: false }),
        ThrottlerModule.forRoot({
          throttlers: [
            { name: 'default', ttl: 60_000, limit: 2 },
            { name: 'long', ttl: 600_000, limit: 100 },
          ],
          storage: new FastThrottlerStorage(),
        }),
      ],
      controllers: [ThrottledController],
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    })
    class ThrottlerAppModule {}
    const client = await start(ThrottlerAppModule);
    const { headers } = await client.get('/a').expect(200);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '60' });
    expect(headers).toMatchObject({ 'x-ratelimit-limit-long': '100', 'x-ratelimit-remaining-long': '99', 'x-ratelimit-reset-long': '600' });
    await client.get('/a').expect(200);
    const refused = await client.get('/a').expect(429);
    expect(refused.headers['retry-after']).toBe('60');
    expect(refused.body).toMatchObject({ message: 'ThrottlerException: Too Many Requests' });
  });
});

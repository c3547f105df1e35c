import { Controller, Get, HttpCode, Post, UseGuards, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  RateLimit,
  RateLimitGuard,
  rateLimitPrecheck,
  RateLimiterService,
  type FastLiteLLMOptions,
} from 'nestjs-fast-litellm';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { adapters, logger } from './limited-routes.js';

const LARGE = 1024 * 1024;

@Controller()
@UseGuards(RateLimitGuard)
class RoutesController {
  static bodies = 0;

  @Post('chat')
  @HttpCode(200)
  @RateLimit({ name: 'chat' })
  chat(): object {
    RoutesController.bodies++;
    return { ok: true };
  }

  @Post('user')
  @HttpCode(200)
  @RateLimit({ requestsPerMinute: 1, key: ({ user }: { user?: { id: string } }) => user?.id })
  user(): object {
    return { ok: true };
  }

  @Post('costly')
  @HttpCode(200)
  @RateLimit({ requestsPerMinute: 1, cost: ({ body }: { body: { cost: number } }) => body.cost })
  costly(): object {
    return { ok: true };
  }

  @Get('plain')
  plain(): object {
    return { ok: true };
  }
}

describe.each(adapters)('rateLimitPrecheck on %s', (adapter) => {
  let app: INestApplication;
  let url: string;
  let limiter: RateLimiterService;
  let socket: Socket | undefined;

  async function start(rateLimit: FastLiteLLMOptions['rateLimit'], asHook = false): Promise<void> {
    const testing = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ logger, metrics: false, rateLimit })],
      controllers: [RoutesController],
    }).compile();
    const http = adapter === 'Express' ? new ExpressAdapter() : new FastifyAdapter({ bodyLimit: 4 * LARGE });
    app = testing.createNestApplication(http as never, { logger: false });
    const chat = rateLimitPrecheck(app, RoutesController, 'chat');
    if (asHook) (app as NestFastifyApplication).getHttpAdapter().getInstance().addHook('onRequest', chat);
    else app.use('/chat', chat);
    app.use('/user', rateLimitPrecheck(app, RoutesController, 'user'));
    app.use('/costly', rateLimitPrecheck(app, RoutesController, 'costly'));
    if (adapter === 'Express')
      (app as unknown as { useBodyParser(type: string, options: object): void }).useBodyParser('json', { limit: 4 * LARGE });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    limiter = app.get(RateLimiterService);
    RoutesController.bodies = 0;
  }
  afterEach(() => {
    socket?.destroy();
    return app.close();
  });

  const post = (path: string, body: object) =>
    fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

  /** The answer to a head whose body never comes. */
  async function answerToHead(path: string, headers: string): Promise<string> {
    socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString();
  }

  it.each(['content-length: 1000000', 'transfer-encoding: chunked', 'content-length: 9\r\ncontent-encoding: gzip'])(
    'rejects a client over its limit before the body arrives (%s)',
    async (headers) => {
      await start({ limits: { chat: { requestsPerMinute: 1 } } });
      expect((await post('/chat', {})).status).toBe(200);
      const answer = await answerToHead('/chat', headers);
      expect(answer).toMatch(/^HTTP\/1\.1 429 /);
      expect(answer).toMatch(/\r\nretry-after: \d+\r\n/i);
      expect(answer).toMatch(/\r\nratelimit: "chat";r=0;t=\d+\r\n/i);
      expect(answer).toContain('"code":"rate_limit_exceeded"');
      expect(RoutesController.bodies).toBe(1);
    },
  );

  it('answers as the guard does, counts the denial, and keeps the connection for the next request', async () => {
    await start({ limits: { chat: { requestsPerMinute: 1 } } });
    await post('/chat', {});
    const [byGuard, early] = [await post('/chat', {}), await post('/chat', { text: 'x'.repeat(LARGE) })];
    expect([byGuard.status, early.status]).toEqual([429, 429]);
    const names = ['content-type', 'ratelimit-policy', 'x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests'];
    expect(names.map((name) => early.headers.get(name))).toEqual(names.map((name) => byGuard.headers.get(name)));
    const [expected, given] = [await byGuard.json(), await early.json()] as { error: object }[];
    expect({ ...given.error, message: '' }).toEqual({ ...expected.error, message: '' });
    expect(limiter.getStats()).toMatchObject({ allowedCount: 1, deniedCount: 2 });
    expect((await fetch(`${url}/plain`)).status).toBe(200);
  });

  it('counts nothing for a client that is allowed', async () => {
    await start({ limits: { chat: { requestsPerMinute: 2 } } });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await post('/chat', { text: 'x'.repeat(LARGE) })).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect(limiter.getStats()).toMatchObject({ allowedCount: 2, deniedCount: 1 });
  });

  it('rejects a large body by the token limit where no tokens are left', async () => {
    await start({ limits: { chat: { tokensPerMinute: 1500 } } });
    const chat = { model: 'gpt-4', messages: [{ role: 'user', content: 'hello' }], max_tokens: 1492 };
    expect((await post('/chat', chat)).status).toBe(200);
    const answer = await answerToHead('/chat', 'content-length: 1000000');
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    expect(answer).toContain('1500 tokens per minute');
  });

  it('leaves rules to the guard whose key or cost needs the body or the user', async () => {
    await start({});
    const statuses = [];
    for (const path of ['/user', '/costly']) {
      for (let i = 0; i < 2; i++) statuses.push((await post(path, { cost: 1, text: 'x'.repeat(LARGE) })).status);
    }
    // The guard denies the second of each.
    expect(statuses).toEqual([200, 429, 200, 429]);
    const answer = await Promise.race([
      answerToHead('/user', 'content-length: 1000000'),
      new Promise<string>((resolve) => setTimeout(() => resolve('waits for the body'), 200)),
    ]);
    expect(answer).toBe('waits for the body');
  });

  it('rejects a method that the controller does not have', async () => {
    await start({});
    expect(() => rateLimitPrecheck(app, RoutesController, 'nothing' as never)).toThrow('method: must be a function');
  });

  if (adapter === 'Fastify') {
    it('works as an onRequest hook', async () => {
      await start({ limits: { chat: { requestsPerMinute: 1 } } }, true);
      expect((await post('/chat', { text: 'x'.repeat(LARGE) })).status).toBe(200);
      expect(await answerToHead('/chat', 'content-length: 1000000')).toMatch(/^HTTP\/1\.1 429 /);
    });
  }
});

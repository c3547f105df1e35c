import type { INestApplication } from '@nestjs/common';
import type { RateLimiterService } from 'nestjs-fast-litellm';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { adapters, chat, gone, PROMPT, startLimited, waiting } from './limited-routes.js';
import { until } from '../../support/until.js';

type DropFirst<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

describe.each(adapters)('tokens and slots under RateLimitGuard on %s', (adapter) => {
  let app: INestApplication;
  let limiter: RateLimiterService;

  async function start(...args: DropFirst<Parameters<typeof startLimited>>) {
    const started = await startLimited(adapter, ...args);
    ({ app, limiter } = started);
    return started.client;
  }
  afterEach(() => app.close());

  const tokensLeft = (key = 'ip:127.0.0.1') => limiter.peek(key, { limit: 'chat', cost: 0 }).remainingTokens;
  const chatLimits = { limits: { chat: { tokensPerMinute: 10_000, maxConcurrent: 4 } } };
  /** The answer can be read before the server has seen its end. */
  const settled = async (tokens: number) => {
    await until(() => tokensLeft() === tokens);
  };

  it('reserves an estimate and settles the usage of the answer', async () => {
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

  it('returns the reservation when the handler or a later guard fails', async () => {
    const client = await start(chatLimits);
    await client
      .post('/chat')
      .send({ ...chat, fail: 500 })
      .expect(500);
    await settled(10_000);
    await client.post('/denied').send(chat).expect(403);
    await settled(10_000);
  });

  it('keeps the reservation when no usage is known', async () => {
    const client = await start(chatLimits);
    await client
      .post('/chat')
      .send({ ...chat, silent: true })
      .expect(200);
    await settled(10_000 - 1024);
  });

  it('settles the usage that the handler of a stream reports', async () => {
    const client = await start(chatLimits);
    await client.post('/stream').send(chat).expect(200);
    await settled(10_000 - PROMPT - 21);
  });

  it.each([
    ['before', PROMPT + 5],
    ['after', PROMPT + 7],
    ['never', 1024],
  ])('settles the usage when the client disconnects: reported %s', async (cut, used) => {
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

  it('denies by tokens with the retry time, or without one where no wait helps', async () => {
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

  it('allows maxConcurrent requests in flight, and frees the slot at the end', async () => {
    const client = await start({});
    const running = client.get('/slow').then((response) => response.status);
    await until(() => waiting.length === 1);
    const refused = await client.get('/slow').expect(429);
    expect(refused.headers).not.toHaveProperty('retry-after');
    expect(refused.body).toMatchObject({ error: { message: 'Rate limit reached: 1 concurrent requests (slow).' } });
    waiting.pop()?.();
    await expect(running).resolves.toBe(200);
    await until(() => limiter.peek('ip:127.0.0.1', { limit: 'slow', limits: { maxConcurrent: 1 } }).allowed);
    const again = client.get('/slow').then((response) => response.status);
    await until(() => waiting.length === 1);
    waiting.pop()?.();
    await expect(again).resolves.toBe(200);
  });
});

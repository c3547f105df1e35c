import { Body, Controller, HttpCode, HttpException, Post, Req, UseGuards, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { FastLiteLLMModule, RateLimit, RateLimitGuard, RateLimiterService, reportUsage, type Usage } from 'nestjs-fast-litellm';
import type { Server } from 'node:http';
import request from 'supertest';
import { until } from '../../support/until.js';
import { logger, PROMPT, waiting } from './limited-routes.js';

const KEY = 'ip:127.0.0.1';
const messages = [{ role: 'user', content: 'hello world' }];
/** 1,000 USD per million tokens read, 2,000 written: 0.001 and 0.002 USD each. */
const PRICES = { inputPerMillion: 1_000, outputPerMillion: 2_000, reasoningPerMillion: 3_000 };

interface Asked {
  readonly fail?: number;
  readonly usage?: Usage;
  readonly costUsd?: number;
}

@Controller()
@UseGuards(RateLimitGuard)
class PaidController {
  @Post('chat')
  @HttpCode(200)
  @RateLimit({ name: 'paid' })
  chat(@Req() incoming: object, @Body() { fail, usage, costUsd }: Asked): object {
    if (fail !== undefined) throw new HttpException('failed', fail);
    if (costUsd !== undefined) reportUsage(incoming, 1, costUsd);
    return costUsd === undefined && usage !== undefined ? { usage } : { text: '' };
  }

  @Post('lifetime')
  @HttpCode(200)
  @RateLimit({ name: 'lifetime', usdTotal: 1, usd: 0.75 })
  lifetime(@Req() incoming: object): object {
    reportUsage(incoming, 1, 0.75);
    return {};
  }

  @Post('fixed')
  @HttpCode(200)
  @RateLimit({ name: 'paid', usd: 0.5 })
  async fixed(): Promise<object> {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { usage: { prompt_tokens: 1, completion_tokens: 1 } };
  }
}

describe.each(['Express', 'Fastify'])('budgets under RateLimitGuard on %s', (adapter) => {
  let app: INestApplication;
  let limiter: RateLimiterService;

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({
          logger,
          rateLimit: { limits: { paid: { usdPerDay: 1, timeZone: 'Europe/Zurich' } } },
          tokenCounter: { pricing: { overrides: { 'gpt-4': PRICES } } },
        }),
      ],
      controllers: [PaidController],
    }).compile();
    app = module.createNestApplication(adapter === 'Express' ? new ExpressAdapter() : (new FastifyAdapter() as never), { logger: false });
    await app.listen(0, '127.0.0.1');
    if (adapter === 'Fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    limiter = module.get(RateLimiterService);
  });
  beforeEach(() => limiter.reset(KEY, { limit: 'paid' }));
  afterAll(() => app.close());

  const post = (path: string, body: object) =>
    request(app.getHttpServer() as Server)
      .post(path)
      .send({ model: 'gpt-4', messages, ...body });
  const standing = () => limiter.getBudgets(KEY, { limit: 'paid' })[0];
  /** The answer can be read before the server has seen its end. */
  const settled = (spentUsd: number) => until(() => standing().heldUsd === 0 && Math.abs(standing().spentUsd - spentUsd) < 1e-9);

  it('holds the most that a request may cost, and settles what its usage costs', async () => {
    const usage = { prompt_tokens: 9, completion_tokens: 11, completion_tokens_details: { reasoning_tokens: 10 } };
    const { headers } = await post('/chat', { max_tokens: 100, n: 2, usage }).expect(200);
    expect(headers).toMatchObject({
      'x-ratelimit-limit-usd': '1',
      'x-ratelimit-remaining-usd': String(1 - (PROMPT * 0.001 + 200 * 0.003)),
      'x-ratelimit-reset-usd': expect.stringMatching(/^\d+h\d+m\d+s$|^\d+m\d+s$|^\d+s$/) as string,
      'x-litellm-key-spend': '0',
    });
    await settled(9 * 0.001 + 1 * 0.002 + 10 * 0.003);
  });

  it('denies what the budget cannot pay, so that SDKs do not retry', async () => {
    await post('/chat', { max_tokens: 10, costUsd: 0.99 }).expect(200);
    await settled(0.99);
    const { body, headers } = await post('/chat', { max_tokens: 10 }).expect(429);
    expect(headers['x-should-retry']).toBe('false');
    expect(headers['retry-after']).toBeUndefined();
    expect(headers['x-ratelimit-remaining-usd']).toBe('0.01');
    const { error } = body as { error: { resets_at: string } };
    expect(error).toEqual({
      message:
        'Budget exceeded: 1 USD a day (limit paid): 0.99 USD spent, 0 USD held by requests in flight, ' +
        `and this request may cost up to 0.039 USD. It resets at ${error.resets_at}.`,
      type: 'budget_exceeded',
      param: null,
      code: 'budget_exhausted',
      scope: 'paid',
      limit_usd: 1,
      spent_usd: 0.99,
      held_usd: 0,
      estimated_usd: 0.039,
      resets_at: expect.any(String) as string,
    });
    expect(new Date(error.resets_at).toLocaleTimeString('en-GB', { timeZone: 'Europe/Zurich' })).toBe('00:00:00');
    const tooLarge = await post('/chat', { max_tokens: 5_000 }).expect(429);
    expect(tooLarge.body).toMatchObject({ error: { code: 'request_exceeds_budget', type: 'budget_exceeded' } });
    expect(tooLarge.headers['x-should-retry']).toBe('false');
  });

  it('holds the output of a model that writes, though the request looks like one for embeddings', async () => {
    const { body } = await post('/chat', { messages: undefined, input: 'hello', dimensions: 256 }).expect(429);
    expect(body).toMatchObject({ error: { code: 'request_exceeds_budget' } });
  });

  it('tells no time at which a budget of all time starts again', async () => {
    const { headers } = await post('/lifetime', {}).expect(200);
    expect(headers).toMatchObject({ 'x-ratelimit-limit-usd': '1', 'x-ratelimit-remaining-usd': '0.25' });
    expect(headers['x-ratelimit-reset-usd']).toBeUndefined();
    const limit = { limit: 'lifetime', limits: { usdTotal: 1 } };
    await until(() => limiter.getBudgets(KEY, limit)[0].spentUsd === 0.75);
    const refused = await post('/lifetime', {}).expect(429);
    expect(refused.headers['x-should-retry']).toBe('false');
    expect(refused.headers['x-ratelimit-reset-usd']).toBeUndefined();
    expect((refused.body as { error: object }).error).toEqual({
      message:
        'Budget exceeded: 1 USD in total (limit lifetime): 0.75 USD spent, 0 USD held by requests in flight, ' +
        'and this request may cost up to 0.75 USD.',
      type: 'budget_exceeded',
      param: null,
      code: 'budget_exhausted',
      scope: 'lifetime',
      limit_usd: 1,
      spent_usd: 0.75,
      estimated_usd: 0.75,
      held_usd: 0,
    });
  });

  it('denies for a moment what requests in flight hold', async () => {
    const slow = post('/fixed', {}).expect(200).then();
    await until(() => waiting.length > 0);
    expect(standing()).toMatchObject({ spentUsd: 0, heldUsd: 0.5 });
    const { body, headers } = await post('/chat', { max_tokens: 200 }).expect(429);
    expect(body).toMatchObject({ error: { code: 'budget_held', held_usd: 0.5, spent_usd: 0 } });
    expect(headers).toMatchObject({ 'retry-after': '1' });
    expect(headers['x-should-retry']).toBeUndefined();
    waiting.splice(0).forEach((end) => end());
    await slow;
    await settled(0.003);
  });

  it('returns the money of a request that fails', async () => {
    await post('/chat', { fail: 500 }).expect(429);
    await post('/chat', { fail: 502, max_tokens: 10 }).expect(502);
    await settled(0);
  });

  it('spends what was held where no usage is known', async () => {
    await post('/chat', { max_tokens: 10 }).expect(200);
    await settled(PROMPT * 0.001 + 10 * 0.003);
  });

  it('settles the cost that the handler reports', async () => {
    await post('/chat', { max_tokens: 10, costUsd: 0.25 }).expect(200);
    await settled(0.25);
  });

  it('lets a model without a price pass until the budget is spent', async () => {
    await post('/chat', { model: 'nobody/knows', costUsd: 1 }).expect(200);
    await settled(1);
    await post('/chat', { model: 'nobody/knows' }).expect(429);
  });
});

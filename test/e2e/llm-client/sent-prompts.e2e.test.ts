import { Body, Controller, Post, Req, Res, UseGuards, type INestApplication } from '@nestjs/common';
import {
  FastLiteLLM,
  FastLiteLLMModule,
  LlmClient,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
  type AnswerTarget,
  type CallOptions,
  type ModelRequest,
  type RouterOptions,
} from 'nestjs-fast-litellm';
import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { deploymentOf, provider, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { until, untilMinuteLasts } from '../../support/until.js';

// What a prompt costs that was sent, and got no answer: seen from outside, as tokens that a client has left.

const LIMIT = 20_000;
const MESSAGES = [{ role: 'user', content: 'one two three four five six seven eight '.repeat(500) }];

@Controller()
@UseGuards(RateLimitGuard)
class Chat {
  constructor(private readonly client: LlmClient) {}

  @Post('chat')
  @RateLimit({ name: 'chat' })
  async chat(@Body() body: ModelRequest, @Req() request: object, @Res() response: AnswerTarget & NonNullable<CallOptions['response']>) {
    const answer = await this.client.chat(body, { request, response });
    await answer.sendTo(response);
  }
}

const adapters = [
  ['express', () => new ExpressAdapter()],
  ['fastify', () => new FastifyAdapter()],
] as const;
const opened: INestApplication[] = [];

beforeEach(untilMinuteLasts);
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
  await stopProviders();
});

describe.each(adapters.filter(([name]) => isComplete || name === 'fastify'))('a prompt that was sent, on %s', (_, adapter) => {
  async function start(behaviour: Partial<ProviderBehaviour>, router: RouterOptions = {}, more: RouterOptions['modelList'] = []) {
    const first = await provider('first', behaviour);
    const modelList = [
      deploymentOf('m', first, { input_cost_per_token: 1e-6, output_cost_per_token: 0, max_budget: 1, budget_duration: '1d' }),
      ...more,
    ];
    const module = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({
          rateLimit: { limits: { chat: { tokensPerMinute: LIMIT } } },
          // The scripted usage says nothing about the prompts.
          tokenCounter: { estimates: false },
          router: { modelList, numRetries: 0, disableCooldowns: true, ...router },
        }),
      ],
      controllers: [Chat],
    }).compile();
    const app = module.createNestApplication<NestExpressApplication>(adapter() as never, { logger: false });
    opened.push(app);
    await app.listen(0, '127.0.0.1');
    const llm = app.get(FastLiteLLM);
    // Loads undici and the price list, before the first call's time counts.
    expect(llm.connectionPool.dispatcher).toBeDefined();
    llm.tokenCounter.estimateCost(1, 1, 'gpt-4o');
    const limiter = app.get(RateLimiterService);
    const prompt = llm.tokenCounter.countMessages(MESSAGES, 'm');
    const used = () => LIMIT - (limiter.peek('ip:127.0.0.1', { limit: 'chat', cost: 0 }).remainingTokens ?? NaN);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const post = (body: object) => send(port, { model: 'm', messages: MESSAGES, ...body });
    const metric = (name: string, labels: object = {}) =>
      llm.client
        .metrics()
        .find((each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels?.[key] === value))?.value;
    const spent = () => ({
      input: metric('llm_client_tokens_total', { direction: 'input' }),
      estimated: metric('llm_client_estimated_tokens_total', { direction: 'input' }),
      usd: metric('llm_client_cost_usd_total'),
    });
    return { llm, first, prompt, used, post, spent, port };
  }

  function send(port: number, body: object, onResponse: (abort: () => void) => void = () => {}, cut?: Promise<unknown>): Promise<number> {
    return new Promise((resolve) => {
      const request = httpRequest({ port, path: '/chat', method: 'POST', headers: { 'content-type': 'application/json' } }, (response) => {
        response.once('data', () => onResponse(() => request.destroy()));
        response.on('end', () => resolve(response.statusCode ?? 0)).on('error', () => resolve(0));
      });
      request.on('error', () => resolve(0));
      request.end(JSON.stringify(body));
      void cut?.then(() => request.destroy());
    });
  }

  it.each<[string, Partial<ProviderBehaviour>, object]>([
    ['the time of its caller is up', { fault: 'hang' }, { timeout: 2 }],
    ['the time of its caller for a first chunk is up', { fault: 'hang' }, { stream: true, stream_timeout: 2 }],
    ['the connection breaks', { fault: 'reset' }, {}],
    ['the answer is none', { fault: 'garbage' }, {}],
    ['the provider speaks no HTTP', { fault: 'protocol' }, {}],
  ])('is charged when %s', async (_case, behaviour, body) => {
    const { llm, post, used, prompt, spent, first } = await start(behaviour);
    expect(await post(body)).toBeGreaterThanOrEqual(500);
    expect(first.requests).toBe(1);
    await until(() => used() >= prompt && used() < prompt + 100);
    expect(llm.router.status()[0].tokens).toBe(used());
    expect(spent()).toEqual({ input: prompt, estimated: prompt, usd: expect.closeTo(prompt * 1e-6, 9) as number });
    const budget = llm.router.metrics().find(({ name }) => name === 'router_budget_remaining_usd');
    expect(budget?.value).toBeCloseTo(1 - prompt * 1e-6, 9);
  });

  it.each<[string, Partial<ProviderBehaviour>]>([
    ['an error status', { fault: 'status', status: 500 }],
    ['429', { fault: 'status', status: 429 }],
    ['400', { fault: 'status', status: 400 }],
  ])('is refunded when the provider answers with %s', async (_case, behaviour) => {
    const { llm, post, used, spent } = await start(behaviour, { numRetries: 1, retryPolicy: { RateLimitErrorRetries: 0 } });
    for (const stream of [false, true]) expect(await post({ stream })).toBeGreaterThanOrEqual(400);
    await until(() => used() === 0);
    expect(llm.router.status()[0].tokens).toBe(0);
    expect(spent()).toEqual({ input: 0, estimated: 0, usd: 0 });
  });

  it.each([
    ['200 with an error', false, 'application/json', '{"error":{"message":"overloaded","code":503}}'],
    ['200 with an error in the place of a stream', true, 'application/json', '{"error":{"message":"overloaded","code":503}}'],
    ['an error as the first event', true, 'text/event-stream', 'data: {"error":{"message":"overloaded","code":503}}\n\n'],
  ])('is charged when the provider answers %s, because that is no error status', async (_case, stream, contentType, body) => {
    const apiBase = await scripted((request, response) => {
      request.resume().on('end', () => response.setHeader('content-type', contentType).end(body));
    });
    const { post, used, prompt } = await start({}, {}, [deploymentOf('odd', { name: 'odd', apiBase })]);
    expect(await post({ model: 'odd', stream })).toBe(503);
    await until(() => used() >= prompt && used() <= prompt + 1);
  });

  it('costs nothing when no connection was made', async () => {
    const { llm, post, used, first, spent } = await start({});
    await first.stop();
    expect(await post({})).toBeGreaterThanOrEqual(500);
    await until(() => used() === 0);
    expect(llm.router.status()[0].tokens).toBe(0);
    expect(spent()).toEqual({ input: 0, estimated: 0, usd: 0 });
  });

  it('is charged when the client leaves before the answer', async () => {
    const { llm, port, used, prompt, first } = await start({ fault: 'hang' });
    await send(
      port,
      { model: 'm', messages: MESSAGES },
      undefined,
      until(() => first.requests === 1),
    );
    await until(() => used() === prompt);
    await until(() => llm.router.status()[0].tokens === prompt);
  });

  it('is charged with the received part of a stream that its client leaves, or that is cut', async () => {
    const { port, post, used, prompt, first } = await start({ tokens: 200, chunkDelayMs: 20 });
    await send(port, { model: 'm', messages: MESSAGES, stream: true }, (abort) => abort());
    await until(() => used() >= prompt && used() < prompt + 100);
    const before = used();
    first.behave({ fault: 'cut', cutAfterChunks: 5, chunkDelayMs: 0 });
    await post({ stream: true });
    await until(() => used() >= before + prompt && used() < before + prompt + 20);
  });

  it('is charged for each attempt, above what was reserved', async () => {
    const { llm, post, used, prompt, first, spent } = await start({ fault: 'reset' }, { numRetries: 2 });
    expect(await post({ max_tokens: 1, num_retries: 10 })).toBeGreaterThanOrEqual(500);
    expect(first.requests).toBe(3);
    await until(() => used() === 3 * prompt);
    expect(llm.router.status()[0].tokens).toBe(3 * prompt);
    expect(spent()).toMatchObject({ input: 3 * prompt, estimated: 3 * prompt });
  });

  it('is charged in addition to the answer of the attempt that succeeds', async () => {
    const second: LocalProvider = await provider('second', { tokens: 7 });
    const { post, used, prompt } = await start({ fault: 'reset' }, { fallbacks: [{ m: ['n'] }] }, [deploymentOf('n', second)]);
    expect(await post({})).toBeLessThan(300);
    // The local provider counts words.
    await until(() => used() > prompt && used() !== 1_024);
    expect(used()).toBeGreaterThan(prompt + 7);
    second.behave({ usage: 'none' });
    const before = used();
    expect(await post({ max_tokens: 10 })).toBeLessThan(300);
    await until(() => used() === before + 2 * prompt + 10);
  });

  it('is counted by the fallback’s own messages, and reserved by the largest prompt', async () => {
    const { llm, post, used, prompt } = await start({ fault: 'status', status: 500 }, { fallbacks: [] }, [
      deploymentOf('n', await provider('second', { fault: 'reset' })),
    ]);
    const short = [{ role: 'user', content: 'Hello' }];
    expect(await post({ messages: short, fallbacks: [{ model: 'n', messages: MESSAGES }] })).toBeGreaterThanOrEqual(500);
    await until(() => used() === prompt);
    expect(llm.router.status()[1].tokens).toBe(prompt);
    const long = [{ role: 'user', content: 'a '.repeat(LIMIT + 1_000) }];
    expect(await post({ messages: short, fallbacks: [{ model: 'n', messages: long }] })).toBe(429);
  });
});

import { Body, Controller, HttpCode, Post, Req, UseGuards, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  FastLiteLLMModule,
  LlmClient,
  RateLimit,
  RateLimitGuard,
  RateLimiterService,
  type BudgetSettings,
  type ChatRequest,
} from 'nestjs-fast-litellm';
import type { Server } from 'node:http';
import request from 'supertest';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';
import { logger } from '../rate-limit/limited-routes.js';

const KEY = 'ip:127.0.0.1';
/** 0.001 USD for a token read, 0.002 for one written, 0.15 for a search. */
const PRICES = { inputPerMillion: 1_000, outputPerMillion: 2_000, perWebSearchUsd: 0.15 };
/** `extra_body` of deployments. */
const ADDED = {
  long: { max_tokens: 4_000 },
  many: { n: 40 },
  open: { max_completion_tokens: null },
  short: { max_tokens: 16 },
  searching: { web_search_options: {} },
};

@Controller()
@UseGuards(RateLimitGuard)
class ChatController {
  constructor(private readonly client: LlmClient) {}

  @Post('chat')
  @HttpCode(200)
  @RateLimit({ name: 'paid' })
  async chat(@Req() incoming: object, @Body() body: ChatRequest): Promise<unknown> {
    return (await this.client.chat({ ...body, stream: false }, { request: incoming })).json();
  }
}

describe('output under a budget', () => {
  const asked: Record<string, unknown>[] = [];
  /** Tokens that the provider writes, if it may. */
  let wanted = 1_000;
  /** Requests that are neither at the provider nor denied; it answers when there are none. */
  let undecided = 0;
  let held: (() => void)[] = [];
  const decided = (): void => {
    if (--undecided === 0) for (const answer of held.splice(0)) answer();
  };
  let app: INestApplication;
  let limiter: RateLimiterService;

  const start = async (budgets: BudgetSettings): Promise<void> => {
    const provider = await scripted((incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
        asked.push(body);
        if (body.user === 'failing') return void response.writeHead(500).end();
        const cap = Number(body.max_completion_tokens ?? body.max_tokens ?? Infinity);
        const written = Math.min(cap * Number(body.n ?? 1), wanted);
        const message = { role: 'assistant', content: 'hi' };
        const usage = { prompt_tokens: 8, completion_tokens: written, total_tokens: 8 + written };
        const answer = { id: 'x', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'length' }], usage };
        const send = (): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
        if (undecided === 0) return send();
        held.push(send);
        decided();
      });
    });
    const module = await Test.createTestingModule({
      imports: [
        FastLiteLLMModule.forRoot({
          logger,
          rateLimit: { budgets, limits: { paid: { usdPerDay: 1 } } },
          tokenCounter: { pricing: { overrides: { 'gpt-4': PRICES } } },
          router: {
            numRetries: 0,
            modelList: [
              { model_name: 'gpt-4', litellm_params: { model: 'openai/gpt-4', api_base: provider, api_key: 'sk-x' } },
              ...Object.entries(ADDED).map(([name, extra_body]) => ({
                model_name: name,
                litellm_params: { model: 'openai/gpt-4', api_base: provider, api_key: 'sk-x', extra_body },
              })),
              { model_name: 'small', litellm_params: { model: 'openai/gpt-4', api_base: provider, api_key: 'sk-x', max_tokens: 16 } },
            ],
          },
        }),
      ],
      controllers: [ChatController],
    }).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    limiter = module.get(RateLimiterService);
  };
  beforeEach(() => {
    asked.length = 0;
    wanted = 1_000;
    undecided = 0;
    held = [];
  });
  afterEach(async () => {
    await app.close();
    await stopProviders();
  });

  const post = (body: object) =>
    request(app.getHttpServer() as Server)
      .post('/chat')
      .send({ model: 'gpt-4', messages: [{ role: 'user', content: 'hello world' }], ...body });
  const standing = () => limiter.getBudgets(KEY, { limit: 'paid' })[0];
  const settled = () => until(() => standing().heldUsd === 0);

  it.each([
    [{ max_tokens: 4_000 }, 'max_tokens', 1],
    [{ max_completion_tokens: 4_000 }, 'max_completion_tokens', 1],
    [{}, 'max_completion_tokens', 1],
    [{ max_tokens: 4_000, n: 3 }, 'max_tokens', 3],
    [{ max_tokens: '4000' }, 'max_tokens', 1],
  ])('is lowered to half of what the budget has left: %j', async (body, field, choices) => {
    await start({ clampOutput: true });
    const { headers } = await post(body).expect(200);
    const { 'x-ratelimit-remaining-usd': left } = headers as Record<string, string>;
    expect(left).toBe('0.5');
    const cap = Number(asked[0][field]) * choices;
    // The guard counts the prompt, whose exact length is not the point.
    expect(cap).toBeGreaterThan(235);
    expect(cap).toBeLessThan(250);
    await settled();
    expect(standing().spentUsd).toBeLessThanOrEqual(1);
    expect(standing().spentUsd).toBeCloseTo(0.008 + Math.min(cap, wanted) * 0.002, 9);
  });

  it('is unchanged where the budget covers all of it, and denied where it covers less than 16 tokens', async () => {
    await start({ clampOutput: true });
    await post({ max_tokens: 100 }).expect(200);
    expect(asked[0].max_tokens).toBe(100);
    await settled();
    await limiter.setSpent(KEY, 0.98, { limit: 'paid' });
    const { body } = await post({ max_tokens: 100 }).expect(429);
    expect(body).toMatchObject({ error: { code: 'budget_exhausted' } });
    const { deniedCount, allowedCount } = limiter.getStats();
    expect([allowedCount, deniedCount]).toEqual([1, 1]);
    expect(asked).toHaveLength(1);
  });

  const atOnce = async (count: number, body: object = {}) => {
    undecided = count;
    return Promise.all(
      Array.from({ length: count }, async () => {
        const answer = await post(body);
        if (answer.status !== 200) decided();
        return answer;
      }),
    );
  };

  it('is shared by parallel requests, and a request that finds too little can be retried', async () => {
    await start({ clampOutput: true });
    wanted = 20;
    const answers = await atOnce(30);
    const served = answers.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThanOrEqual(4);
    for (const { status, body, headers } of answers) {
      if (status === 200) continue;
      expect(body).toMatchObject({ error: { code: 'budget_held' } });
      expect([headers['x-should-retry'], Number(headers['retry-after'])]).toEqual([undefined, 1]);
    }
    await settled();
    expect(standing().spentUsd).toBeLessThanOrEqual(1);
  });

  it('is not lowered below a usual answer of the model while requests in flight hold the rest', async () => {
    await start({ clampOutput: true });
    wanted = 120;
    await post({ max_tokens: 120 }).expect(200);
    await settled();
    asked.length = 0;
    const statuses = (await atOnce(20)).map(({ status }) => status);
    // 0.752 USD are left, and a usual answer costs 0.248.
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    for (const { max_completion_tokens: cap } of asked) expect(cap).toBeGreaterThanOrEqual(120);
    await settled();
    // Nothing else is held: the rest of the budget is for shorter answers.
    await limiter.setSpent(KEY, 0.9, { limit: 'paid' });
    asked.length = 0;
    await post({}).expect(200);
    expect(asked[0].max_completion_tokens).toBeLessThan(60);
  });

  it('lets requests wait for a usual answer in the queue of budgets', async () => {
    await start({ clampOutput: true, queue: {} });
    wanted = 20;
    const statuses = await Promise.all(Array.from({ length: 15 }, async () => (await post({})).status));
    expect(statuses).toEqual(Array(15).fill(200));
    await settled();
    expect(standing().spentUsd).toBeCloseTo(15 * 0.048, 1);
  });

  it('is denied where clampOutput is not set', async () => {
    await start({});
    await post({ max_tokens: 4_000 }).expect(429);
    expect(asked).toHaveLength(0);
  });

  it.each([
    { max_output_tokens: 16 },
    { Max_Tokens: 16 },
    { maxTokens: 16 },
    { generationConfig: { maxOutputTokens: 16 } },
    { input: 'hello', max_output_tokens: 16 },
    { max_tokens: 16, prediction: { type: 'content', content: 'a' } },
    { max_tokens: 16, maxTokens: 0 },
    { model: 'small', max_tokens: null },
  ])('is held in full, and lowered, where only a field of another API limits it: %j', async (body) => {
    await start({});
    await post(body).expect(429);
    expect(asked).toHaveLength(0);
    await app.close();
    await start({ clampOutput: true });
    await post(body).expect(200);
    expect(asked[0].max_completion_tokens).toBeGreaterThan(225);
    expect(asked[0].max_completion_tokens).toBeLessThan(250);
  });

  it.each([{}, { clampOutput: true }])('is held in full where the request has its limit dropped: %j', async (budgets) => {
    await start(budgets);
    await post({ max_tokens: 16, additional_drop_params: ['max_tokens', 'max_completion_tokens'] }).expect(429);
    expect(asked).toHaveLength(0);
  });

  it.each([
    ['takes the limit away', { max_tokens: null }, 1],
    ['names that of another API', { maxOutputTokens: 1, max_tokens: 0 }, 1],
    ['limits it, too', { max_tokens: 20 }, 2],
  ])('is held in full for a fallback that %s', async (_, changes, sent) => {
    await start({});
    const fallbacks = [{ model: 'gpt-4', user: 'other', ...changes }];
    await post({ max_tokens: 16, user: 'failing', fallbacks }).expect(sent === 1 ? 500 : 200);
    expect(asked).toHaveLength(sent);
  });

  it.each([
    ['long', {}],
    ['long', { clampOutput: true }],
    ['open', { clampOutput: true }],
    ['many', {}],
    ['searching', { clampOutput: true }],
  ])('is held as extra_body of the deployment %s asks for it, which is not lowered: %j', async (model, budgets) => {
    await start(budgets);
    await post({ model, max_tokens: 16 }).expect(429);
    expect(asked).toHaveLength(0);
    await post({ model: 'short', max_tokens: null }).expect(200);
    expect(asked[0].max_tokens).toBe(16);
  });

  it.each(['gpt-4', 'small'])('is held beside the fees of searches that %s may run', async (model) => {
    await start({});
    await post({ model, max_tokens: 16, tools: [{ type: 'web_search' }] }).expect(429);
    expect(asked).toHaveLength(0);
    await post({ model, max_tokens: 16, tools: [{ type: 'web_search', max_uses: 5 }] }).expect(200);
  });

  it('is held as it is expected to be, once 20 answers are known', async () => {
    await start({ reserve: 'expected' });
    wanted = 10;
    const remaining = async (): Promise<number> =>
      Number((await post({ max_tokens: 200 }).expect(200)).headers['x-ratelimit-remaining-usd']);
    for (let i = 0; i < 20; i++) {
      expect(await remaining()).toBeLessThan(0.6);
      await settled();
      limiter.reset(KEY, { limit: 'paid' });
    }
    expect(await remaining()).toBeGreaterThan(0.96);
    await settled();
    expect(standing().spentUsd).toBeCloseTo(0.028, 9);
    // A longer answer is paid in full, and learnt.
    wanted = 200;
    await post({ max_tokens: 200 }).expect(200);
    await settled();
    expect(standing().spentUsd).toBeCloseTo(0.028 + 0.408, 9);
  });
});

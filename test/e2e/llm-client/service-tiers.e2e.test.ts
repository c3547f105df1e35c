import { FastLiteLLM } from 'nestjs-fast-litellm';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestContext } from '../../../lib/http/request-context.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
/** USD for a token; the priority tier at twice the price, flex at half of it. */
const PRICES = {
  input_cost_per_token: 0.001,
  output_cost_per_token: 0.002,
  input_cost_per_token_priority: 0.002,
  output_cost_per_token_priority: 0.004,
  input_cost_per_token_flex: 0.0005,
  output_cost_per_token_flex: 0.001,
};
const MESSAGES = [{ role: 'user', content: 'Hello' }];
/** What an answer of 100 and 50 tokens costs. */
const COSTS = { standard: 0.2, priority: 0.4, flex: 0.1 };

/** What the provider says next. */
let told: string | undefined;
let held = 0;

describe('service tiers under a budget', () => {
  let llm: FastLiteLLM;
  const standing = () => llm.rateLimiter.getBudgets('a')[0];

  async function provide(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { stream, metadata } = JSON.parse(Buffer.concat(parts).toString()) as { stream?: boolean; metadata?: object };
    held = standing().heldUsd;
    const tier = told === undefined ? {} : { service_tier: told };
    if (request.url?.endsWith('/responses') === true) {
      const usage = { input_tokens: 100, output_tokens: 50, total_tokens: 150 };
      const tools = [{ type: 'function', name: 'f', parameters: { properties: { service_tier: 'flex' } } }];
      const answer = { id: 'r', object: 'response', status: 'completed', output: [], ...tier, tools, usage, metadata };
      if (stream !== true) return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return void response.end(`event: response.completed\ndata: ${JSON.stringify({ type: 'response.completed', response: answer })}\n\n`);
    }
    const usage = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };
    if (stream === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ ...tier, choices: [{ index: 0, delta: { content: '{"service_tier":"flex"}' } }] })}\n\n`);
      return void response.end(`data: ${JSON.stringify({ ...tier, choices: [], usage })}\n\ndata: [DONE]\n\n`);
    }
    const choices = [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }];
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ id: 'x', object: 'chat.completion', choices, usage, ...tier }));
  }

  beforeAll(async () => {
    const api_base = await scripted((request, response) => void provide(request, response));
    const params = { model: 'openai/x', api_base, api_key: 'sk-x', ...PRICES };
    llm = new FastLiteLLM({
      logger: quiet,
      rateLimit: { usdPerDay: 10 },
      router: {
        modelList: [
          { model_name: 'any', litellm_params: params },
          { model_name: 'always-priority', litellm_params: { ...params, service_tier: 'priority' } },
        ],
      },
    });
  });
  beforeEach(() => llm.rateLimiter.reset('a'));
  afterAll(async () => {
    await llm.close();
    await stopProviders();
  });

  /** Asks in one of the forms; what was held at the provider, and what was spent. */
  async function ask(form: string, fields: object): Promise<{ held: number; spent: number }> {
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(llm.rateLimiter, llm.rateLimiter.reserve('a', { usd: 0.000_000_001 }));
    const body = { model: 'any', ...fields };
    if (form === 'chat') await llm.client.chat({ messages: MESSAGES, max_tokens: 100, ...body }, { request });
    else if (form === 'stream') {
      const stream = await llm.client.chat({ messages: MESSAGES, max_tokens: 100, stream: true, ...body }, { request });
      for await (const chunk of stream) void chunk;
    } else if (form === 'responses') await llm.client.responses({ input: 'Hello', max_output_tokens: 100, ...body }, { request });
    else {
      const stream = await llm.client.responses({ input: 'Hello', max_output_tokens: 100, stream: true, ...body }, { request });
      for await (const event of stream) void event;
    }
    context.hold.end(false);
    return { held, spent: standing().spentUsd };
  }

  const FORMS = ['chat', 'stream', 'responses', 'events of responses'];

  it.each(FORMS)('settle %s by the tier that the answer tells', async (form) => {
    for (const [tier, usd] of [
      ['default', COSTS.standard],
      ['priority', COSTS.priority],
      ['flex', COSTS.flex],
      ['scale', COSTS.standard],
    ] as const) {
      llm.rateLimiter.reset('a');
      told = tier;
      expect((await ask(form, { service_tier: 'auto' })).spent).toBeCloseTo(usd, 9);
    }
  });

  it.each(FORMS)('hold the dearer tier for %s, and settle it where the answer tells none', async (form) => {
    told = undefined;
    const standard = await ask(form, {});
    llm.rateLimiter.reset('a');
    const flex = await ask(form, { service_tier: 'flex' });
    llm.rateLimiter.reset('a');
    const priority = await ask(form, { service_tier: 'priority' });
    expect(flex).toEqual(standard);
    expect(standard.spent).toBeCloseTo(COSTS.standard, 9);
    expect(priority.held / standard.held).toBeCloseTo(2, 6);
    expect(priority.spent).toBeCloseTo(COSTS.priority, 9);
  });

  it('hold the dearer tier that a deployment asks for', async () => {
    told = 'default';
    const standard = await ask('chat', {});
    llm.rateLimiter.reset('a');
    const set = await ask('chat', { model: 'always-priority' });
    expect(set.held / standard.held).toBeCloseTo(2, 6);
    expect(set.spent).toBeCloseTo(COSTS.standard, 9);
  });

  it.each(['responses', 'events of responses'])('read no tier from what %s repeats of the request', async (form) => {
    told = undefined;
    expect((await ask(form, { metadata: { service_tier: 'flex' } })).spent).toBeCloseTo(COSTS.standard, 9);
  });
});

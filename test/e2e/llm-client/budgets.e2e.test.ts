import {
  BudgetExceededError,
  FastLiteLLM,
  UnsupportedRequestError,
  type FastLiteLLMOptions,
  type RateLimiterService,
} from 'nestjs-fast-litellm';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestContext } from '../../../lib/http/request-context.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
/** 0.001 USD for a token read, 0.002 for one written. */
const PRICES = { input_cost_per_token: 0.001, output_cost_per_token: 0.002 };
const DEAR = { input_cost_per_token: 0.01, output_cost_per_token: 0.02 };

/** What the providers have charged, in nano-USD. */
let invoiced = 0;
let calls = 0;

/** Does what the last message says: `ok 3 5` answers with such a usage, `stream 3 5`, `500`, `reset`. */
async function provide(request: IncomingMessage, response: ServerResponse, rate: number): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  if (request.headers['content-type']?.startsWith('multipart/') === true) {
    const usage = { type: 'tokens', input_tokens: 100, output_tokens: 5, total_tokens: 105 };
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ text: 'hi', usage }));
  }
  const { messages } = JSON.parse(Buffer.concat(parts).toString()) as { messages: { content: string }[] };
  const [what, input = 0, output = 0] = messages[0].content.split(' ').map((word, index) => (index === 0 ? word : Number(word)));
  calls++;
  if (what === '500') return void response.writeHead(500).end('{}');
  if (what === 'reset') return void response.destroy();
  const usage = { prompt_tokens: Number(input), completion_tokens: Number(output), total_tokens: Number(input) + Number(output) };
  invoiced += rate * (usage.prompt_tokens * 1_000_000 + usage.completion_tokens * 2_000_000);
  if (what === 'stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'hi' } }] })}\n\n`);
    response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    return;
  }
  const body = {
    id: 'x',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
    usage,
  };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

describe('LlmClient under budgets', () => {
  let llm: FastLiteLLM;
  /** With fallbacks from models that a budget cannot pay. */
  let flexible: FastLiteLLM;
  let limiter: RateLimiterService;

  beforeAll(async () => {
    const [cheap, dear] = await Promise.all([1, 10].map((rate) => scripted((request, response) => void provide(request, response, rate))));
    const at = (api_base: string, prices: object) => ({ model: 'openai/x', api_base, api_key: 'sk-x', ...prices });
    const options: FastLiteLLMOptions = {
      logger: quiet,
      rateLimit: { usdPerDay: 1 },
      router: {
        numRetries: 0,
        fallbacks: [{ cheap: ['dear'] }, { dear: ['cheap'] }],
        allowedFails: 1_000_000,
        modelList: [
          { model_name: 'cheap', litellm_params: at(cheap, PRICES) },
          { model_name: 'dear', litellm_params: at(dear, DEAR) },
          { model_name: 'ear', litellm_params: at(cheap, PRICES), model_info: { max_output_tokens: 10 } },
          {
            model_name: 'brush',
            litellm_params: { ...at(cheap, PRICES), base_model: 'gpt-image-1' },
            model_info: { max_output_tokens: 10 },
          },
          { model_name: 'unpriced', litellm_params: { ...at(cheap, {}), model: 'openai/nobody-knows' } },
        ],
      },
    };
    llm = new FastLiteLLM(options);
    flexible = new FastLiteLLM({ ...options, llmClient: { budgetFallbacks: true } });
    limiter = llm.rateLimiter;
  });
  beforeEach(() => {
    limiter.reset('a');
    invoiced = calls = 0;
  });
  afterAll(async () => {
    await Promise.all([llm.close(), flexible.close()]);
    await stopProviders();
  });

  /** A request of which a guard has held next to nothing. */
  const begin = (usd = 0.000_000_001): { request: object; context: RequestContext } => {
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(limiter, limiter.reserve('a', { usd }));
    return { request, context };
  };
  const ask = (model: string, content: string, more: object = {}) => ({
    model,
    max_tokens: 10,
    messages: [{ role: 'user', content }],
    ...more,
  });
  const standing = () => limiter.getBudgets('a')[0];

  it('holds the worst case of the deployment, and settles its price', async () => {
    const { request, context } = begin();
    const call = llm.client.chat(ask('cheap', 'ok 3 5'), { request });
    await until(() => calls > 0);
    expect(standing().heldUsd).toBeGreaterThan(10 * 0.002);
    const answer = await call;
    expect(answer.call.costUsd).toBeCloseTo(0.013, 12);
    context.hold.end(false);
    expect(standing()).toMatchObject({ spentUsd: 0.013, heldUsd: 0 });
  });

  it('holds the tokens of a recording by its length, of one without a header as of speech', async () => {
    const { request, context } = begin();
    const form = (file: Buffer): FormData => {
      const fields = new FormData();
      fields.set('model', 'ear');
      fields.set('file', new Blob([new Uint8Array(file)]), 'speech.mp3');
      return fields;
    };
    const recording = Buffer.alloc(4_000_000);
    await expect(llm.client.transcriptions(form(recording), { request })).rejects.toThrow(BudgetExceededError);
    // 24,000 samples a second of 4 bytes: 41.7 s.
    recording.write('RIFF----WAVE');
    [24_000, 96_000].forEach((value, index) => recording.writeUInt32LE(value, 24 + 4 * index));
    recording.writeUInt16LE(4, 32);
    const call = llm.client.transcriptions(form(recording), { request });
    await until(() => standing().heldUsd > 0.001);
    expect(standing().heldUsd).toBeCloseTo(0.417 + 10 * 0.002, 9);
    await call;
    context.hold.end(false);
    expect(standing()).toMatchObject({ spentUsd: 0.11, heldUsd: 0 });
  });

  it.each<[string, Record<string, string>, number]>([
    ['by its size', {}, 65 + 129],
    ['by the fidelity that is asked for', { input_fidelity: 'high' }, 65 + 129 + 4096],
  ])('holds the tokens of a picture that is edited %s', async (_, more, tokens) => {
    const fields = new FormData();
    for (const [name, value] of Object.entries({ model: 'brush', ...more })) fields.set(name, value);
    const png = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0', 'latin1');
    fields.set('image', new Blob([new Uint8Array(png)]), 'a.png');
    const { request, context } = begin();
    const call = llm.client.imageEdits(fields, { request });
    if (tokens > 1_000) return expect(call).rejects.toThrow(BudgetExceededError);
    await until(() => standing().heldUsd > 0.001);
    expect(standing().heldUsd).toBeCloseTo(tokens * 0.001 + 10 * 0.002, 9);
    await call;
    context.hold.end(false);
  });

  it.each<[object]>([
    [{ max_completion_tokens: 1, max_tokens: 100 }],
    [{ max_completion_tokens: null, max_tokens: 100 }],
    [{ max_tokens: '100' }],
    [{ max_tokens: 1, maxOutputTokens: 50, candidate_count: 2 }],
    [{ max_tokens: 1, generationConfig: { maxOutputTokens: 50, candidateCount: 2 } }],
    [{ max_tokens: 1, inferenceConfig: { maxTokens: 100 } }],
  ])('holds what a request may be answered with, whatever field says so: %j', async (fields) => {
    const { request, context } = begin();
    const call = llm.client.chat(ask('cheap', 'ok 3 5', fields), { request });
    await until(() => calls > 0);
    expect(standing().heldUsd).toBeGreaterThan(100 * 0.002);
    expect(standing().heldUsd).toBeLessThan(100 * 0.002 + 0.05);
    await call;
    context.hold.end(false);
  });

  it('holds the choices that a fallback of the request asks for', async () => {
    const { request, context } = begin();
    const call = llm.client.chat(
      ask('dear', '500', { fallbacks: [{ model: 'cheap', messages: [{ role: 'user', content: 'ok 3 5' }], n: 20 }] }),
      {
        request,
      },
    );
    await until(() => calls > 1);
    expect(standing().heldUsd).toBeGreaterThan(200 * 0.002);
    await call;
    context.hold.end(false);
  });

  it('adds the cost to the headers of an answer, and to a stream at its end', async () => {
    const headers: Record<string, unknown> = {};
    const target = { writeHead: (_: number, all: object) => Object.assign(headers, all), end: () => {} };
    await (await llm.client.chat(ask('cheap', 'ok 3 5'))).sendTo(target);
    expect(headers['x-litellm-response-cost']).toBe('0.013');
    // The parts have headers only if the gateway, or the app, asks for them.
    expect(Object.keys(headers).filter((name) => name.startsWith('x-litellm-response-cost-'))).toEqual([]);
    const stream = await llm.client.chat({ ...ask('cheap', 'stream 3 5'), stream: true });
    for await (const _ of stream) void _;
    expect(stream.costUsd).toBeCloseTo(0.013, 12);
  });

  it('holds what the body of a hook may cost, not the one that it replaces', async () => {
    const { request } = begin();
    const remove = llm.client.addHook({ onRequest: ({ body }) => ({ replace: { ...body, max_tokens: 10_000 } }) });
    const denied = llm.client.chat(ask('cheap', 'ok 1 1'), { request });
    await expect(denied).rejects.toBeInstanceOf(BudgetExceededError);
    expect(calls).toBe(0);
    remove();
  });

  it('denies a call that its budget cannot pay, and asks no provider', async () => {
    const { request, context } = begin();
    const denied = llm.client.chat(ask('cheap', 'ok 1 1', { max_tokens: 10_000 }), { request });
    await expect(denied).rejects.toBeInstanceOf(BudgetExceededError);
    await expect(denied).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', reason: 'request_exceeds_budget', limitName: 'default' });
    // Its own hold is none of other requests.
    await expect(denied).rejects.toMatchObject({
      heldUsd: 0,
      message: expect.stringMatching(/: 0 USD spent, 0 USD held by requests in flight/),
    });
    context.hold.end(true);
    expect(calls).toBe(0);
    expect(standing()).toMatchObject({ spentUsd: 0, heldUsd: 0 });
  });

  it('skips a fallback that the budget cannot pay', async () => {
    const { request, context } = begin();
    await expect(llm.client.chat(ask('cheap', '500', { max_tokens: 100 }), { request })).rejects.toMatchObject({ code: 'PROVIDER_SERVER' });
    expect(calls).toBe(1);
    context.hold.end(true);
    expect(standing()).toMatchObject({ spentUsd: 0, heldUsd: 0 });
  });

  it('does not change the model because of a budget', async () => {
    const { request, context } = begin();
    await expect(llm.client.chat(ask('dear', 'ok 1 1', { max_tokens: 100 }), { request })).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      reason: 'request_exceeds_budget',
    });
    expect(calls).toBe(0);
    context.hold.end(true);
  });

  it('tries the next fallback of a failed model if a budget cannot pay for one', async () => {
    const { request, context } = begin();
    const fallbacks = ['dear', 'ear'];
    const answer = await llm.client.chat(ask('cheap', '500', { max_tokens: 100, fallbacks }), { request }).catch((error: unknown) => error);
    expect(answer).toMatchObject({ code: 'PROVIDER_SERVER' });
    expect(calls).toBe(2);
    context.hold.end(true);
  });

  it('falls back to a model that the budget can pay, with budgetFallbacks', async () => {
    const { request, context } = begin();
    const answer = await flexible.client.chat(ask('dear', 'ok 1 1', { max_tokens: 100 }), { request });
    expect(answer.call.group).toBe('cheap');
    context.hold.end(false);
    expect(standing()).toMatchObject({ spentUsd: 0.003, heldUsd: 0 });
  });

  it('refuses a model without a price, unless no budget applies', async () => {
    const { request, context } = begin();
    await expect(llm.client.chat(ask('unpriced', 'ok 1 1'), { request })).rejects.toBeInstanceOf(UnsupportedRequestError);
    context.hold.end(true);
    expect(calls).toBe(0);
    expect((await llm.client.chat(ask('unpriced', 'ok 1 1'))).call.costUsd).toBeUndefined();
  });

  it('adds up the calls of a request, those in flight included', async () => {
    const { request, context } = begin();
    const many = await Promise.allSettled(
      Array.from({ length: 40 }, () => llm.client.chat(ask('cheap', 'ok 3 5', { max_tokens: 100 }), { request, disableFallbacks: true })),
    );
    context.hold.end(false);
    const fulfilled = many.filter(({ status }) => status === 'fulfilled').length;
    expect(fulfilled).toBeGreaterThan(2);
    expect(fulfilled).toBeLessThan(40);
    expect(standing().heldUsd).toBe(0);
    expect(Math.round(standing().spentUsd * 1e9)).toBe(invoiced);
  });

  it('ends with nothing held and all invoices spent, whatever came of the calls', async () => {
    const outcomes = ['ok 1 1', 'ok 7 3', '500', 'stream 2 4', 'ok 5 1'];
    for (let turn = 0; turn < 10; turn++) {
      await Promise.all(
        outcomes.map(async (content) => {
          const { request, context } = begin();
          let failed = false;
          try {
            const body = ask('cheap', content);
            if (content.startsWith('stream'))
              for await (const _ of await llm.client.chat({ ...body, stream: true }, { request, disableFallbacks: true })) void _;
            else await llm.client.chat({ ...body, stream: false }, { request, disableFallbacks: true });
          } catch {
            failed = true;
          }
          context.hold.end(failed);
        }),
      );
    }
    expect(standing().heldUsd).toBe(0);
    expect(Math.round(standing().spentUsd * 1e9)).toBe(invoiced);
  });

  it('charges the prompt of a call whose connection breaks, and returns the rest', async () => {
    const { request, context } = begin();
    await expect(llm.client.chat(ask('cheap', 'reset'), { request, disableFallbacks: true })).rejects.toMatchObject({
      code: 'PROVIDER_CONNECTION',
    });
    context.hold.end(true);
    const { spentUsd, heldUsd } = standing();
    expect(heldUsd).toBe(0);
    expect(spentUsd).toBeGreaterThan(0);
    expect(spentUsd).toBeLessThan(10 * 0.002);
  });
});

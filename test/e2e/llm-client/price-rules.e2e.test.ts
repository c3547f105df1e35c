import { FastLiteLLM } from 'nestjs-fast-litellm';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestContext } from '../../../lib/http/request-context.js';
import { scripted, stopProviders } from '../../support/llm-client-providers.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const PLAIN = { input_cost_per_token: 1e-5, output_cost_per_token: 4e-5 };

/** A time of day in UTC, some hours from now. */
const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
const lowLoad = (from: number, until: number) => ({
  off_peak_pricing: {
    input_cost_per_token: 5e-6,
    output_cost_per_token: 2e-5,
    windows: [{ hours_utc: [`${inHours(from)}-${inHours(until)}`], weekdays: [1, 'tue', 'wednesday', 4, 5, 6, 7] }],
    weekday_timezone: 'Asia/Shanghai',
  },
});

interface Case {
  readonly model?: string;
  readonly params: object;
  readonly fields?: object;
  readonly tier?: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly [details: string]: unknown };
  readonly usd: number;
}

const REASONED = { prompt_tokens: 100, completion_tokens: 50, completion_tokens_details: { reasoning_tokens: 30 } };
const CACHED = { prompt_tokens: 100, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 80 } };
const TEXT = { prompt_tokens: 100, completion_tokens: 50 };
const RANGES = [
  { range: [0, 1000], input_cost_per_token: 1e-5, output_cost_per_token: 4e-5, cache_read_input_token_cost: 1e-6 },
  { range: [1000, 1e6], input_cost_per_token: 2e-5, output_cost_per_token: 9e-5 },
];
const LONG_TEXT = 'word '.repeat(1200);

const CASES: Readonly<Record<string, Case>> = {
  'reasoning in the priority tier, whose output alone has a price': {
    params: { ...PLAIN, output_cost_per_reasoning_token: 4e-5, output_cost_per_token_priority: 8e-5 },
    fields: { service_tier: 'priority' },
    tier: 'priority',
    usage: REASONED,
    usd: 100 * 1e-5 + 50 * 8e-5,
  },
  'reasoning with a price of its own in the tier': {
    params: { ...PLAIN, output_cost_per_token_priority: 8e-5, output_cost_per_reasoning_token_priority: 1e-4 },
    fields: { service_tier: 'priority' },
    usage: REASONED,
    usd: 100 * 1e-5 + 20 * 8e-5 + 30 * 1e-4,
  },
  'reasoning in the flex tier': {
    params: { ...PLAIN, output_cost_per_reasoning_token: 4e-5, input_cost_per_token_flex: 5e-6, output_cost_per_token_flex: 2e-5 },
    fields: { service_tier: 'flex' },
    tier: 'flex',
    usage: REASONED,
    usd: 100 * 5e-6 + 50 * 2e-5,
  },
  'a tier with another name in the answer': {
    params: { ...PLAIN, output_cost_per_token_ultrafast: 1e-4 },
    fields: { service_tier: 'ultrafast' },
    tier: 'ultrafast',
    usage: TEXT,
    usd: 100 * 1e-5 + 50 * 1e-4,
  },
  'reasoning behind a long prompt': {
    params: { ...PLAIN, output_cost_per_reasoning_token: 4e-5, output_cost_per_token_above_1k_tokens: 6e-5 },
    fields: { messages: [{ role: 'user', content: LONG_TEXT }] },
    usage: { ...REASONED, prompt_tokens: 1200 },
    usd: 1200 * 1e-5 + 50 * 6e-5,
  },
  'a long prompt, by a table of ranges': {
    params: { tiered_pricing: RANGES },
    fields: { messages: [{ role: 'user', content: LONG_TEXT }] },
    usage: { ...CACHED, prompt_tokens: 1200 },
    usd: 1200 * 2e-5 + 50 * 9e-5,
  },
  'a short prompt, by a table of ranges': {
    params: { tiered_pricing: RANGES },
    usage: CACHED,
    usd: 20 * 1e-5 + 80 * 1e-6 + 50 * 4e-5,
  },
  'an off-peak hour': { params: { ...PLAIN, ...lowLoad(-1, 1) }, usage: TEXT, usd: 100 * 5e-6 + 50 * 2e-5 },
  'an hour at peak': { params: { ...PLAIN, ...lowLoad(1, -1) }, usage: TEXT, usd: 100 * 1e-5 + 50 * 4e-5 },
  'cached input of Fireworks': {
    model: 'fireworks_ai/accounts/fireworks/models/m',
    params: PLAIN,
    usage: CACHED,
    usd: 20 * 1e-5 + 80 * 5e-6 + 50 * 4e-5,
  },
  'cached input of another provider': { params: PLAIN, usage: CACHED, usd: 100 * 1e-5 + 50 * 4e-5 },
};

describe("LiteLLM's price rules under a budget", () => {
  let llm: FastLiteLLM;
  let current: Case;
  let held = 0;
  const standing = () => llm.rateLimiter.getBudgets('a')[0];

  function provide(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on('end', () => {
      held = standing().heldUsd;
      const { usage, tier } = current;
      const choices = [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }];
      const counted = { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ id: 'x', object: 'chat.completion', choices, usage: counted, ...(tier && { service_tier: tier }) }));
    });
  }

  beforeAll(async () => {
    const api_base = await scripted(provide);
    const modelList = Object.entries(CASES).map(([name, { model = 'openai/x', params }]) => ({
      model_name: name,
      litellm_params: { model, api_base, api_key: 'sk-x', ...params },
    }));
    llm = new FastLiteLLM({ logger: quiet, rateLimit: { usdPerDay: 10 }, router: { modelList } });
  });
  afterAll(async () => {
    await llm.close();
    await stopProviders();
  });

  it.each(Object.entries(CASES))('settle what the provider bills, and hold no less: %s', async (model, one) => {
    llm.rateLimiter.reset('a');
    current = one;
    const request = {};
    const context = RequestContext.of(request);
    context.hold.add(llm.rateLimiter, llm.rateLimiter.reserve('a', { usd: 0.000_000_001 }));
    // No shorter than the usage says: what is held depends on what is sent.
    const messages = [{ role: 'user', content: 'word '.repeat(120) }];
    await llm.client.chat({ model, messages, max_tokens: 50, ...one.fields }, { request });
    context.hold.end(false);
    expect(standing().spentUsd).toBeCloseTo(one.usd, 9);
    expect(held).toBeGreaterThanOrEqual(one.usd);
  });
});

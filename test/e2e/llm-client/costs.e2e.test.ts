import { RateLimit, RateLimitGuard, RateLimiterService, reportUsage, type ModelListEntry } from 'nestjs-fast-litellm';
import type { ScriptedAnswer, ScriptedUsage, TestProvider } from 'nestjs-fast-litellm/testing';
import { Controller, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import { GatewayApp, type RawAnswer } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// What calls cost, as clients, budgets, metrics and the providers' invoices have it.

const PRICES = {
  input_cost_per_token: 0.000_000_15,
  output_cost_per_token: 0.000_000_6,
  cache_read_input_token_cost: 0.000_000_075,
  cache_creation_input_token_cost: 0.000_000_187_5,
  output_cost_per_reasoning_token: 0.000_000_9,
  input_cost_per_request: 0.000_01,
};
/** The same in tenths of a nano-USD. */
const TENTHS = { input: 1_500, output: 6_000, read: 750, write: 1_875, reasoning: 9_000, request: 100_000 };
const USAGE = { promptTokens: 1_000, completionTokens: 37, cacheReadTokens: 601, cacheWriteTokens: 200, reasoningTokens: 12 };
const invoice = ({
  promptTokens = 0,
  completionTokens = 0,
  cacheReadTokens = 0,
  cacheWriteTokens = 0,
  reasoningTokens = 0,
}: ScriptedUsage) =>
  Math.ceil(
    ((promptTokens - cacheReadTokens - cacheWriteTokens) * TENTHS.input +
      cacheReadTokens * TENTHS.read +
      cacheWriteTokens * TENTHS.write +
      (completionTokens - reasoningTokens) * TENTHS.output +
      reasoningTokens * TENTHS.reasoning +
      TENTHS.request) /
      10,
  );

const PATHS = { chat: 'chat/completions', completions: 'completions', messages: 'messages', responses: 'responses' } as const;
type Api = keyof typeof PATHS;
const bodyOf = (api: Api, model: string, more: object = {}): object => ({
  model,
  [api === 'responses' ? 'max_output_tokens' : 'max_tokens']: 50,
  ...(api === 'completions' ? { prompt: 'Hi' } : api === 'responses' ? { input: 'Hi' } : { messages: [{ role: 'user', content: 'Hi' }] }),
  ...more,
});
const nano = (usd: unknown): number => Math.round(Number(usd) * 1e9);

@Controller('elsewhere')
@UseGuards(RateLimitGuard)
class ElsewhereController {
  @Post()
  @HttpCode(200)
  @RateLimit({ name: 'elsewhere' })
  call(@Req() request: { readonly body: { readonly costs: readonly number[] } }): object {
    for (const costUsd of request.body.costs) reportUsage(request, { total_tokens: 7 }, costUsd);
    return {};
  }
}

describe('what calls cost', () => {
  let gateway: GatewayApp;
  let openai: TestProvider;
  let anthropic: TestProvider;
  let telling: TestProvider;

  beforeAll(async () => {
    [openai, anthropic, telling] = await Promise.all([testProvider('openai'), testProvider('anthropic'), testProvider('openai')]);
    const tellingAs = (provider: string, params: object = {}): ModelListEntry =>
      telling.deployment(provider, { model: `${provider}/listed`, ...params }, { id: provider });
    gateway = await GatewayApp.start(
      'Fastify',
      { costHeaders: true },
      {
        controllers: [ElsewhereController],
        module: {
          rateLimit: { usdPerDay: 1_000, limits: { elsewhere: { usdPerDay: 1 } } },
          llmClient: { streamCost: true, costByTeam: true },
          tokenCounter: { estimates: false, pricing: { overrides: { listed: { inputPerMillion: 1, outputPerMillion: 4 } } } },
          router: {
            numRetries: 0,
            modelList: [
              openai.deployment('m', PRICES),
              anthropic.deployment('claude', PRICES),
              ...['openrouter', 'perplexity', 'xai', 'deepinfra', 'litellm_proxy', 'openai'].map((provider) => tellingAs(provider)),
              telling.deployment('unlisted', { model: 'openrouter/unlisted' }),
              telling.deployment('operator', { model: 'openrouter/listed', ...PRICES }),
            ],
          },
        },
      },
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  const ask = (api: Api, model: string, more: object = {}): Promise<RawAnswer> =>
    gateway.post(`/v1/${PATHS[api]}`, bodyOf(api, model, more));
  const metric = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    gateway.llm.client
      .metrics()
      .filter((each) => each.name === `llm_client_${name}`)
      .filter((each) => Object.entries(labels).every(([label, value]) => each.labels?.[label] === value))
      .reduce((sum, { value }) => sum + value, 0);
  const budget = (limit = 'default') => gateway.app.get(RateLimiterService).getBudgets('ip:127.0.0.1', { limit })[0];
  const costHeaders = ({ headers }: RawAnswer): Record<string, number> =>
    Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => {
        const part = /^x-litellm-response-cost-?(.*)$/.exec(name)?.[1];
        return part === undefined ? [] : [[part, nano(value)]];
      }),
    );

  describe.each(['m', 'claude'])('of %s', (model) => {
    const answers = (usage: ScriptedUsage): void => (model === 'm' ? openai : anthropic).use({ text: 'Hello', usage });
    /** OpenAI of the testing kit states no cache writes. */
    const usage = model === 'm' ? { ...USAGE, cacheWriteTokens: 0 } : { ...USAGE, reasoningTokens: 0 };

    it.each(['chat', 'messages', 'responses', 'completions'] as const)('is in the headers of %s, in parts that add up', async (api) => {
      answers(usage);
      const answer = await ask(api, model);
      expect(answer.status).toBe(200);
      const { '': whole, reasoning = 0, ...parts } = costHeaders(answer);
      expect(whole).toBe(invoice(usage));
      expect(Object.values(parts).reduce((sum, part) => sum + part)).toBe(whole);
      // As LiteLLM's: the output contains the reasoning.
      const output = (37 - usage.reasoningTokens) * 600 + usage.reasoningTokens * 900;
      expect(Math.abs(parts.output - output)).toBeLessThanOrEqual(1);
      expect(reasoning).toBe(usage.reasoningTokens * 900);
      expect(parts['cache-creation'] ?? 0).toBe(Math.round(usage.cacheWriteTokens * 187.5));
      expect(Math.abs(parts['cache-read'] - 601 * 75)).toBeLessThanOrEqual(1);
      expect(parts.request).toBe(10_000);
    });

    it.each(['chat', 'messages', 'responses', 'completions'] as const)('is in the usage at the end of a stream of %s', async (api) => {
      answers(usage);
      const before = metric('cost_usd_total');
      const { text } = await ask(api, model, { stream: true, ...(api !== 'messages' && { stream_options: { include_usage: true } }) });
      const costs = [...text.matchAll(/"cost":([\d.e-]+)/g)].map(([, cost]) => nano(cost));
      await until(() => metric('calls_in_flight') === 0);
      expect(costs).toEqual([invoice(usage)]);
      expect(nano(metric('cost_usd_total') - before)).toBe(invoice(usage));
    });
  });

  it('is in no stream whose client asks for no usage', async () => {
    openai.use({ text: 'Hello', usage: USAGE });
    const { text } = await ask('chat', 'm', { stream: true });
    expect(text).toContain('[DONE]');
    expect(text).not.toContain('usage');
  });

  it('is spent by budgets and counted by metrics to the nano-dollar of the invoices', async () => {
    let invoiced = 0;
    let random = 1;
    const next = (most: number): number => (random = (random * 48_271) % 2_147_483_647) % most;
    const script = (): ScriptedAnswer => {
      const promptTokens = 1 + next(5_000);
      const completionTokens = 1 + next(50);
      const usage = { promptTokens, completionTokens, cacheReadTokens: next(promptTokens), reasoningTokens: next(completionTokens) };
      invoiced += invoice(usage);
      return { text: 'Hello', usage };
    };
    openai.use(script);
    const spentBefore = nano(budget().spentUsd);
    const before = ['cost_usd_total', 'group_cost_usd_total'].map((name) => metric(name));
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        ask('chat', 'm', at % 2 === 0 ? {} : { stream: true, stream_options: { include_usage: true } }),
      ),
    );
    await until(() => budget().heldUsd === 0 && metric('calls_in_flight') === 0);
    const told = answers.map((answer) => nano(costHeaders(answer)[''] / 1e9 || /"cost":([\d.e-]+)/.exec(answer.text)?.[1]));
    expect(told.reduce((sum, each) => sum + each)).toBe(invoiced);
    expect(nano(budget().spentUsd) - spentBefore).toBe(invoiced);
    const after = ['cost_usd_total', 'group_cost_usd_total'].map((name) => metric(name));
    expect(after.map((value, at) => nano(value) - nano(before[at]))).toEqual([invoiced, invoiced]);
  });

  describe('of a provider that tells the cost', () => {
    const tokens = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };
    /** By the price list. */
    const LISTED = 300_000;
    const tell = (stated: object, headers: Readonly<Record<string, string>> = {}): void => {
      const usage = { ...tokens, ...stated };
      const head = { id: 'x', created: 1, model: 'listed' };
      telling.use(({ body }) =>
        body.stream === true
          ? {
              headers,
              events: [
                { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }] },
                { ...head, object: 'chat.completion.chunk', choices: [], usage },
                'data: [DONE]\n\n',
              ],
            }
          : {
              headers,
              body: {
                ...head,
                object: 'chat.completion',
                choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
                usage,
              },
            },
      );
    };

    it.each([
      ['openrouter', { cost: 0.0004, is_byok: false }, 400_000],
      ['openrouter', { cost: 0.00001, is_byok: true, cost_details: { upstream_inference_cost: 0.0002 } }, 210_000],
      [
        'perplexity',
        { cost: { input_tokens_cost: 0.0001, output_tokens_cost: 0.0002, request_cost: 0.005, total_cost: 0.0053 } },
        5_300_000,
      ],
      ['xai', { cost_in_usd_ticks: 1_234_560 }, 123_456],
      ['deepinfra', { estimated_cost: 0.00012 }, 120_000],
    ])('believes %s %j over the price list, in answers and streams', async (provider, stated, expected) => {
      tell(stated);
      const before = ['above', 'below'].map((direction) => metric('cost_difference_usd_total', { provider, direction }));
      const spent = metric('group_cost_usd_total', { group: provider });
      const { '': whole, ...parts } = costHeaders(await ask('chat', provider));
      expect(whole).toBe(expected);
      expect(Object.values(parts).reduce((sum, part) => sum + part)).toBe(expected);
      if (provider === 'perplexity') expect(parts).toEqual({ input: 100_000, output: 200_000, request: 5_000_000 });
      const { text } = await ask('chat', provider, { stream: true, stream_options: { include_usage: true } });
      const usage = /"usage":(\{.*\})\}/.exec(text)?.[1] ?? '{}';
      expect(nano((JSON.parse(usage) as { cost?: number }).cost)).toBe(expected);
      await until(() => metric('calls_in_flight') === 0);
      expect(nano(metric('group_cost_usd_total', { group: provider }) - spent)).toBe(2 * expected);
      const after = ['above', 'below'].map((direction) => metric('cost_difference_usd_total', { provider, direction }));
      const [above, below] = after.map((value, at) => nano(value - before[at]));
      expect([above, below]).toEqual([2 * Math.max(0, expected - LISTED), 2 * Math.max(0, LISTED - expected)]);
    });

    it('believes the header of a LiteLLM proxy, and not that of a stream', async () => {
      tell({}, { 'x-litellm-response-cost': '0.00077' });
      const answer = await gateway.llm.client.chat({ model: 'openai', messages: [{ role: 'user', content: 'Hi' }] });
      expect(answer.call).toMatchObject({ costUsd: 0.00077, cost: { nanoUsd: 770_000, source: 'provider', listNanoUsd: LISTED } });
      const stream = await gateway.llm.client.chat({ model: 'openai', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
      for await (const _ of stream) void _;
      expect(stream.cost).toMatchObject({ nanoUsd: LISTED, source: 'overrides' });
      tell({ cost: 0.00055 });
      const proxied = await gateway.llm.client.chat({ model: 'litellm_proxy', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
      for await (const _ of proxied) void _;
      expect(proxied.cost).toMatchObject({ nanoUsd: 550_000, source: 'provider' });
    });

    it.each([-1, 1e300, '0.5', 5_000, {}])('ignores a cost of %j, and counts that', async (cost) => {
      tell({ cost });
      const before = metric('provider_costs_ignored_total', { provider: 'openrouter' });
      expect(costHeaders(await ask('chat', 'openrouter'))['']).toBe(LISTED);
      expect(metric('provider_costs_ignored_total', { provider: 'openrouter' })).toBe(before + 1);
    });

    it('believes no cost of a provider that states none in USD', async () => {
      tell({ cost: 0.5 });
      expect(costHeaders(await ask('chat', 'openai'))['']).toBe(LISTED);
    });

    it('pays for a model without a listed price, and never beside a price of the operator', async () => {
      tell({ cost: 0.0004 });
      const call = (model: string) => gateway.llm.client.chat({ model, messages: [{ role: 'user', content: 'Hi' }] });
      expect((await call('unlisted')).call.cost).toEqual({ nanoUsd: 400_000, parts: { other: 400_000 }, source: 'provider' });
      expect((await call('operator')).call.cost).toMatchObject({ nanoUsd: 55_000, source: 'deployment' });
    });
  });

  it('is reported for calls made elsewhere: budgets, groups and metrics count the last report of a request', async () => {
    const before = metric('cost_usd_total');
    const report = (model: string, ...costs: number[]): Promise<RawAnswer> => gateway.post('/elsewhere', { model, costs });
    expect((await report('gpt-elsewhere', 0.1, 0.25)).status).toBe(200);
    expect((await report('gpt-elsewhere', 0.000_000_5)).status).toBe(200);
    await until(() => budget('elsewhere').heldUsd === 0 && metric('reported_cost_usd_total') > 0.25);
    expect(nano(budget('elsewhere').spentUsd)).toBe(250_000_500);
    expect(nano(metric('group_cost_usd_total', { group: 'gpt-elsewhere', provider: 'reported' }))).toBe(250_000_500);
    expect(nano(metric('reported_cost_usd_total'))).toBe(250_000_500);
    expect(nano(metric('cost_usd_total') - before)).toBe(250_000_500);
  });

  it('is told apart for at most 50 models that clients name', async () => {
    for (let model = 0; model < 60; model++) await gateway.post('/elsewhere', { model: `junk-${model}`, costs: [0.000_001] });
    await gateway.post('/elsewhere', { model: 'x'.repeat(300), costs: [0.000_001] });
    await until(() => budget('elsewhere').heldUsd === 0);
    const samples = gateway.llm.client.metrics().filter(({ name }) => name === 'llm_client_group_cost_usd_total');
    expect(samples.filter(({ labels }) => labels?.provider === 'reported').length).toBe(51);
    expect(nano(metric('group_cost_usd_total', { group: 'other' }))).toBe(12_000);
  });
});

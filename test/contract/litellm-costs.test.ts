import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { clientOf, closeClients } from '../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../support/llm-client-providers.js';

// Compares costs with LiteLLM's completion_cost at its prices (fixtures/litellm/costs.py).

interface Recorded {
  readonly prices: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly costs: readonly { readonly model: string; readonly prompt: number; readonly completion: number; readonly usd: number }[];
}

const recorded = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/costs.json'), 'utf8')) as Recorded;
const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const llm = new FastLiteLLM({ tokenCounter: { pricing: { source: recorded.prices } }, logger: quiet });
const bundled = new FastLiteLLM({ logger: quiet });

afterEach(async () => {
  await closeClients();
  await stopProviders();
});
afterAll(() => Promise.all([llm.close(), bundled.close()]));

describe('estimateCost', () => {
  it.each(Object.keys(recorded.prices))('returns the cost of LiteLLM for %s, plus its fee per request', (model) => {
    // LiteLLM has these fees in its file, and leaves them out of its costs.
    const fee = Number(recorded.prices[model].input_cost_per_request ?? 0);
    const costs = recorded.costs.filter((cost) => cost.model === model);
    expect(costs.length).toBeGreaterThan(0);
    for (const { prompt, completion, usd } of costs) {
      expect(llm.tokenCounter.estimateCost(prompt, completion, model)).toBeCloseTo(usd + fee, 9);
    }
  });

  it('is compared for at least 50 models', () => expect(Object.keys(recorded.prices).length).toBeGreaterThanOrEqual(50));
});

describe('a fee per request', () => {
  it.each([
    ['perplexity/sonar', 0.0131],
    ['perplexity/sonar-pro', 0.0185],
    ['perplexity/sonar-reasoning-pro', 0.0168],
    ['perplexity/sonar-deep-research', 0.0028],
  ])('is part of the cost of %s', (model, usd) => expect(bundled.tokenCounter.estimateCost(1000, 100, model)).toBeCloseTo(usd, 9));

  it('can be set by the app', () => {
    const overrides = { mine: { inputPerMillion: 1, outputPerMillion: 2, perRequestUsd: 0.5 } };
    const own = new FastLiteLLM({ tokenCounter: { pricing: { overrides } }, logger: quiet });
    expect(own.tokenCounter.estimateCost(1_000_000, 1_000_000, 'mine')).toBeCloseTo(3.5, 9);
    return own.close();
  });

  it.each([
    ['the deployment', { model: 'openai/mine', input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: 0.012 }],
    ['the price list', { model: 'perplexity/sonar', input_cost_per_token: undefined }],
  ])('of %s counts as spending and against a budget', async (_case, params) => {
    const one = await provider('one');
    const modelList = [deploymentOf('m', one, { ...params, max_budget: 0.03, budget_duration: '1d' })];
    const { client, router } = clientOf({ modelList });
    const spent = () => client.metrics().find(({ name }) => name === 'llm_client_cost_usd_total')?.value ?? NaN;
    const left = () => router.metrics().find(({ name }) => name === 'router_budget_remaining_usd')?.value ?? NaN;
    for (let calls = 1; calls <= 2; calls++) {
      await client.chat({ model: 'm', messages: HELLO });
      expect(spent()).toBeCloseTo(calls * 0.012, 4);
      expect(left()).toBeCloseTo(0.03 - calls * 0.012, 4);
    }
    expect(router.deployments()[0].costUsd(0, 0)).toBeCloseTo(0.012, 9);
  });

  it('does not influence the lowest-cost strategy', async () => {
    const [one, two] = await Promise.all([provider('one'), provider('two')]);
    const modelList = [deploymentOf('m', one, { model: 'perplexity/sonar' }), deploymentOf('m', two, { model: 'openai/gpt-4o' })];
    const { client } = clientOf({ modelList, strategy: 'cost_based' });
    expect((await client.chat({ model: 'm', messages: HELLO })).call.deploymentId).toBe('one');
  });
});

import { deployment } from '../../test/support/router-engines.js';
import { refuseArgument } from '../common/options.js';
import { readModelList } from '../router/config/model-list.js';
import type { Selection } from './call-router.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import { answerCost } from './answer/answer-cost.js';
import type { SourcedPrices } from '../common/token-cost.js';
import { ClientSpend } from './client-spend.js';

const usage = (promptTokens: number, completionTokens: number) => ({
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
});

describe('ClientSpend', () => {
  const asked: string[] = [];
  /** A selection of a deployment whose model is known to cost so much. */
  const selectionOf = (price: number | null, params: object = {}, info: object = {}): Selection => {
    const pricesOf = (model: string): SourcedPrices[] => {
      asked.push(model);
      return price === null ? [] : [{ prices: { inputPerMillion: 0, outputPerMillion: 0, perRequestUsd: price }, source: 'test' }];
    };
    const entry = deployment('a', { model: 'openai/*', ...params });
    const { deployments } = readModelList([{ ...entry, model_info: { ...entry.model_info, ...info } }], {
      path: 'modelList',
      refuse: refuseArgument,
      env: {},
      modelFacts: { pricesOf },
    });
    return { deployment: deployments[0], group: 'g', model: 'openai/gpt-4o', strategy: 'simple_shuffle' };
  };
  const opened = jest.fn();
  const clientSpend = (): ClientSpend => new ClientSpend(opened);
  const spend = (sum: ClientSpend, { deployment, model }: Selection, used: AnswerUsage): void => {
    const { promptTokens, completionTokens, details } = used;
    const cost = answerCost(deployment.priced(Math.round(promptTokens), Math.round(completionTokens), model, details), undefined);
    sum.charge(used, cost, { labels: { group: 'g', provider: 'openai' }, provider: 'openai', isEstimated: false });
  };
  beforeEach(() => void asked.splice(0));

  it('adds up tokens and the cost of the model that was called', () => {
    const sum = clientSpend();
    spend(sum, selectionOf(0.25), usage(10, 3));
    spend(sum, selectionOf(0.25), usage(1.6, 0));
    expect(asked).toEqual(['openai/gpt-4o', 'openai/gpt-4o']);
    expect(sum).toMatchObject({ inputTokens: 12, outputTokens: 3, costUsd: 0.5, unpricedCalls: 0 });
  });

  it('prices a deployment by its base_model', () => {
    spend(clientSpend(), selectionOf(1, {}, { base_model: 'azure/gpt-4o' }), usage(1, 1));
    expect(asked).toEqual(['azure/gpt-4o']);
  });

  it.each([
    [{ input_cost_per_token: 0.5, output_cost_per_token: 2 }, 11],
    [{ input_cost_per_token: 0.5, output_cost_per_token: 2, cache_read_input_token_cost: 0.25 }, 9],
    [{ input_cost_per_token: 0.5, cache_read_input_token_cost: 0, cache_creation_input_token_cost: 1 }, 1.5],
    [{ output_cost_per_token: 2, output_cost_per_reasoning_token: 5 }, 12],
  ])('prices cached and reasoning tokens by their own prices: %j', (params, costUsd) => {
    const details = { cacheReadTokens: 8, cacheWriteTokens: 1, reasoningTokens: 2 };
    const sum = clientSpend();
    spend(sum, selectionOf(null, params), { ...usage(10, 3), details });
    expect(sum.costUsd).toBeCloseTo(costUsd, 9);
  });

  it('counts a call without a known price as unpriced', () => {
    const sum = clientSpend();
    spend(sum, selectionOf(null), usage(10, 3));
    expect(sum).toMatchObject({ inputTokens: 10, outputTokens: 3, costUsd: 0, unpricedCalls: 1 });
  });

  it.each([
    [{ input_cost_per_token: 0.5, output_cost_per_token: 2 }, {}, 11],
    [{ input_cost_per_token: 0.5 }, {}, 5],
    [{ input_cost_per_token: '0.5' }, {}, 5],
    [{}, { output_cost_per_token: 2 }, 6],
    [{ input_cost_per_token: 0 }, {}, 0],
  ])('prefers the prices of the deployment: %j, %j', (params, info, costUsd) => {
    const sum = clientSpend();
    spend(sum, selectionOf(1000, params, info), usage(10, 3));
    expect(sum).toMatchObject({ costUsd, unpricedCalls: 0 });
    expect(asked).toEqual([]);
  });

  it('loads the price list once, in a later turn of the event loop', async () => {
    const sum = clientSpend();
    sum.prepare('gpt-4');
    sum.prepare('gpt-4o');
    expect(opened).not.toHaveBeenCalled();
    await new Promise((resolve) => setImmediate(resolve));
    expect(opened.mock.calls).toEqual([['gpt-4']]);
  });
});

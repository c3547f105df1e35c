import type { RouterPick } from './call-router.js';
import { CallSpending } from './call-spending.js';

const pickOf = (params: object, info: object = {}): RouterPick =>
  ({ deployment: { params, info }, group: 'g', model: 'openai/gpt-4o' }) as unknown as RouterPick;
const usage = (promptTokens: number, completionTokens: number) => ({
  promptTokens,
  completionTokens,
  totalTokens: promptTokens + completionTokens,
});

describe('CallSpending', () => {
  const asked: unknown[][] = [];
  const spendingAt = (price: number | null) =>
    new CallSpending((...args) => {
      asked.push(args);
      return price;
    });
  beforeEach(() => void asked.splice(0));

  it('adds up tokens and what the model costs', () => {
    const spending = spendingAt(0.25);
    spending.add(pickOf({}), usage(10, 3));
    spending.add(pickOf({}), usage(1.6, 0));
    expect(asked).toEqual([
      [10, 3, 'openai/gpt-4o'],
      [2, 0, 'openai/gpt-4o'],
    ]);
    expect(spending).toMatchObject({ inputTokens: 12, outputTokens: 3, costUsd: 0.5, unpricedCalls: 0 });
  });

  it('makes up no price', () => {
    const spending = spendingAt(null);
    spending.add(pickOf({}), usage(10, 3));
    expect(spending).toMatchObject({ inputTokens: 10, outputTokens: 3, costUsd: 0, unpricedCalls: 1 });
  });

  it.each([
    [{ input_cost_per_token: 0.5, output_cost_per_token: 2 }, {}, 11],
    [{ input_cost_per_token: 0.5 }, {}, 5],
    [{}, { output_cost_per_token: 2 }, 6],
    [{ input_cost_per_token: 0 }, {}, 0],
  ])('takes the prices of the deployment first: %j, %j', (params, info, costUsd) => {
    const spending = spendingAt(1000);
    spending.add(pickOf(params, info), usage(10, 3));
    expect(spending).toMatchObject({ costUsd, unpricedCalls: 0 });
    expect(asked).toEqual([]);
  });

  it('leaves a price that is none to the model', () => {
    const spending = spendingAt(1);
    spending.add(pickOf({ input_cost_per_token: 'dear' }), usage(1, 1));
    expect(spending.costUsd).toBe(1);
  });
});

import { toldCost, type ToldCost } from './told-cost.js';

describe('toldCost', () => {
  it.each<[string, object, ToldCost]>([
    ['openrouter', { cost: 0.0033789, is_byok: false, cost_details: { upstream_inference_cost: 0.0033789 } }, { usd: 0.0033789 }],
    // The operator's own key at the upstream: OpenRouter's fee, and what the upstream charges.
    ['openrouter', { cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.19 } }, { usd: 0.2 }],
    ['openrouter', { cost: 0, is_byok: false }, { usd: 0 }],
    ['xai', { cost_in_usd_ticks: 37_756_000 }, { usd: 0.0037756 }],
    ['deepinfra', { estimated_cost: 0.0000268 }, { usd: 0.0000268 }],
    ['edenai', { cost: 0.001 }, { usd: 0.001 }],
    ['litellm_proxy', { cost: 0.001 }, { usd: 0.001 }],
    ['perplexity', { cost: 0.001 }, { usd: 0.001 }],
  ])('reads the cost of %s from %j', (provider, stated, told) => {
    const { usd } = toldCost(provider, stated, undefined) as ToldCost;
    expect(usd).toBeCloseTo(told.usd, 12);
  });

  it("reads Perplexity's parts", () => {
    const cost = { input_tokens_cost: 0.00005, output_tokens_cost: 0.00255, request_cost: 0.006, total_cost: 0.0087 };
    const { usd, parts } = toldCost('perplexity', { cost }, undefined) as ToldCost;
    expect(usd).toBe(0.0087);
    expect(parts).toMatchObject({ input: 0.00005, output: 0.00255, request: 0.006 });
    // What it does not name, such as citations.
    expect(parts?.other).toBeCloseTo(0.0001, 9);
    expect(toldCost('perplexity', { cost: { ...cost, request_cost: 'x' } }, undefined)).toEqual({ usd: 0.0087 });
    expect(toldCost('perplexity', { cost: { ...cost, request_cost: 5 } }, undefined)).toEqual({ usd: 0.0087 });
  });

  it.each([undefined, '', 'None'])('finds none in a header of %j', (header) => {
    expect(toldCost('openai', undefined, header)).toBeUndefined();
    expect(toldCost('openrouter', {}, header)).toBeUndefined();
    expect(toldCost('openrouter', { cost: null }, header)).toBeUndefined();
  });

  it('reads the header of a LiteLLM proxy, whatever its provider is called', () => {
    expect(toldCost('openai', undefined, '0.00125')).toEqual({ usd: 0.00125 });
    expect(toldCost('openai', undefined, '1.5e-05')).toEqual({ usd: 0.000015 });
    expect(toldCost('openrouter', { cost: 0.5 }, '0.00125')).toEqual({ usd: 0.5 });
  });

  it.each(['openai', 'azure', 'ollama', '__proto__', 'constructor'])('believes no usage of %s', (provider) => {
    expect(toldCost(provider, { cost: 0.5, estimated_cost: 0.5, cost_in_usd_ticks: 5 }, undefined)).toBeUndefined();
  });

  it.each([-0.001, NaN, Infinity, 1e300, 1_000.01, '0.5', '', [], {}, true, { total_cost: -1 }])('takes %j for invalid', (cost) => {
    expect(toldCost('openrouter', { cost }, undefined)).toBe('invalid');
    expect(toldCost('openrouter', { cost: 0, is_byok: true, cost_details: { upstream_inference_cost: cost } }, undefined)).toBe('invalid');
    expect(toldCost('deepinfra', { estimated_cost: cost }, undefined)).toBe('invalid');
    expect(toldCost('perplexity', { cost: { total_cost: cost } }, undefined)).toBe('invalid');
  });

  it.each(['-1', 'NaN', '1e300', 'free', '0.1, 0.2', 'Infinity'])('takes the header %j for invalid', (header) => {
    expect(toldCost('openai', undefined, header)).toBe('invalid');
  });

  it('takes ticks that are no amount for invalid', () => {
    for (const ticks of ['5', -5, 1e300, NaN]) expect(toldCost('xai', { cost_in_usd_ticks: ticks }, undefined)).toBe('invalid');
  });
});

import { reportedCost, type ReportedCost } from './answer-cost.js';

describe('reportedCost', () => {
  it.each<[string, object, ReportedCost]>([
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
    const { usd } = reportedCost(provider, stated, undefined) as ReportedCost;
    expect(usd).toBeCloseTo(told.usd, 12);
  });

  it("reads Perplexity's parts", () => {
    const cost = { input_tokens_cost: 0.00005, output_tokens_cost: 0.00255, request_cost: 0.006, total_cost: 0.0087 };
    const { usd, parts } = reportedCost('perplexity', { cost }, undefined) as ReportedCost;
    expect(usd).toBe(0.0087);
    expect(parts).toMatchObject({ input: 0.00005, output: 0.00255, request: 0.006 });
    // What it does not name, such as citations.
    expect(parts?.other).toBeCloseTo(0.0001, 9);
    expect(reportedCost('perplexity', { cost: { ...cost, request_cost: 'x' } }, undefined)).toEqual({ usd: 0.0087 });
    expect(reportedCost('perplexity', { cost: { ...cost, request_cost: 5 } }, undefined)).toEqual({ usd: 0.0087 });
  });

  it.each([undefined, '', 'None'])('finds none in a header of %j', (header) => {
    expect(reportedCost('openai', undefined, header)).toBeUndefined();
    expect(reportedCost('openrouter', {}, header)).toBeUndefined();
    expect(reportedCost('openrouter', { cost: null }, header)).toBeUndefined();
  });

  it('reads the header of a LiteLLM proxy, whatever its provider is called', () => {
    expect(reportedCost('openai', undefined, '0.00125')).toEqual({ usd: 0.00125 });
    expect(reportedCost('openai', undefined, '1.5e-05')).toEqual({ usd: 0.000015 });
    expect(reportedCost('openrouter', { cost: 0.5 }, '0.00125')).toEqual({ usd: 0.5 });
  });

  it.each(['openai', 'azure', 'ollama', '__proto__', 'constructor'])('believes no usage of %s', (provider) => {
    expect(reportedCost(provider, { cost: 0.5, estimated_cost: 0.5, cost_in_usd_ticks: 5 }, undefined)).toBeUndefined();
  });

  it.each([-0.001, NaN, Infinity, 1e300, 1_000.01, '0.5', '', [], {}, true, { total_cost: -1 }])('takes %j for invalid', (cost) => {
    expect(reportedCost('openrouter', { cost }, undefined)).toBe('invalid');
    expect(reportedCost('openrouter', { cost: 0, is_byok: true, cost_details: { upstream_inference_cost: cost } }, undefined)).toBe(
      'invalid',
    );
    expect(reportedCost('deepinfra', { estimated_cost: cost }, undefined)).toBe('invalid');
    expect(reportedCost('perplexity', { cost: { total_cost: cost } }, undefined)).toBe('invalid');
  });

  it.each(['-1', 'NaN', '1e300', 'free', '0.1, 0.2', 'Infinity'])('takes the header %j for invalid', (header) => {
    expect(reportedCost('openai', undefined, header)).toBe('invalid');
  });

  it('treats ticks that are not an amount as invalid', () => {
    for (const ticks of ['5', -5, 1e300, NaN]) expect(reportedCost('xai', { cost_in_usd_ticks: ticks }, undefined)).toBe('invalid');
  });
});

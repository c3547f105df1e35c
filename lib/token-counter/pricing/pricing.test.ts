import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { PricingBook, type PricingOptions } from './pricing-book.js';
import type { UsageDetails } from '../../common/token-cost.js';

const book = (options: PricingOptions = {}): PricingBook => new PricingBook(options, 'tokenCounter.pricing');
const bundled = book();
const cost = (model: string, input: number, output: number, details: UsageDetails = {}, from = bundled): number | null =>
  from.estimateCost(input, output, model, details);

describe("LiteLLM's price file", () => {
  const source = {
    sample_spec: { input_cost_per_token: 'in USD', max_tokens: 'LEGACY parameter' },
    'gpt-4o': {
      litellm_provider: 'openai',
      input_cost_per_token: 1e-6,
      output_cost_per_token: 2e-6,
      max_input_tokens: 100,
      max_output_tokens: 50,
      max_tokens: 50,
      mode: 'chat',
    },
    'gemini/big': {
      litellm_provider: 'gemini',
      max_tokens: 8192,
      input_cost_per_token: 1e-6,
      input_cost_per_token_above_128k_tokens: 2e-6,
      input_cost_per_token_above_200k_tokens: 4e-6,
      output_cost_per_token: 3e-6,
      output_cost_per_token_above_200k_tokens: 9e-6,
      output_cost_per_reasoning_token: 5e-6,
      cache_read_input_token_cost: 1e-7,
      cache_creation_input_token_cost: 1.25e-6,
      cache_creation_input_token_cost_above_1hr: 2e-6,
      cache_creation_input_token_cost_above_1hr_above_200k_tokens: 8e-6,
      input_cost_per_pixel: 'unread',
    },
    'ft:gpt-4o': { litellm_provider: 'openai', input_cost_per_token: 7e-6, output_cost_per_token: 7e-6 },
    tiered: {
      litellm_provider: 'openai',
      input_cost_per_token: 2e-6,
      output_cost_per_token: 10e-6,
      cache_read_input_token_cost: 1e-7,
      input_cost_per_token_above_272k_tokens: 4e-6,
      output_cost_per_token_above_272k_tokens: 15e-6,
      input_cost_per_token_priority: 5e-6,
      output_cost_per_token_priority: 20e-6,
      input_cost_per_token_above_272k_tokens_priority: 9e-6,
      input_cost_per_token_flex: 1e-6,
    },
    'limits-only': { litellm_provider: 'x', max_input_tokens: 10 },
    'output-only': { litellm_provider: 'x', max_tokens: 20, max_output_tokens: 20 },
  };
  const litellm = book({ source });

  it("takes prices from LiteLLM's file first, then from the bundled package", () => {
    expect(cost('gpt-4o', 1000, 100, {}, litellm)).toBeCloseTo(0.0012, 12);
    expect(cost('openai/gpt-4o', 1000, 100, {}, litellm)).toBeCloseTo(0.0012, 12);
    expect(cost('azure/gpt-4o', 1000, 100, {}, litellm)).toBeCloseTo(0.0035, 12);
    expect(cost('ft:gpt-4o:org::id', 1000, 0, {}, litellm)).toBeCloseTo(0.007, 12);
    expect(cost('openai/ft:gpt-4o:org::id', 1000, 0, {}, litellm)).toBeCloseTo(0.007, 12);
    expect(cost('sample_spec', 1, 1, {}, litellm)).toBeNull();
    expect(cost('limits-only', 1, 1, {}, litellm)).toBeNull();
    expect(litellm.limits('gpt-4o')).toMatchObject({ contextWindow: 100, maxOutputTokens: 50 });
    expect(litellm.limits('gemini/big')).toMatchObject({ contextWindow: 8192, maxOutputTokens: null });
    expect(litellm.limits('output-only')).toMatchObject({ contextWindow: null, maxOutputTokens: 20 });
    expect(litellm.limits('limits-only')).toMatchObject({ contextWindow: 10, maxOutputTokens: null });
  });

  it.each<[number, number, UsageDetails, number]>([
    [128_000, 10, {}, 128_000 * 1e-6 + 10 * 3e-6],
    [128_001, 10, {}, 128_001 * 2e-6 + 10 * 3e-6],
    [200_001, 10, {}, 200_001 * 4e-6 + 10 * 9e-6],
    [
      1000,
      10,
      { cacheReadTokens: 100, cacheWriteTokens: 300, cacheWrite1hTokens: 200, reasoningTokens: 4 },
      600e-6 + 100e-7 + 100 * 1.25e-6 + 200 * 2e-6 + 6 * 3e-6 + 4 * 5e-6,
    ],
    [200_001, 0, { cacheWrite1hTokens: 1 }, 200_000 * 4e-6 + 8e-6],
  ])('prices %i input and %i output tokens with the details %j', (input, output, details, usd) => {
    expect(cost('gemini/big', input, output, details, litellm)).toBeCloseTo(usd, 10);
  });

  it.each<[string, number, UsageDetails, number]>([
    ['the priority tier', 1000, { serviceTier: 'priority' }, 1000 * 5e-6 + 10 * 20e-6],
    ['a rate that the tier leaves out', 1000, { serviceTier: 'flex', cacheReadTokens: 100 }, 900e-6 + 100e-7 + 10 * 10e-6],
    ['long inputs of the tier', 272_001, { serviceTier: 'priority' }, 272_001 * 9e-6 + 10 * 15e-6],
    ['long inputs of a tier without own rates', 272_001, { serviceTier: 'flex' }, 272_001 * 4e-6 + 10 * 15e-6],
    ['the standard tier', 272_001, {}, 272_001 * 4e-6 + 10 * 15e-6],
  ])('prices %s', (_, input, details, usd) => {
    expect(cost('tiered', input, 10, details, litellm)).toBeCloseTo(usd, 10);
  });

  it.each<[string, Record<string, number>, number | null]>([
    ['a picture beside free tokens', { input_cost_per_token: 0, output_cost_per_token: 0, output_cost_per_image: 0.04 }, null],
    ['pixels beside free output', { output_cost_per_token: 0, input_cost_per_pixel: 1e-8 }, null],
    ['seconds beside tokens with a price', { input_cost_per_token: 1e-6, output_cost_per_token: 0, input_cost_per_second: 1 }, 1e-6],
    ['a query', { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_query: 0.002 }, 0.002],
    ['nothing', { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_image: 0 }, 0],
  ])('knows what a model costs that is paid by %s', (_, entry, usd) => {
    expect(cost('m', 1, 1, {}, book({ source: { m: { litellm_provider: 'x', ...entry } } }))).toBe(usd);
  });

  it('takes service tiers in overrides, and refuses other names', () => {
    const overrides = { m: { inputPerMillion: 1, outputPerMillion: 1, serviceTiers: { priority: { inputPerMillion: 2 } } } };
    expect(cost('m', 1e6, 0, { serviceTier: 'priority' }, book({ overrides }))).toBe(2);
    expect(() => book({ overrides: { m: { ...overrides.m, serviceTiers: { scale: {} } } } })).toThrow('m.serviceTiers.scale');
    expect(() => book({ overrides: { m: { ...overrides.m, serviceTiers: { flex: { inputPerMillion: -1 } } } } })).toThrow(
      'm.serviceTiers.flex.inputPerMillion',
    );
    expect(() => cost('m', 1, 1, { serviceTier: 'scale' as never }, book({ overrides }))).toThrow('usageDetails.serviceTier');
  });
});

describe('off-peak prices', () => {
  const offPeak = {
    inputPerMillion: 1,
    windows: [
      { from: '22:00', until: '06:30', weekdays: [1, 2, 3, 4, 5] },
      { from: '00:00', until: '00:00', weekdays: [6, 7], timeZone: 'Asia/Shanghai' },
    ],
  };
  const m = { inputPerMillion: 2, outputPerMillion: 8, tiers: [{ aboveInputTokens: 500_000, inputPerMillion: 4 }], offPeak };
  const own = book({ overrides: { m } });
  const million = (details: UsageDetails = {}): number | null => cost('m', 1e6, 0, details, own);

  beforeAll(() => jest.useFakeTimers());
  afterAll(() => jest.useRealTimers());

  it.each([
    ['Wednesday, before', '2026-11-25T21:59:59Z', 4],
    ['Wednesday, at the start', '2026-11-25T22:00:00Z', 1],
    ['Thursday, after midnight', '2026-11-26T03:00:00Z', 1],
    ['Thursday, at the end', '2026-11-26T06:30:00Z', 4],
    ['Friday in UTC, Saturday in Shanghai', '2026-11-27T16:00:00Z', 1],
    ['Friday in both', '2026-11-27T15:59:00Z', 4],
    ['Sunday in UTC, Monday in Shanghai', '2026-11-29T16:30:00Z', 4],
  ])('apply by the clock: %s', (_, time, usd) => {
    jest.setSystemTime(new Date(time));
    expect(million()).toBeCloseTo(usd, 9);
    expect(million({ offPeak: false })).toBeCloseTo(4, 9);
    expect(million({ offPeak: true })).toBeCloseTo(1, 9);
  });

  it.each([
    [{ windows: [{ from: '9:00', until: '10:00' }] }, 'offPeak.windows[0].from', 'HH:MM'],
    [{ windows: [{ from: '09:00', until: '24:00' }] }, 'offPeak.windows[0].until', 'HH:MM'],
    [{ windows: [{ from: '09:00', until: '10:00', weekdays: [0] }] }, 'offPeak.windows[0].weekdays[0]', 'from 1 to 7'],
    [{ windows: [{ from: '09:00', until: '10:00', timeZone: 'Mars' }] }, 'offPeak.windows[0].timeZone', 'time zone'],
    [{ windows: [{ from: '09:00', until: '10:00', days: [1] }] }, 'offPeak.windows[0].days', 'known'],
    [{ windows: 'nights' }, 'offPeak.windows', 'must be an array'],
    [{ windows: [], inputPerMillion: -1 }, 'offPeak.inputPerMillion', 'from 0'],
    [{ windows: [], tiers: [] }, 'offPeak.tiers', 'known'],
  ])('are refused if they are invalid: %j', (invalid, path, message) => {
    expect(() => book({ overrides: { m: { ...m, offPeak: invalid } as never } })).toThrow(
      expect.objectContaining({ path: `tokenCounter.pricing.overrides.m.${path}`, message: expect.stringContaining(message) }),
    );
  });

  it.each([
    [{ off_peak_pricing: { hours_utc: 'night' } }, 'off_peak_pricing.hours_utc', 'HH:MM-HH:MM'],
    [{ off_peak_pricing: { hours_utc: '1:00-2:00 or so' } }, 'off_peak_pricing.hours_utc', 'HH:MM-HH:MM'],
    [{ off_peak_pricing: { hours_utc: 'at 1:00-2:00' } }, 'off_peak_pricing.hours_utc', 'HH:MM-HH:MM'],
    [
      { off_peak_pricing: { windows: [{ hours_utc: '1:00-2:00', weekdays: ['someday'] }] } },
      'off_peak_pricing.windows[0].weekdays',
      'days',
    ],
    [{ off_peak_pricing: { hours_utc: '1:00-2:00', weekday_timezone: 'Mars' } }, 'off_peak_pricing.weekday_timezone', 'time zone'],
    [
      { off_peak_pricing: { hours_utc: '1:00-2:00', input_cost_per_token: 'low' } },
      'off_peak_pricing.input_cost_per_token',
      'number of at least 0',
    ],
    [{ tiered_pricing: [{ range: 5, input_cost_per_token: 1 }] }, 'tiered_pricing[0].range', '[from, to]'],
    [{ tiered_pricing: [7] }, 'tiered_pricing[0]', 'must be an object'],
  ])("are refused in LiteLLM's format: %j", (fields, path, message) => {
    const source = { m: { litellm_provider: 'x', input_cost_per_token: 1e-6, ...fields } };
    expect(() => book({ source })).toThrow(
      expect.objectContaining({ path: `tokenCounter.pricing.source: m.${path}`, message: expect.stringContaining(message) }),
    );
  });
});

describe('the source of a figure', () => {
  const source = {
    'gpt-4o': { litellm_provider: 'openai', input_cost_per_token: 1e-6, max_output_tokens: 16_384 },
    m: { max_input_tokens: 5 },
  };
  const own = book({ source, overrides: { m: { inputPerMillion: 1, maxOutputTokens: 7 } } });

  it('is the first that knows it, for each limit', () => {
    expect(own.limits('gpt-4o')).toEqual({
      contextWindow: 128_000,
      maxOutputTokens: 16_384,
      sources: { contextWindow: '@pydantic/genai-prices', maxOutputTokens: 'source' },
    });
    expect(own.limits('m').sources).toEqual({ contextWindow: 'source', maxOutputTokens: 'overrides' });
    expect(own.limits('unknown').sources).toEqual({ contextWindow: null, maxOutputTokens: null });
  });

  it('is given with the price', () => {
    expect(own.priceOf('m')).toEqual({ inputPerMillion: 1, source: 'overrides' });
    expect(own.priceOf('gpt-4o')).toEqual({ inputPerMillion: 1, source: 'source' });
    expect(own.priceOf('claude-sonnet-4-5')).toMatchObject({ inputPerMillion: 3, source: '@pydantic/genai-prices' });
    expect(own.priceOf('unknown')).toBeNull();
    expect(own.priceOf('m'.repeat(10_000))).toBeNull();
  });
});

describe("LiteLLM's route to Responses", () => {
  it.each(['openai/responses/gpt-4o', 'responses/gpt-4o'])('is not part of the model in %s', (model) => {
    expect(cost(model, 1000, 1000)).toBe(cost('openai/gpt-4o', 1000, 1000));
    expect(bundled.limits(model)).toEqual(bundled.limits('openai/gpt-4o'));
  });

  it('is not part of another word', () => {
    expect(cost('openai/myresponses/gpt-4o', 1000, 1000)).toBeNull();
  });
});

describe("models.dev's price file", () => {
  const source = {
    openrouter: {
      id: 'openrouter',
      models: { 'openai/gpt-4o': { cost: { input: 9, output: 9 } }, solo: { cost: { input: 5, output: 5 } } },
    },
    openai: {
      id: 'openai',
      models: {
        'gpt-4o': {
          cost: { input: 1, output: 2, cache_read: 0.5, cache_write: 3, reasoning: 4 },
          limit: { context: 128, input: 100, output: 28 },
        },
      },
    },
    azure: { id: 'azure', models: { 'gpt-4o': { cost: { input: 7, output: 7 } }, shared: { cost: { input: 1, output: 1 } } } },
    groq: { id: 'groq', models: { shared: { cost: { input: 2, output: 2 } }, bare: {} } },
    google: { id: 'google', models: { big: { cost: { input: 1, output: 1, context_over_200k: { input: 2 } }, limit: { context: 1000 } } } },
  };
  const dev = book({ source });
  it("takes the price of the named provider, and the maker's price for a name without a provider", () => {
    expect(cost('gpt-4o', 1e6, 0, {}, dev)).toBeCloseTo(1, 9);
    expect(cost('openai/gpt-4o', 1e6, 1e6, { reasoningTokens: 5e5 }, dev)).toBeCloseTo(1 + 1 + 2, 9);
    expect(cost('azure/gpt-4o', 1e6, 0, {}, dev)).toBeCloseTo(7, 9);
    expect(cost('openrouter/openai/gpt-4o', 1e6, 0, {}, dev)).toBeCloseTo(9, 9);
    expect(cost('gemini/big', 200_001, 0, {}, dev)).toBeCloseTo(0.400002, 9);
    expect(cost('solo', 1e6, 0, {}, dev)).toBeCloseTo(5, 9);
    expect(cost('shared', 1, 1, {}, dev)).toBeNull();
    expect(cost('groq/bare', 1, 1, {}, dev)).toBeNull();
    expect(dev.limits('gpt-4o')).toMatchObject({ contextWindow: 100, maxOutputTokens: 28 });
    expect(dev.limits('gemini/big')).toMatchObject({ contextWindow: 1000, maxOutputTokens: null });
  });
});

describe('price overrides', () => {
  it("prefers overrides to all other prices, in our format and in LiteLLM's", () => {
    const own = book({
      source: { 'gpt-4o': { litellm_provider: 'openai', input_cost_per_token: 1, output_cost_per_token: 1, max_output_tokens: 5 } },
      overrides: {
        'gpt-4o': { inputPerMillion: 1, outputPerMillion: 2, tiers: [{ aboveInputTokens: 10, outputPerMillion: 20 }], contextWindow: 77 },
        'my-model': { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, max_input_tokens: 5 },
        'azure/gpt-4o': { inputPerMillion: 0, outputPerMillion: 0 },
      },
    });
    expect(cost('gpt-4o', 10, 10, {}, own)).toBeCloseTo(30e-6, 12);
    expect(cost('openai/gpt-4o', 11, 10, {}, own)).toBeCloseTo(211e-6, 12);
    expect(cost('azure/gpt-4o', 11, 10, {}, own)).toBe(0);
    expect(cost('any/where/my-model', 1, 1, {}, own)).toBeCloseTo(2e-6, 12);
    expect(own.limits('gpt-4o')).toMatchObject({ contextWindow: 77, maxOutputTokens: 5 });
    expect(own.limits('my-model')).toMatchObject({ contextWindow: 5, maxOutputTokens: null });
  });

  it('takes a rate that a higher tier leaves out from the next lower tier', () => {
    const tiers = [
      { aboveInputTokens: 20, outputPerMillion: 30 },
      { aboveInputTokens: 10, inputPerMillion: 2, outputPerMillion: 20 },
    ];
    const own = book({ overrides: { m: { inputPerMillion: 1, outputPerMillion: 10, tiers } } });
    expect(cost('m', 10, 10, {}, own)).toBeCloseTo(110e-6, 12);
    expect(cost('m', 11, 10, {}, own)).toBeCloseTo(222e-6, 12);
    expect(cost('m', 21, 10, {}, own)).toBeCloseTo(342e-6, 12);
  });

  it('prices cached tokens as input if they have no rate of their own', () => {
    const own = book({ overrides: { m: { inputPerMillion: 1, outputPerMillion: 1, cacheWritePerMillion: 2 } } });
    expect(cost('m', 30, 0, { cacheReadTokens: 10, cacheWriteTokens: 10, cacheWrite1hTokens: 10 }, own)).toBeCloseTo(20e-6 + 20e-6, 12);
  });
});

describe('invalid prices and usage', () => {
  const directory = mkdtempSync(join(tmpdir(), 'prices-'));
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each<[PricingOptions, string, string]>([
    [{ source: file('no.json', 'prices') }, join(directory, 'no.json'), 'must be valid JSON'],
    [{ source: file('list.json', '[]') }, join(directory, 'list.json'), 'must be an object'],
    [{ source: file('flat.json', '{"gpt-4o": 1}') }, `${join(directory, 'flat.json')}: gpt-4o`, 'must be an object'],
    [
      { source: file('word.json', '{"gpt-4o": {"input_cost_per_token": "cheap"}}') },
      `${join(directory, 'word.json')}: gpt-4o.input_cost_per_token`,
      'number of at least 0',
    ],
    [
      { source: file('less.json', '{"a": {"output_cost_per_token_above_200k_tokens": -1}}') },
      `${join(directory, 'less.json')}: a.output_cost_per_token_above_200k_tokens`,
      'number of at least 0',
    ],
    [
      { source: file('dev.json', '{"openai": {"models": {"m": {"cost": {"input": "1"}}}}}') },
      `${join(directory, 'dev.json')}: openai.models.m.cost.input`,
      'number of at least 0',
    ],
    [
      { source: { openai: { models: { m: { cost: { input: 1e10 } } } } } },
      'tokenCounter.pricing.source: openai.models.m.cost.input',
      'must be at most 1000000000',
    ],
    [{ source: { m: { input_cost_per_token: 1e308 } } }, 'tokenCounter.pricing.source: m.input_cost_per_token', 'must be at most 1000'],
    [{ source: { openai: { models: {} }, azure: {} } }, 'tokenCounter.pricing.source: azure.models', 'must be an object'],
    [{ source: join(directory, 'missing.json') }, 'tokenCounter.pricing.source', 'cannot read'],
    [{ source: process.platform === 'win32' ? 'missing.json' : '/dev/zero' }, 'tokenCounter.pricing.source', 'cannot read'],
    [{ source: 7 as never }, 'tokenCounter.pricing.source', 'must be an object'],
    [{ overrides: 7 as never }, 'tokenCounter.pricing.overrides', 'must be an object'],
    [{ overrides: { m: { inputPerMilion: 1 } } }, 'tokenCounter.pricing.overrides.m.inputPerMilion', 'inputPerMillion'],
    [{ overrides: { m: { inputPerMillion: -1 } } }, 'tokenCounter.pricing.overrides.m.inputPerMillion', 'from 0 to'],
    [{ overrides: { m: { outputPerMillion: 1e300 } } }, 'tokenCounter.pricing.overrides.m.outputPerMillion', 'from 0 to 1000000000'],
    [{ overrides: { m: { perRequestUsd: 1e308 } } }, 'tokenCounter.pricing.overrides.m.perRequestUsd', 'from 0 to 1000'],
    [{ overrides: { m: { input_cost_per_token: NaN } } }, 'tokenCounter.pricing.overrides.m.input_cost_per_token', 'number of at least 0'],
    [
      { overrides: { m: { tiers: [{ outputPerMillion: 1 }] as never } } },
      'tokenCounter.pricing.overrides.m.tiers[0].aboveInputTokens',
      'must be a number',
    ],
  ])('throws an error with the path of an invalid price: %#', (options, path, message) => {
    expect(() => book(options)).toThrow(
      expect.objectContaining({ name: 'InvalidConfigurationError', path, message: expect.stringContaining(message) }),
    );
  });

  it('reads a price file with a byte order mark', () => {
    const source = file('bom.json', '\ufeff{"m": {"input_cost_per_token": 1, "output_cost_per_token": 1}}');
    expect(cost('m', 1, 1, {}, book({ source }))).toBe(2);
    expect(book({ source }).priceOf('m')?.source).toBe(source);
  });

  it.each<[string, unknown, unknown, object]>([
    ['inputTokens', -1, 0, {}],
    ['inputTokens', NaN, 0, {}],
    ['inputTokens', '5', 0, {}],
    ['outputTokens', 0, Infinity, {}],
    ['outputTokens', 0, 1.5, {}],
    ['usageDetails.cacheReadTokens', 1, 1, { cacheReadTokens: -1 }],
    ['usageDetails.cacheWriteTokens', 1, 1, { cacheWriteTokens: NaN }],
    ['usageDetails.cacheWrite1hTokens', 1, 1, { cacheWrite1hTokens: '1' }],
    ['usageDetails.reasoningTokens', 1, 1, { reasoningTokens: null }],
    ['usageDetails.cachedTokens', 1, 1, { cachedTokens: 1 }],
  ])('throws an error with the path of an invalid usage: %s', (path, input, output, details) => {
    expect(() => cost('gpt-4o', input as number, output as number, details)).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError', path }),
    );
  });
});

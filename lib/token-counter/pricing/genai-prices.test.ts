import { liveHeapBytes } from '../../../test/support/heap.js';
import type { UsageDetails } from '../../common/token-cost.js';
import { PricingBook } from './pricing-book.js';
import { usuallyOrLong } from '../../../test/support/long.js';

const bundled = new PricingBook({}, 'tokenCounter.pricing');
const cost = (model: string, input: number, output: number, details: UsageDetails = {}): number | null =>
  bundled.estimateCost(input, output, model, details);

describe('prices of @pydantic/genai-prices', () => {
  it('prices gpt-4o at 2.50 USD per million input tokens and 10 USD per million output tokens', () => {
    expect(cost('gpt-4o', 1000, 100)).toBeCloseTo(0.0025 + 0.001, 12);
    expect(cost('gpt-4o', 0, 0)).toBe(0);
  });

  it('prices cache reads and cache writes at their own rates', () => {
    expect(cost('gpt-4o', 1000, 100, { cacheReadTokens: 400 })).toBeCloseTo(600 * 2.5e-6 + 400 * 1.25e-6 + 0.001, 12);
    // Claude Sonnet 4.5: input 3, write 3.75, one-hour write 6, read 0.30, output 15.
    const details = { cacheReadTokens: 200, cacheWriteTokens: 300, cacheWrite1hTokens: 100 };
    expect(cost('claude-sonnet-4-5', 1000, 10, details)).toBeCloseTo(
      500 * 3e-6 + 200 * 0.3e-6 + 200 * 3.75e-6 + 100 * 6e-6 + 10 * 15e-6,
      12,
    );
    // One-hour writes count as cache writes even if cacheWriteTokens leaves them out.
    expect(cost('claude-sonnet-4-5', 1000, 0, { cacheWrite1hTokens: 100 })).toBeCloseTo(900 * 3e-6 + 100 * 6e-6, 12);
  });

  it("prices DeepSeek's off-peak hours by the clock, and holds the prices at peak", () => {
    jest.useFakeTimers();
    try {
      const own = new PricingBook({}, 'tokenCounter.pricing');
      for (const [time, usd] of [
        ['2026-11-25T16:29:59Z', 0.27],
        ['2026-11-25T16:30:00Z', 0.135],
        ['2026-11-26T00:29:00Z', 0.135],
        ['2026-11-26T00:30:00Z', 0.27],
      ] as const) {
        jest.setSystemTime(new Date(time));
        expect(own.estimateCost(1e6, 0, 'deepseek/deepseek-chat', {})).toBeCloseTo(usd, 9);
        expect(own.estimateCost(1e6, 0, 'deepseek/deepseek-chat', { offPeak: false })).toBeCloseTo(0.27, 9);
      }
    } finally {
      jest.useRealTimers();
    }
  });

  it('charges no negative amount for uncached input if more tokens are cached than sent', () => {
    expect(cost('gpt-4o', 100, 0, { cacheReadTokens: 400 })).toBeCloseTo(400 * 1.25e-6, 12);
  });

  it('counts reasoning tokens as part of the output', () => {
    expect(cost('o3', 0, 100, { reasoningTokens: 60 })).toBeCloseTo(100 * 8e-6, 12);
    expect(cost('o3', 0, 100, { reasoningTokens: 600 })).toBeCloseTo(100 * 8e-6, 12);
  });

  it('applies the rates of a tier to the whole request from the first token above its threshold', () => {
    expect(cost('claude-sonnet-4-5', 200_000, 100)).toBeCloseTo(0.6 + 100 * 15e-6, 12);
    expect(cost('claude-sonnet-4-5', 200_001, 100)).toBeCloseTo(200_001 * 6e-6 + 100 * 22.5e-6, 12);
  });

  it.each(['openai/gpt-4o', 'azure/gpt-4o', 'openrouter/openai/gpt-4o'])('prices %s as gpt-4o', (model) => {
    expect(cost(model, 1000, 100)).toBeCloseTo(0.0035, 12);
  });

  it.each([
    'bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0',
    'gemini/gemini-2.5-pro',
    'vertex_ai/gemini-2.5-pro',
    'groq/llama-3.3-70b-versatile',
    'ft:gpt-4o-2024-08-06:org::id',
  ])('finds a price for %s', (model) => expect(cost(model, 1000, 100)).toBeGreaterThan(0));

  it.each([
    'no-such-model',
    'azure/my-deployment',
    'mycompany/gpt-4o',
    '',
    '/',
    '__proto__/x',
    'constructor',
    'toString/gpt-4o',
    'gpt-4o'.repeat(1000),
    'whisper-1',
  ])('returns null for %j', (model) => expect(cost(model, 1000, 100)).toBeNull());

  it('returns null for output tokens of a model without an output price', () => {
    expect(cost('text-embedding-3-small', 1000, 0)).toBeCloseTo(0.00002, 12);
    expect(cost('text-embedding-3-small', 1000, 1)).toBeNull();
  });

  it('returns the input limit of a model, not the sum of input and output', () => {
    expect(bundled.limits('gpt-4o')).toMatchObject({ contextWindow: 128_000, maxOutputTokens: null });
    expect(bundled.limits('gpt-5-mini-2025-08-07').contextWindow).toBe(272_000);
    expect(bundled.limits('openrouter/openai/gpt-5').contextWindow).toBe(272_000);
    expect(bundled.limits('o3').contextWindow).toBe(200_000);
    expect(bundled.limits('openai/gpt-4o')).toEqual(bundled.limits('gpt-4o'));
    expect(bundled.limits('no-such-model')).toMatchObject({ contextWindow: null, maxOutputTokens: null });
  });

  it.each([
    ['gpt-5-pro', 128_000],
    ['gpt-5-pro-2025-10-06', 128_000],
    ['openrouter/openai/gpt-5-pro', 128_000],
    ['azure/gpt-5-chat', 128_000],
    ['gpt-5-chat-latest', 128_000],
    ['openrouter/openai/gpt-5.1-chat', 128_000],
    ['gpt-5.2-chat-latest', 128_000],
    ['gpt-5.3-chat-latest', 128_000],
    ['gpt-5.2-pro', 272_000],
    ['gpt-5.1-codex-max', 272_000],
  ])('limits the input of %s to %d tokens', (model, most) => expect(bundled.limits(model).contextWindow).toBe(most));

  const names = usuallyOrLong(5_000, 20_000);

  it(`does not grow in memory with ${names} different model names`, () => {
    const before = liveHeapBytes();
    for (let i = 0; i < names; i++) cost(`model-${i}`, 1, 1);
    expect(liveHeapBytes() - before).toBeLessThan(names * 2_500);
  });
});

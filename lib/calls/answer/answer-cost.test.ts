import fc from 'fast-check';
import { COST_PARTS, costOf, costPartsOf, sumOf, type CostParts, type TieredRates } from '../../common/token-cost.js';
import { nanoUsd } from '../../common/nano-usd.js';
import { answerCost, partsOf } from './answer-cost.js';

const amount = fc.double({ min: 0, max: 1_000, noNaN: true });
const weights: fc.Arbitrary<CostParts> = fc.record(Object.fromEntries(COST_PARTS.map((part) => [part, amount])), { requiredKeys: [] });

describe('partsOf', () => {
  it('divides a whole into integers that add up to it, each within a unit of its share', () => {
    fc.assert(
      fc.property(fc.nat(4_000_000_000_000), weights, (whole, each) => {
        const parts = partsOf(whole, each);
        expect(sumOf(parts)).toBe(whole);
        expect(Object.values(parts).every((part) => Number.isSafeInteger(part) && part > 0)).toBe(true);
        const total = sumOf(each);
        if (total === 0) return;
        for (const part of COST_PARTS) {
          const share = ((each[part] ?? 0) / total) * whole;
          expect(Math.abs((parts[part] ?? 0) - share)).toBeLessThanOrEqual(1 + share * 1e-12);
        }
      }),
    );
  });

  it.each<[number, CostParts, CostParts]>([
    [0, { input: 1 }, {}],
    [5, {}, { other: 5 }],
    [5, { input: 0 }, { other: 5 }],
    [10, { input: 1, output: 2 }, { input: 3, output: 7 }],
    [2, { input: 1, output: 1, reasoning: 1 }, { input: 1, output: 1 }],
  ])('divides %d by %j into %j', (whole, each, parts) => expect(partsOf(whole, each)).toEqual(parts));
});

describe('the parts of a price', () => {
  const rates: TieredRates = {
    inputPerMillion: 2,
    outputPerMillion: 8,
    cacheReadPerMillion: 0.5,
    cacheWritePerMillion: 2.5,
    cacheWrite1hPerMillion: 4,
    reasoningPerMillion: 10,
    inputAudioPerMillion: 40,
    outputAudioPerMillion: 80,
    inputImagePerMillion: 5,
    outputImagePerMillion: 30,
    perWebSearchUsd: 0.01,
    perRequestUsd: 0.005,
  };

  it('are those of the tokens that have prices of their own, without the tokens that they contain', () => {
    const details = {
      cacheReadTokens: 100,
      cacheWriteTokens: 300,
      cacheWrite1hTokens: 200,
      reasoningTokens: 40,
      inputAudioTokens: 50,
      outputAudioTokens: 10,
      inputImageTokens: 30,
      outputImageTokens: 20,
      webSearches: 3,
    };
    const parts = costPartsOf(rates, 1_000, 200, details) as CostParts;
    const nano = Object.fromEntries(Object.entries(parts).map(([part, usd]) => [part, Math.round(usd * 1e9)]));
    expect(nano).toEqual({
      input: (1_000 - 100 - 300 - 50 - 30) * 2_000,
      cacheRead: 100 * 500,
      cacheCreation: 100 * 2_500 + 200 * 4_000,
      output: (200 - 40 - 10 - 20) * 8_000,
      reasoning: 40 * 10_000,
      audio: 50 * 40_000 + 10 * 80_000,
      image: 30 * 5_000 + 20 * 30_000,
      toolUsage: 3 * 10_000_000,
      request: 5_000_000,
    });
    expect(costOf(rates, 1_000, 200, details)).toBe(sumOf(parts));
  });

  it('price sound and pictures as text where they have no price', () => {
    const plain = { inputPerMillion: 2, outputPerMillion: 8 };
    const details = { inputAudioTokens: 50, outputImageTokens: 20, webSearches: 3 };
    expect(costPartsOf(plain, 100, 30, details)).toMatchObject({ input: 0.0002, output: 0.00024, audio: 0, image: 0, toolUsage: 0 });
  });

  it('never price more than was used where the details exceed it', () => {
    const details = { inputAudioTokens: 500, inputImageTokens: 500, outputAudioTokens: 9, reasoningTokens: 9 };
    const parts = costPartsOf({ ...rates, perRequestUsd: 0 }, 10, 5, details);
    expect(parts).toMatchObject({ input: 0, audio: 10 * 40e-6 + 5 * 80e-6, image: 0, output: 0, reasoning: 0 });
  });
});

describe('answerCost', () => {
  const listed = { usd: 0.002, parts: { input: 0.0015, output: 0.0005 }, source: 'overrides' };

  it('is the price of the list, in parts that add up to it', () => {
    expect(answerCost(listed, undefined)).toEqual({
      nanoUsd: 2_000_000,
      parts: { input: 1_500_000, output: 500_000 },
      source: 'overrides',
    });
  });

  it('prefers the provider’s cost to the list’s, and keeps the proportions of the list', () => {
    const expected = { nanoUsd: 1_000_001, parts: { input: 750_001, output: 250_000 }, source: 'provider', listNanoUsd: 2_000_000 };
    expect(answerCost(listed, { usd: 0.001000001 })).toEqual(expected);
  });

  it('prefers the parts that the provider reports', () => {
    const told = { usd: 0.003, parts: { input: 0.001, request: 0.002 } };
    expect(answerCost(listed, told)).toMatchObject({ nanoUsd: 3_000_000, parts: { input: 1_000_000, request: 2_000_000 } });
  });

  it('believes a provider of a model that the list does not know', () => {
    expect(answerCost(undefined, { usd: 0.001 })).toEqual({ nanoUsd: 1_000_000, parts: { other: 1_000_000 }, source: 'provider' });
    expect(answerCost(listed, { usd: 0 })).toEqual({ nanoUsd: 0, parts: {}, source: 'provider', listNanoUsd: 2_000_000 });
    expect(answerCost(undefined, undefined)).toBeUndefined();
  });

  it('prefers prices that the operator sets in the model list', () => {
    expect(answerCost({ ...listed, source: 'deployment' }, { usd: 0.001 })).toMatchObject({ nanoUsd: 2_000_000, source: 'deployment' });
  });

  it('rounds the whole up, as budgets do', () => {
    fc.assert(
      fc.property(weights, (parts) => {
        const usd = sumOf(parts);
        const cost = answerCost({ usd, parts, source: 'overrides' }, undefined);
        expect(cost?.nanoUsd).toBe(nanoUsd(usd));
        expect(sumOf(cost?.parts ?? {})).toBe(cost?.nanoUsd);
      }),
    );
  });
});

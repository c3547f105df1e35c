import { costOf, costPartsOf, ratesFor, type TieredRates, type UsageDetails } from './token-cost.js';

const RATES: TieredRates = { inputPerMillion: 1e6, outputPerMillion: 2e6 };

it.each<[string, TieredRates, number, number, UsageDetails | undefined, number | null]>([
  ['input and output', RATES, 3, 4, undefined, 11],
  ['only input', { inputPerMillion: 1e6 }, 3, 0, undefined, 3],
  ['only output', { outputPerMillion: 2e6 }, 0, 4, undefined, 8],
  ['output without a price', { inputPerMillion: 1e6 }, 3, 1, undefined, null],
  ['input without a price', { outputPerMillion: 2e6 }, 1, 4, {}, null],
  ['nothing, without any price', {}, 0, 0, undefined, null],
  ['a request', { ...RATES, perRequestUsd: 5 }, 0, 0, undefined, 5],
  ['cached input at its own price', { ...RATES, cacheReadPerMillion: 5e5 }, 10, 0, { cacheReadTokens: 4 }, 8],
  ['cached input without a price', RATES, 10, 0, { cacheReadTokens: 4 }, 10],
  ['more cached tokens than input', { ...RATES, cacheReadPerMillion: 5e5 }, 3, 0, { cacheReadTokens: 4 }, 2],
  [
    'writes, some for an hour',
    { ...RATES, cacheWritePerMillion: 2e6, cacheWrite1hPerMillion: 3e6 },
    10,
    0,
    { cacheWriteTokens: 4, cacheWrite1hTokens: 1 },
    15,
  ],
  ['writes for an hour without a price', { ...RATES, cacheWritePerMillion: 2e6 }, 10, 0, { cacheWrite1hTokens: 4 }, 14],
  ['reasoning', { ...RATES, reasoningPerMillion: 1e6 }, 0, 5, { reasoningTokens: 2 }, 8],
  ['more reasoning than output', { ...RATES, reasoningPerMillion: 1e6 }, 0, 5, { reasoningTokens: 9 }, 5],
  [
    'sound and pictures',
    { ...RATES, inputAudioPerMillion: 4e6, outputImagePerMillion: 5e6 },
    3,
    3,
    { inputAudioTokens: 1, outputImageTokens: 2, inputImageTokens: 1 },
    18,
  ],
  ['searches', { ...RATES, perWebSearchUsd: 7 }, 1, 0, { webSearches: 2 }, 15],
])('prices %s', (_, rates, input, output, details, expected) => {
  expect(costOf(rates, input, output, details)).toBe(expected);
});

it('splits a cost into its parts', () => {
  const details = {
    cacheReadTokens: 1,
    reasoningTokens: 1,
    inputAudioTokens: 1,
    outputAudioTokens: 1,
    inputImageTokens: 1,
    outputImageTokens: 1,
  };
  const rates = { ...RATES, inputAudioPerMillion: 3e6, outputAudioPerMillion: 4e6, inputImagePerMillion: 5e6, outputImagePerMillion: 6e6 };
  expect(costPartsOf(rates, 10, 10, details)).toEqual({
    input: 7,
    cacheRead: 1,
    cacheCreation: 0,
    output: 14,
    reasoning: 2,
    audio: 7,
    image: 11,
    toolUsage: 0,
    request: 0,
  });
});

describe('ratesFor', () => {
  const pricing: TieredRates = {
    ...RATES,
    reasoningPerMillion: 3,
    tiers: [
      { aboveInputTokens: 200, inputPerMillion: 20 },
      { aboveInputTokens: 100, inputPerMillion: 10, outputPerMillion: 11 },
    ],
    serviceTiers: { flex: { inputPerMillion: 5, tiers: [{ aboveInputTokens: 200, inputPerMillion: 50 }] } },
    offPeak: { inputPerMillion: 1, windows: [] },
  };
  const rates = (tokens: number, details: Parameters<typeof ratesFor>[2] = {}) => {
    const { inputPerMillion, outputPerMillion, reasoningPerMillion } = ratesFor(pricing, tokens, { offPeak: false, ...details });
    return [inputPerMillion, outputPerMillion, reasoningPerMillion];
  };

  it.each<[number, Parameters<typeof ratesFor>[2], unknown[]]>([
    [100, {}, [1e6, 2e6, 3]],
    [101, {}, [10, 11, undefined]],
    [201, {}, [20, 11, undefined]],
    [100, { serviceTier: 'flex' }, [5, 2e6, 3]],
    [201, { serviceTier: 'flex' }, [50, 11, undefined]],
    [100, { serviceTier: 'priority' }, [1e6, 2e6, 3]],
    [201, { offPeak: true }, [1, 11, undefined]],
  ])('of %s input tokens with %j are %j', (tokens, details, expected) => {
    expect(rates(tokens, details)).toEqual(expected);
  });

  describe('by the clock', () => {
    beforeEach(() => void jest.useFakeTimers());
    afterEach(() => void jest.useRealTimers());

    it.each<[string, string, string, number[] | undefined, string | undefined, boolean]>([
      ['2026-01-05T09:59:59Z', '10:00', '12:00', undefined, undefined, false],
      ['2026-01-05T10:00:00Z', '10:00', '12:00', undefined, undefined, true],
      ['2026-01-05T12:00:00Z', '10:00', '12:00', undefined, undefined, false],
      ['2026-01-05T23:00:00Z', '22:00', '06:00', undefined, undefined, true],
      ['2026-01-05T05:59:00Z', '22:00', '06:00', undefined, undefined, true],
      ['2026-01-05T06:00:00Z', '22:00', '06:00', undefined, undefined, false],
      ['2026-01-05T15:00:00Z', '08:00', '08:00', undefined, undefined, true],
      ['2026-01-05T15:00:00Z', '08:00', '08:00', [1], undefined, true],
      ['2026-01-05T15:00:00Z', '08:00', '08:00', [2, 7], undefined, false],
      ['2026-01-05T20:00:00Z', '08:00', '08:00', [2], 'Asia/Tokyo', true],
    ])('at %s, from %s until %s on %j in %s: %s', (now, from, until, weekdays, timeZone, isOffPeak) => {
      jest.setSystemTime(new Date(now));
      const offPeak = { inputPerMillion: 1, windows: [{ from, until, weekdays, timeZone }] };
      expect(ratesFor({ ...RATES, offPeak }, 1, {}).inputPerMillion).toBe(isOffPeak ? 1 : 1e6);
    });
  });
});

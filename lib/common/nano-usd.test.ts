import { addNanoUsd, LARGEST_NANO_USD, nanoUsd, usdOf, usdText } from './nano-usd.js';

describe('nano-USD', () => {
  it.each([
    [0, 0],
    [0.1, 100_000_000],
    [0.1 + 0.2, 300_000_000],
    [0.000_000_001_2, 2],
    [0.000_000_000_1, 1],
    [1.000_000_000_5, 1_000_000_001],
    [3_999_999.123_456_789, 3_999_999_123_456_789],
    [5_000_000, LARGEST_NANO_USD],
  ])('round %d USD up to %d', (usd, nano) => {
    expect(nanoUsd(usd)).toBe(nano);
  });

  it('are the same after a way through USD', () => {
    for (const nano of [1, 7, 999_999_999, 123_456_789_012_345, 3_999_999_999_999_999]) expect(nanoUsd(usdOf(nano))).toBe(nano);
  });

  it('add up to a safe integer that is never below 0', () => {
    expect([addNanoUsd(1, 2), addNanoUsd(1, -2), addNanoUsd(Number.MAX_SAFE_INTEGER, LARGEST_NANO_USD)]).toEqual([
      3,
      0,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  it('are written without an exponent', () => {
    expect([0, 1, 125, 500_000_000, 12_000_000_000, 1_234_567_890].map(usdText)).toEqual([
      '0',
      '0.000000001',
      '0.000000125',
      '0.5',
      '12',
      '1.23456789',
    ]);
  });
});

/**
 * Money as whole billionths of a USD: sums of floating point lose cents over a month, and an
 * embedding costs less than a millionth.
 */
export const NANO_PER_USD = 1_000_000_000;
/** The period of a key's budget: a day, a month, a window of any length, or all time. */
export type BudgetPeriod = 'day' | 'month' | 'window' | 'total';
/** The largest budget and the largest cost of one call: four million USD, far below 2^53. */
export const LARGEST_USD = 4_000_000;
export const LARGEST_NANO_USD = LARGEST_USD * NANO_PER_USD;

/** Relative error of floating point, which must not count as money. */
const NOISE = 2e-15;

/** USD as nano-USD, rounded up. */
export function nanoUsd(usd: number): number {
  const nano = usd * NANO_PER_USD;
  const nearest = Math.round(nano);
  return Math.min(nano - nearest <= nano * NOISE ? nearest : nearest + 1, LARGEST_NANO_USD);
}

/** A sum that stays an exact integer: counters stop at 2^53 - 1, nine million USD. */
export function addNanoUsd(sum: number, nano: number): number {
  const exact = sum + nano;
  if (exact < 0) return 0;
  return exact > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : exact;
}

export function usdOf(nano: number): number {
  return nano / NANO_PER_USD;
}

/** An amount for headers and messages: `0.000000125`, never `1.25e-7`. */
export function usdText(nano: number): string {
  const digits = String(nano).padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0{1,9}$/, '');
  return fraction === '' ? digits.slice(0, -9) : `${digits.slice(0, -9)}.${fraction}`;
}

/** When a budget starts again; `undefined` for one that never does. */
export function dateOf(resetsAtMs: number): Date | undefined {
  return resetsAtMs === Infinity ? undefined : new Date(resetsAtMs);
}

import { nanoUsd } from '../../common/nano-usd.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** Prices of a model: USD, or nothing where no price is known. */
export type CostOf = (inputTokens: number, outputTokens: number, details?: UsageDetails) => number | null | undefined;

/** Output without a limit of the request or of the model that is known, as LiteLLM assumes it. */
export const UNLIMITED_OUTPUT = 16_384;

/** The least output that a request is lowered to: OpenAI's Responses take no smaller figure. */
export const LEAST_OUTPUT = 16;

/**
 * The most output tokens for which a request costs at most `nanoUsd`; `undefined` where that is
 * less than `LEAST_OUTPUT`, or no price is known.
 */
export function affordableOutput(
  costOf: CostOf,
  inputTokens: number,
  { nanoUsd: most, cap }: { nanoUsd: number; cap: number },
): number | undefined {
  const isPaid = (output: number): boolean => (worstNanoUsd(costOf, inputTokens, output) ?? Infinity) <= most;
  if (cap < LEAST_OUTPUT || !isPaid(LEAST_OUTPUT)) return undefined;
  let [low, high] = [LEAST_OUTPUT, cap];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isPaid(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The most nano-USD that a request may cost: its prompt read, or written to a cache, and all of its
 * output, as reasoning where that is dearer. `undefined`: no price is known.
 */
export function worstNanoUsd(costOf: CostOf, inputTokens: number, outputTokens: number): number | undefined {
  const kinds: readonly (UsageDetails | undefined)[] = [
    undefined,
    { reasoningTokens: outputTokens },
    { cacheWriteTokens: inputTokens },
    { cacheWriteTokens: inputTokens, reasoningTokens: outputTokens },
    { cacheWriteTokens: inputTokens, cacheWrite1hTokens: inputTokens, reasoningTokens: outputTokens },
  ];
  const costs = kinds.map((details) => costOf(inputTokens, outputTokens, details));
  const known = costs.filter((cost) => cost !== null && cost !== undefined);
  return known.length < costs.length ? undefined : nanoUsd(Math.max(...known));
}

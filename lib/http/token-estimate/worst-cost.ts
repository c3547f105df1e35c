import { nanoUsd } from '../../common/nano-usd.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** Prices of a model: USD, or nothing where no price is known. */
export type CostOf = (inputTokens: number, outputTokens: number, details?: UsageDetails) => number | null | undefined;

/** Output of a request that does not limit it, as LiteLLM assumes it. */
export const UNLIMITED_OUTPUT = 16_384;

/** Output tokens that a request may get: what it asks for, within what the model can write. */
export function outputCap(asked: number | undefined, modelMax: number | null | undefined, choices = 1): number {
  return Math.min(asked ?? UNLIMITED_OUTPUT, modelMax ?? Infinity) * Math.max(1, choices);
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

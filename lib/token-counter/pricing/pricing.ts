import { InvalidArgumentError } from '../../common/errors.js';
import { checkKnownKeys, refuseArgument } from '../../common/options.js';
import type { TieredRates, UsageDetails } from '../../common/token-cost.js';

/** What a price source knows of a model. */
export interface ModelPricing extends TieredRates {
  /** The most tokens a prompt may have: the input limit, not input and output together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
}

/** Either is `null` where no source knows it. */
export interface ModelLimits {
  /** The input limit in tokens, not input and output together. */
  readonly contextWindow: number | null;
  /** Output limit in tokens, `null` where unknown. */
  readonly maxOutputTokens: number | null;
}

/** Somewhere prices come from. `undefined`: it does not know the model. */
export interface PriceSource {
  lookup(model: string): ModelPricing | undefined;
}

/** A number of tokens: a non-negative integer. */
export function checkTokens(path: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(path, value, 'must be a non-negative integer');
}

const DETAILS = [
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite1hTokens',
  'reasoningTokens',
] as const satisfies readonly (keyof UsageDetails)[];

/** Checks the counts of a cost estimate. @throws InvalidArgumentError naming the one that is wrong. */
export function checkUsage(inputTokens: unknown, outputTokens: unknown, details: UsageDetails): void {
  checkTokens('inputTokens', inputTokens);
  checkTokens('outputTokens', outputTokens);
  // A name that was misspelt, or a provider's own, would be paid at the plain rate.
  checkKnownKeys('usageDetails', details, DETAILS, refuseArgument);
  for (const field of DETAILS) {
    if (details[field] !== undefined) checkTokens(`usageDetails.${field}`, details[field]);
  }
}

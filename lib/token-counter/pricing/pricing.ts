import { InvalidArgumentError } from '../../common/errors.js';
import { checkKnownKeys, refuseArgument } from '../../common/options.js';
import type { TieredRates, UsageDetails } from '../../common/token-cost.js';

/** Prices and limits of a model. */
export interface ModelPricing extends TieredRates {
  /** Input limit in tokens, not input and output together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
}

/** Limits of a model; `null` where unknown. */
export interface ModelLimits {
  /** Input limit in tokens, not input and output together. */
  readonly contextWindow: number | null;
  /** Output limit in tokens, `null` where unknown. */
  readonly maxOutputTokens: number | null;
}

/** A source of prices; `undefined` for unknown models. */
export interface PriceSource {
  lookup(model: string): ModelPricing | undefined;
}

/** Checks a number of tokens: a non-negative integer. */
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

/** Checks the counts of a cost estimate. @throws InvalidArgumentError naming the wrong one. */
export function checkUsage(inputTokens: unknown, outputTokens: unknown, details: UsageDetails): void {
  checkTokens('inputTokens', inputTokens);
  checkTokens('outputTokens', outputTokens);
  // A misspelt or provider-specific name would be billed at the plain rate.
  checkKnownKeys('usageDetails', details, DETAILS, refuseArgument);
  for (const field of DETAILS) {
    if (details[field] !== undefined) checkTokens(`usageDetails.${field}`, details[field]);
  }
}

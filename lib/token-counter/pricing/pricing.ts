import { InvalidArgumentError } from '../../common/errors.js';
import { checkBoolean, checkKnownKeys, checkOneOf, refuseArgument } from '../../common/options.js';
import { SERVICE_TIERS, type TieredRates, type UsageDetails } from '../../common/token-cost.js';

/** Prices and limits of a model. */
export interface ModelPricing extends TieredRates {
  /** Input limit in tokens, not input and output together. */
  readonly contextWindow?: number;
  readonly maxOutputTokens?: number;
}

/** Limits of a model; `null` if unknown. Frozen, because all callers share the object. */
export interface ModelLimits {
  /** Input limit in tokens, not input and output together. */
  readonly contextWindow: number | null;
  /** Output limit in tokens; `null` if unknown. */
  readonly maxOutputTokens: number | null;
  /**
   * Source of each figure: `overrides`, the path of the price file, `source` for an object, or
   * `@pydantic/genai-prices`; `router` for the smallest of a model group's deployments; `null` for
   * an unknown figure.
   */
  readonly sources: { readonly contextWindow: string | null; readonly maxOutputTokens: string | null };
}

export function frozenLimits(limits: ModelLimits): ModelLimits {
  Object.freeze(limits.sources);
  return Object.freeze(limits);
}

/** Prices of a model and their source. */
export interface ModelPrice extends TieredRates {
  /** As in `ModelLimits.sources`. */
  readonly source: string;
}

/** A source of prices; `undefined` for unknown models. */
export interface PriceSource {
  /** As in `ModelLimits.sources`. */
  readonly name: string;
  lookup(model: string): ModelPricing | undefined;
}

/** A source with a list of its models, such as a file. */
export interface ListedPrices extends PriceSource {
  entries(): Iterable<readonly [model: string, pricing: ModelPricing]>;
}

/** Checks a number of tokens: a non-negative integer. */
function checkTokens(path: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(path, value, 'must be an integer of at least 0');
}

const DETAILS = [
  'cacheReadTokens',
  'cacheWriteTokens',
  'cacheWrite1hTokens',
  'reasoningTokens',
  'inputAudioTokens',
  'outputAudioTokens',
  'inputImageTokens',
  'outputImageTokens',
  'webSearches',
] as const satisfies readonly (keyof UsageDetails)[];

/** Checks the counts of a cost estimate. @throws InvalidArgumentError naming the wrong one. */
export function checkUsage(inputTokens: unknown, outputTokens: unknown, details: UsageDetails): void {
  checkTokens('inputTokens', inputTokens);
  checkTokens('outputTokens', outputTokens);
  // A misspelt or provider-specific name would be billed at the plain rate.
  checkKnownKeys('usageDetails', details, [...DETAILS, 'serviceTier', 'offPeak'], refuseArgument);
  for (const field of DETAILS) {
    if (details[field] !== undefined) checkTokens(`usageDetails.${field}`, details[field]);
  }
  if (details.serviceTier !== undefined) checkOneOf('usageDetails.serviceTier', details.serviceTier, SERVICE_TIERS, refuseArgument);
  if (details.offPeak !== undefined) checkBoolean('usageDetails.offPeak', details.offPeak, refuseArgument);
}

/**
 * Prices in USD per million tokens. A rate that is left out: cached reads, cache writes and
 * reasoning fall back to the plain rate of their side.
 */
export interface TokenRates {
  readonly inputPerMillion?: number;
  readonly outputPerMillion?: number;
  readonly cacheReadPerMillion?: number;
  readonly cacheWritePerMillion?: number;
  /** Writes that live an hour. Left out: as other writes. */
  readonly cacheWrite1hPerMillion?: number;
  readonly reasoningPerMillion?: number;
  /** USD for each request, whatever its tokens. */
  readonly perRequestUsd?: number;
}

/**
 * Rates that hold for the whole request once its input is longer: tiers are cliffs, as providers
 * bill them.
 */
export interface RateTier extends TokenRates {
  readonly aboveInputTokens: number;
}

/** Rates, and others for long inputs. */
export interface TieredRates extends TokenRates {
  readonly tiers?: readonly RateTier[];
}

/**
 * Parts of a request's tokens that have prices of their own. Each is contained in the input or
 * output tokens.
 */
export interface UsageDetails {
  /** Input read from a cache (OpenAI's `cached_tokens`, Anthropic's `cache_read_input_tokens`). */
  readonly cacheReadTokens?: number;
  /**
   * Input written to a cache, one-hour writes included (Anthropic's `cache_creation_input_tokens`).
   */
  readonly cacheWriteTokens?: number;
  /** Those of `cacheWriteTokens` that live an hour. */
  readonly cacheWrite1hTokens?: number;
  /** Output spent on reasoning. */
  readonly reasoningTokens?: number;
}

const NO_DETAILS: UsageDetails = {};

/**
 * Cost of one request in USD, its fee included. `inputTokens` are all input tokens, cached ones
 * included, as OpenAI, Gemini and LiteLLM report them; Anthropic's own `input_tokens` leave its
 * cache reads and writes out, so add them. More cached tokens than input price the rest at 0, never
 * below. Plain floating point: compare with a tolerance.
 *
 * @returns `null` if a token that was used has no price: none is made up.
 */
export function costOf(pricing: TieredRates, inputTokens: number, outputTokens: number, details: UsageDetails = NO_DETAILS): number | null {
  const rates = ratesFor(pricing, inputTokens);
  const cacheRead = details.cacheReadTokens ?? 0;
  const write1h = details.cacheWrite1hTokens ?? 0;
  const write = Math.max(details.cacheWriteTokens ?? 0, write1h) - write1h;
  const reasoning = Math.min(details.reasoningTokens ?? 0, outputTokens);
  const cacheWriteRate = rates.cacheWritePerMillion ?? rates.inputPerMillion;
  const total =
    partCost(Math.max(0, inputTokens - cacheRead - write - write1h), rates.inputPerMillion) +
    partCost(cacheRead, rates.cacheReadPerMillion ?? rates.inputPerMillion) +
    partCost(write, cacheWriteRate) +
    partCost(write1h, rates.cacheWrite1hPerMillion ?? cacheWriteRate) +
    partCost(outputTokens - reasoning, rates.outputPerMillion) +
    partCost(reasoning, rates.reasoningPerMillion ?? rates.outputPerMillion);
  if (Number.isNaN(total)) return null;
  // A model without any price costs nothing known, even when nothing was used.
  return rates.inputPerMillion === undefined && rates.outputPerMillion === undefined ? null : total + (rates.perRequestUsd ?? 0);
}

/** `NaN` for tokens without a price. */
function partCost(tokens: number, ratePerMillion: number | undefined): number {
  if (tokens === 0) return 0;
  return ratePerMillion === undefined ? NaN : (tokens * ratePerMillion) / 1e6;
}

/** A rate that a tier leaves out is that of the tier below it, or the plain one. */
function ratesFor(pricing: TieredRates, inputTokens: number): TokenRates {
  const reached = pricing.tiers?.filter(({ aboveInputTokens }) => inputTokens > aboveInputTokens) ?? [];
  if (reached.length < 2) return reached.length === 0 ? pricing : { ...pricing, ...reached[0] };
  reached.sort((a, b) => a.aboveInputTokens - b.aboveInputTokens);
  return Object.assign({}, pricing, ...reached) as TokenRates;
}

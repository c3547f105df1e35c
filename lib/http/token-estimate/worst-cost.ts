import { nanoUsd } from '../../common/nano-usd.js';
import { ratesFor, type SourcedPrices, type TokenRates } from '../../common/token-cost.js';
import type { DearTier } from './asked-tier.js';

/** The facts about a prompt that determine its cost. */
export interface PromptSize {
  readonly tokens: number;
  /** Whether some of it may be sound, which is dearer than text for many models. */
  readonly hasSound: boolean;
  /** Web searches that the provider may run for it. */
  readonly searches: number;
}

/** Prices of a request before its answer. */
export interface AskedPrices {
  readonly sourced: readonly SourcedPrices[];
  /** A more expensive service tier that the request sets; the provider may bill either one. */
  readonly tier: DearTier | undefined;
}

/** Output without a limit of the request or of the model that is known, as LiteLLM assumes it. */
export const UNLIMITED_OUTPUT = 16_384;

/** The least output that a request is lowered to: OpenAI's Responses take no smaller figure. */
export const LEAST_OUTPUT = 16;

/**
 * The most output tokens for which a request costs at most `nanoUsd`; `undefined` where that is
 * less than `LEAST_OUTPUT`, or no price is known.
 */
export function affordableOutput(
  prices: AskedPrices,
  prompt: PromptSize,
  { nanoUsd: most, cap }: { nanoUsd: number; cap: number },
): number | undefined {
  const isPaid = (output: number): boolean => (worstNanoUsd(prices, prompt, output) ?? Infinity) <= most;
  if (cap < LEAST_OUTPUT || !isPaid(LEAST_OUTPUT)) return undefined;
  let [low, high] = [LEAST_OUTPUT, cap];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isPaid(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The cost of a request without cache, searches or reasoning, the usual case. */
export function plainNanoUsd(prices: AskedPrices, promptTokens: number, outputTokens: number): number | undefined {
  return mostNanoUsd(prices, { tokens: promptTokens, hasSound: false, searches: 0 }, outputTokens, plainUsd);
}

/**
 * The highest nano-USD that a request can cost: its prompt at the highest price of any kind that it
 * may contain, its output at the highest price that the model can write, and its searches.
 * `undefined`: no price is known.
 */
export function worstNanoUsd(prices: AskedPrices, prompt: PromptSize, outputTokens: number): number | undefined {
  return mostNanoUsd(prices, prompt, outputTokens, worstUsd);
}

/** The higher of the standard prices and those of the requested service tier. */
function mostNanoUsd(
  { sourced, tier }: AskedPrices,
  prompt: PromptSize,
  outputTokens: number,
  costBy: (rates: TokenRates, prompt: PromptSize, outputTokens: number) => number | undefined,
): number | undefined {
  let most = -1;
  for (const serviceTier of tier === undefined ? [undefined] : [undefined, tier]) {
    let usd: number | undefined;
    for (let at = 0; usd === undefined && at < sourced.length; at++) {
      // Off-peak prices can end before the answer does.
      usd = costBy(ratesFor(sourced[at].prices, prompt.tokens, { serviceTier, offPeak: false }), prompt, outputTokens);
    }
    if (usd === undefined) return undefined;
    most = Math.max(most, usd);
  }
  return nanoUsd(most);
}

function plainUsd(rates: TokenRates, { tokens: inputTokens }: PromptSize, outputTokens: number): number | undefined {
  const { inputPerMillion, outputPerMillion, perRequestUsd = 0 } = rates;
  if (inputPerMillion === undefined && outputPerMillion === undefined) return undefined;
  if (inputPerMillion === undefined && inputTokens > 0) return undefined;
  if (outputPerMillion === undefined && outputTokens > 0) return undefined;
  return (inputTokens * (inputPerMillion ?? 0)) / 1e6 + (outputTokens * (outputPerMillion ?? 0)) / 1e6 + perRequestUsd;
}

function worstUsd(rates: TokenRates, prompt: PromptSize, outputTokens: number): number | undefined {
  const { hasSound, searches } = prompt;
  const inputPerMillion = dearest(
    rates.inputPerMillion,
    rates.cacheWritePerMillion,
    rates.cacheWrite1hPerMillion,
    rates.inputImagePerMillion,
    hasSound ? rates.inputAudioPerMillion : undefined,
  );
  // Only models that speak or draw have these prices, and they may do so unasked.
  const outputPerMillion = dearest(
    rates.outputPerMillion,
    rates.reasoningPerMillion,
    rates.outputAudioPerMillion,
    rates.outputImagePerMillion,
  );
  const { perRequestUsd = 0, perWebSearchUsd = 0 } = rates;
  return plainUsd({ inputPerMillion, outputPerMillion, perRequestUsd: searches * perWebSearchUsd + perRequestUsd }, prompt, outputTokens);
}

/** The highest price of the kinds of one side; `undefined` without a price for text. */
function dearest(text: number | undefined, ...kinds: readonly (number | undefined)[]): number | undefined {
  let most = text;
  for (const price of kinds) if (most !== undefined && price !== undefined && price > most) most = price;
  return most;
}

import { nanoUsd } from '../../common/nano-usd.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** A prompt, as far as its price depends on it. */
export interface PromptSize {
  readonly tokens: number;
  /** Whether some of it may be sound, which is dearer than text for many models. */
  readonly hasSound: boolean;
  /** Web searches that the provider may run for it. */
  readonly searches: number;
}

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
  prompt: PromptSize,
  { nanoUsd: most, cap }: { nanoUsd: number; cap: number },
): number | undefined {
  const isPaid = (output: number): boolean => (worstNanoUsd(costOf, prompt, output) ?? Infinity) <= most;
  if (cap < LEAST_OUTPUT || !isPaid(LEAST_OUTPUT)) return undefined;
  let [low, high] = [LEAST_OUTPUT, cap];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isPaid(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What a request costs without a cache, a search or reasoning: the usual case. */
export function plainNanoUsd(costOf: CostOf, promptTokens: number, outputTokens: number): number | undefined {
  const usd = costOf(promptTokens, outputTokens) ?? undefined;
  return usd === undefined ? undefined : nanoUsd(usd);
}

/**
 * The most nano-USD that a request may cost: its prompt as the dearest of what it may be, read or
 * written to a cache, all of its output as the dearest that the model may write, and its searches.
 * `undefined`: no price is known.
 */
export function worstNanoUsd(costOf: CostOf, prompt: PromptSize, outputTokens: number): number | undefined {
  const { tokens: input, hasSound, searches } = prompt;
  const costWith = (details: UsageDetails): number | undefined => costOf(input, outputTokens, details) ?? undefined;
  const plain = costWith({});
  if (plain === undefined) return undefined;
  const dearest = (kinds: readonly UsageDetails[]): UsageDetails => {
    let found: UsageDetails = {};
    let most = plain;
    for (const kind of kinds) {
      const cost = costWith(kind);
      if (cost === undefined || cost <= most) continue;
      [found, most] = [kind, cost];
    }
    return found;
  };
  const ofInput = dearest([
    { cacheWriteTokens: input },
    { cacheWriteTokens: input, cacheWrite1hTokens: input },
    { inputImageTokens: input },
    ...(hasSound ? [{ inputAudioTokens: input }] : []),
  ]);
  // Only models that speak or draw have these prices, and they may do so unasked.
  const ofOutput = dearest([{ reasoningTokens: outputTokens }, { outputAudioTokens: outputTokens }, { outputImageTokens: outputTokens }]);
  const worst = costWith({ ...ofInput, ...ofOutput, ...(searches > 0 && { webSearches: searches }) });
  return worst === undefined ? undefined : nanoUsd(worst);
}

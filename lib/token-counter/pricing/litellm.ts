import { isObject, known, readNumber, readPrice, type PriceEntry, type PriceFile } from './pricing-file.js';
import type { RateTier, TokenRates } from '../../common/token-cost.js';
import type { ListedPrices, ModelPricing } from './pricing.js';

const MILLION = 1e6;
const RATE_FIELDS: Readonly<Record<string, keyof TokenRates>> = {
  input_cost_per_token: 'inputPerMillion',
  output_cost_per_token: 'outputPerMillion',
  cache_read_input_token_cost: 'cacheReadPerMillion',
  cache_creation_input_token_cost: 'cacheWritePerMillion',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1hPerMillion',
  output_cost_per_reasoning_token: 'reasoningPerMillion',
  input_cost_per_audio_token: 'inputAudioPerMillion',
  output_cost_per_audio_token: 'outputAudioPerMillion',
  input_cost_per_image_token: 'inputImagePerMillion',
  output_cost_per_image_token: 'outputImagePerMillion',
};
const TIER_FIELD = /^(\w+)_above_(\d+)k_tokens$/;

/** Prices as in LiteLLM's `model_prices_and_context_window.json`, in USD per token. */
export class LiteLLMPrices implements ListedPrices {
  readonly name: string;
  private readonly models = new Map<string, { pricing: ModelPricing; provider: string }>();

  /** @throws InvalidConfigurationError naming file, model and field. */
  constructor({ name, entries, path }: PriceFile) {
    this.name = path ?? 'source';
    for (const [model, entry] of Object.entries(entries)) {
      // The first entry of LiteLLM's file describes the format.
      if (model === 'sample_spec') continue;
      const provider = typeof entry.litellm_provider === 'string' ? entry.litellm_provider : '';
      this.models.set(model, { pricing: litellmPricing(entry, `${name}: ${model}`), provider });
    }
  }

  *entries(): Iterable<readonly [string, ModelPricing]> {
    for (const [model, { pricing }] of this.models) yield [model, pricing];
  }

  lookup(model: string): ModelPricing | undefined {
    const exact = this.models.get(model);
    if (exact !== undefined) return exact.pricing;
    // `ft:gpt-4o:org` has the price of `ft:gpt-4o`.
    const isFineTune = /^(?:[^/:]+\/)?ft:/.test(model);
    const name = isFineTune ? model.split(':', 2).join(':') : model;
    // `openai/gpt-4o` matches the entry `gpt-4o` only if that entry belongs to OpenAI.
    const slash = name.indexOf('/');
    if (slash === -1) return isFineTune ? this.models.get(name)?.pricing : undefined;
    const entry = this.models.get(name.slice(slash + 1));
    return entry?.provider.startsWith(name.slice(0, slash)) ? entry.pricing : undefined;
  }
}

/** Whether an object has the shape of LiteLLM's file rather than of `ModelPricing`. */
export function isLiteLLMEntry(entry: PriceEntry): boolean {
  return ['litellm_provider', 'max_tokens', 'max_input_tokens', 'max_output_tokens', ...Object.keys(RATE_FIELDS)].some(
    (field) => field in entry,
  );
}

/** @throws InvalidConfigurationError naming the field below `path`. */
export function litellmPricing(entry: PriceEntry, path: string): ModelPricing {
  const rates: { -readonly [rate in keyof TokenRates]?: number } = {};
  const tiers = new Map<number, { -readonly [field in keyof RateTier]: RateTier[field] }>();
  for (const field of Object.keys(entry)) {
    const plain = Object.hasOwn(RATE_FIELDS, field) ? RATE_FIELDS[field] : undefined;
    if (plain !== undefined) rates[plain] = readPrice(entry, field, path, MILLION);
    const tiered = TIER_FIELD.exec(field);
    if (tiered === null || !Object.hasOwn(RATE_FIELDS, tiered[1])) continue;
    const aboveInputTokens = Number(tiered[2]) * 1000;
    const tier = tiers.get(aboveInputTokens) ?? { aboveInputTokens };
    tier[RATE_FIELDS[tiered[1]]] = readPrice(entry, field, path, MILLION);
    tiers.set(aboveInputTokens, tier);
  }
  const maxTokens = readNumber(entry, 'max_tokens', path);
  const maxOutputTokens = readNumber(entry, 'max_output_tokens', path);
  return known({
    ...rates,
    perRequestUsd: readPrice(entry, 'input_cost_per_request', path),
    perWebSearchUsd: webSearchUsd(entry, path),
    tiers: tiers.size === 0 ? undefined : [...tiers.values()].map(known),
    // `max_tokens` is the older field: the output limit in entries that have one, else the input
    // limit.
    contextWindow: readNumber(entry, 'max_input_tokens', path) ?? (maxOutputTokens === undefined ? maxTokens : undefined),
    maxOutputTokens,
  });
}

/** The price for a search of medium size, which OpenAI takes for one without a size. */
function webSearchUsd({ search_context_cost_per_query: bySize }: PriceEntry, path: string): number | undefined {
  return isObject(bySize) ? readPrice(bySize, 'search_context_size_medium', `${path}.search_context_cost_per_query`) : undefined;
}

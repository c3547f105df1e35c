import { definedFields, isObject } from '../../common/objects.js';
import { describeValue, InvalidConfigurationError } from '../../common/errors.js';
import { isLiteLLMRate, PriceFields, readLiteLLMRates, type PriceReading } from '../../common/litellm-rates.js';
import type { LengthRates } from '../../common/token-cost.js';
import { readNumber, readPrice, type PriceEntry, type PriceFile } from './pricing-file.js';
import type { ListedPrices, ModelPricing } from './pricing.js';

const READING: PriceReading = {
  perMillion: (entry, field, path) => readPrice(entry, field, path, 1e6),
  refuse: (path, value, rule) => new InvalidConfigurationError(path, `${rule}, got ${describeValue(value)}`),
};
/** Units of LiteLLM's prices that token usage does not report. */
const OTHER_UNIT = /^(?:input|output|ocr|annotation)_cost_per_(?!(?:token|reasoning_token|audio_token|image_token|request|query)(?:_|$))/;

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
  const limits = ['litellm_provider', 'max_tokens', 'max_input_tokens', 'max_output_tokens'];
  return limits.some((field) => field in entry) || Object.keys(entry).some(isLiteLLMRate);
}

/** @throws InvalidConfigurationError naming the field below `path`. */
export function litellmPricing(entry: PriceEntry, path: string): ModelPricing {
  const provider = typeof entry.litellm_provider === 'string' ? entry.litellm_provider : '';
  const { serviceTiers, offPeak, ...rates } = readLiteLLMRates(new PriceFields([[path, entry]], provider, READING));
  const maxTokens = readNumber(entry, 'max_tokens', path);
  const maxOutputTokens = readNumber(entry, 'max_output_tokens', path);
  return definedFields({
    ...(isPricedByTokens(rates, entry) ? rates : {}),
    serviceTiers,
    offPeak,
    // A rerank is one query, for up to 100 documents.
    perRequestUsd: readPrice(entry, 'input_cost_per_request', path) ?? readPrice(entry, 'input_cost_per_query', path),
    perWebSearchUsd: webSearchUsd(entry, path),
    // `max_tokens` is the older field: the output limit in entries that have one, else the input
    // limit.
    contextWindow: readNumber(entry, 'max_input_tokens', path) ?? (maxOutputTokens === undefined ? maxTokens : undefined),
    maxOutputTokens,
  });
}

/**
 * `false` if tokens cost 0 because seconds, pictures or characters are paid for: such a model
 * has no known price. A price of 0 would let it pass any budget.
 */
function isPricedByTokens(rates: LengthRates, entry: PriceEntry): boolean {
  const isFree = Object.values(rates).every((rate) => rate === 0);
  return !isFree || !Object.keys(entry).some((field) => OTHER_UNIT.test(field) && Number(entry[field]) > 0);
}

/** The price for a search of medium size, which OpenAI takes for one without a size. */
function webSearchUsd({ search_context_cost_per_query: bySize }: PriceEntry, path: string): number | undefined {
  return isObject(bySize) ? readPrice(bySize, 'search_context_size_medium', `${path}.search_context_cost_per_query`) : undefined;
}

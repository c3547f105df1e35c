import { definedFields, isObject } from '../../common/objects.js';
import { InvalidConfigurationError, describeValue } from '../../common/errors.js';
import { readNumber, readPrice, type PriceEntry, type PriceFile } from './pricing-file.js';
import { MOST_USD_PER_MILLION, type TokenRates } from '../../common/token-cost.js';
import type { ListedPrices, ModelPricing } from './pricing.js';

/** Providers whose price a model name without a provider has, if several sell it: the makers. */
const MAKERS = ['openai', 'anthropic', 'google', 'mistral', 'xai', 'deepseek', 'cohere', 'alibaba', 'moonshotai', 'zai', 'perplexity'];
/** LiteLLM's provider names that models.dev spells differently. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['gemini', 'google'],
  ['vertex_ai', 'google-vertex'],
  ['bedrock', 'amazon-bedrock'],
  ['together_ai', 'togetherai'],
  ['fireworks_ai', 'fireworks-ai'],
]);

/** Prices as in `https://models.dev/api.json`, in USD per million tokens. */
export class ModelsDevPrices implements ListedPrices {
  readonly name: string;
  private readonly providers = new Map<string, Map<string, ModelPricing>>();

  /** @throws InvalidConfigurationError naming file, provider, model and field. */
  constructor({ name, entries, path: file }: PriceFile) {
    this.name = file ?? 'source';
    for (const [provider, { models }] of Object.entries(entries)) {
      const path = `${name}: ${provider}.models`;
      if (!isObject(models)) throw new InvalidConfigurationError(path, `must be an object, got ${describeValue(models)}`);
      this.providers.set(provider, new Map(Object.entries(models).map(([id, model]) => [id, modelsDevPricing(model, `${path}.${id}`)])));
    }
  }

  *entries(): Iterable<readonly [string, ModelPricing]> {
    for (const [provider, models] of this.providers) for (const [model, pricing] of models) yield [`${provider}/${model}`, pricing];
  }

  lookup(model: string): ModelPricing | undefined {
    const slash = model.indexOf('/');
    if (slash !== -1) {
      const prefix = model.slice(0, slash);
      const provider = this.providers.get(prefix) ?? this.providers.get(ALIASES.get(prefix) ?? '');
      if (provider !== undefined) return provider.get(model.slice(slash + 1));
    }
    for (const maker of MAKERS) {
      const pricing = this.providers.get(maker)?.get(model);
      if (pricing !== undefined) return pricing;
    }
    const sellers = [...this.providers.values()].filter((models) => models.has(model));
    return sellers.length === 1 ? sellers[0].get(model) : undefined;
  }
}

/** Whether the object has models.dev's shape: a provider with `models`. */
export function isModelsDev(entries: PriceFile['entries']): boolean {
  return Object.values(entries).some((entry) => isObject(entry.models));
}

function modelsDevPricing(model: unknown, path: string): ModelPricing {
  if (!isObject(model)) throw new InvalidConfigurationError(path, `must be an object, got ${describeValue(model)}`);
  const cost = isObject(model.cost) ? model.cost : {};
  const limit = isObject(model.limit) ? model.limit : {};
  const long = isObject(cost.context_over_200k) ? cost.context_over_200k : undefined;
  return definedFields({
    ...rates(cost, `${path}.cost`),
    tiers: long === undefined ? undefined : [{ aboveInputTokens: 200_000, ...rates(long, `${path}.cost.context_over_200k`) }],
    contextWindow: readNumber(limit, 'input', `${path}.limit`) ?? readNumber(limit, 'context', `${path}.limit`),
    maxOutputTokens: readNumber(limit, 'output', `${path}.limit`),
  });
}

function rates(cost: PriceEntry, path: string): TokenRates {
  const read = (field: string): number | undefined => readPrice(cost, field, path, 1, MOST_USD_PER_MILLION);
  return definedFields({
    inputPerMillion: read('input'),
    outputPerMillion: read('output'),
    cacheReadPerMillion: read('cache_read'),
    cacheWritePerMillion: read('cache_write'),
    reasoningPerMillion: read('reasoning'),
    inputAudioPerMillion: read('input_audio'),
    outputAudioPerMillion: read('output_audio'),
  });
}

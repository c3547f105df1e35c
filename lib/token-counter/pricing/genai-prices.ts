import { definedFields } from '../../common/objects.js';
import type * as GenaiPrices from '@pydantic/genai-prices';
import type { RateTier, TokenRates } from '../../common/token-cost.js';
import type { ModelPricing, PriceSource } from './pricing.js';

const RATE_KEYS: Readonly<Record<string, keyof TokenRates>> = {
  input_mtok: 'inputPerMillion',
  output_mtok: 'outputPerMillion',
  cache_read_mtok: 'cacheReadPerMillion',
  cache_write_mtok: 'cacheWritePerMillion',
  cache_write_1h_mtok: 'cacheWrite1hPerMillion',
  output_reasoning_mtok: 'reasoningPerMillion',
  input_audio_mtok: 'inputAudioPerMillion',
  output_audio_mtok: 'outputAudioPerMillion',
  input_image_mtok: 'inputImagePerMillion',
  output_image_mtok: 'outputImagePerMillion',
};
/** LiteLLM's provider names that the package does not find. */
const ALIASES: ReadonlyMap<string, string> = new Map([['fireworks_ai', 'fireworks']]);
/** Providers that make their own models: a bare model name has their price. */
const MAKERS = ['openai', 'anthropic', 'google', 'mistral', 'cohere', 'deepseek', 'x-ai', 'perplexity', 'moonshotai'];
/** From gpt-5 on, OpenAI's window of 400,000 tokens includes 128,000 for the reply. */
const SHARED_WINDOW = { models: /^(?:openai\/)?gpt-[5-9]/, from: 400_000, replyTokens: 128_000 };
/** Input limits from OpenAI's model pages where the package is wrong. */
const SMALL_INPUT = { names: /^(?:openai\/)?gpt-5(?:(?:\.[12])?-chat|-pro)(?![a-z0-9])/i, tokens: 128_000 };

let opened: typeof GenaiPrices | undefined;

/** Frees the package's data (11 MB) until the next lookup. */
export function releaseGenaiPrices(): void {
  if (opened === undefined) return;
  opened = undefined;
  const path = require.resolve('@pydantic/genai-prices');
  // Node keeps a module in its cache, and in the list of the one that required it first.
  const loaded = require.cache[path];
  delete require.cache[path];
  const { children } = module;
  if (loaded !== undefined && children.includes(loaded)) children.splice(children.indexOf(loaded), 1);
}

/**
 * Prices from `@pydantic/genai-prices`: dated prices, tiers, more than 30 providers; context
 * windows for about a quarter of its models, no output limits. Loaded with the first lookup (about
 * 0.1 s); never uses the network.
 */
export class GenaiPriceSource implements PriceSource {
  readonly name = '@pydantic/genai-prices';

  lookup(model: string): ModelPricing | undefined {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when first needed: it takes 0.1 s
    opened ??= require('@pydantic/genai-prices') as typeof GenaiPrices;
    return find(model, opened);
  }
}

function find(model: string, { calcPrice, findProvider }: typeof GenaiPrices): ModelPricing | undefined {
  let name = model;
  let found = name.includes('/') ? null : calcPrice({}, name);
  // The package does not guess the provider of OpenAI's embeddings and fine-tunes.
  if (!name.includes('/')) for (const providerId of MAKERS) found ??= calcPrice({}, name, { providerId });
  // `openrouter/openai/gpt-4o`: OpenRouter's `openai/gpt-4o`, else OpenAI's `gpt-4o`.
  // An unknown provider ends the search: its price is unknown.
  while (found === null && name.includes('/')) {
    const slash = name.indexOf('/');
    const prefix = name.slice(0, slash);
    const provider = findProvider({ providerId: ALIASES.get(prefix) ?? prefix });
    if (provider === undefined) return undefined;
    name = name.slice(slash + 1);
    found = calcPrice({}, name, { providerId: provider.id });
  }
  return found === null ? undefined : withOffPeak(found, name, calcPrice);
}

/** Prices by hour: the higher ones are the standard prices, so that holds cover both. */
function withOffPeak(found: GenaiPrices.PriceCalculation, name: string, calcPrice: typeof GenaiPrices.calcPrice): ModelPricing {
  const { prices } = found.model;
  const hours = Array.isArray(prices) ? prices.flatMap(({ constraint }) => (constraint?.type === 'time_of_date' ? constraint : [])) : [];
  if (hours.length !== 1) return toPricing(found, name);
  const [{ start_time: start, end_time: end }] = hours;
  const day = new Date().toISOString().slice(0, 11);
  const [inside, outside] = [start, end].map((time) => {
    const at = calcPrice({}, name, { providerId: found.provider.id, timestamp: new Date(day + time) });
    return toPricing(at ?? found, name);
  });
  const isDearInside = (inside.inputPerMillion ?? 0) >= (outside.inputPerMillion ?? 0);
  const [standard, low, from, until] = isDearInside ? [inside, outside, end, start] : [outside, inside, start, end];
  const rates = definedFields({ ...low, tiers: undefined, contextWindow: undefined });
  return { ...standard, offPeak: { ...rates, windows: [{ from: from.slice(0, 5), until: until.slice(0, 5) }] } };
}

function toPricing({ model_price, model }: GenaiPrices.PriceCalculation, name: string): ModelPricing {
  const base: { -readonly [rate in keyof TokenRates]?: number } = {};
  const tiers = new Map<number, { -readonly [field in keyof RateTier]: RateTier[field] }>();
  for (const [key, rate] of Object.entries(RATE_KEYS)) {
    const price = model_price[key];
    if (price === undefined || typeof price === 'number') {
      base[rate] = price;
      continue;
    }
    base[rate] = price.base;
    for (const { start, price: tierPrice } of price.tiers) {
      const tier = tiers.get(start) ?? { aboveInputTokens: start };
      tier[rate] = tierPrice;
      tiers.set(start, tier);
    }
  }
  const { requests_kcount: requests, web_searches_kcount: searches } = model_price;
  return definedFields({
    ...base,
    perRequestUsd: ofOne(requests),
    perWebSearchUsd: ofOne(searches),
    tiers: tiers.size === 0 ? undefined : [...tiers.values()],
    contextWindow: inputLimit(model, name),
  });
}

/** Of a price for a thousand; no model has tiers here. */
function ofOne(price: GenaiPrices.PriceCalculation['model_price'][string]): number | undefined {
  if (price === undefined) return undefined;
  return (typeof price === 'number' ? price : price.base) / 1000;
}

function inputLimit({ id, context_window: window }: GenaiPrices.PriceCalculation['model'], name: string): number | undefined {
  if (SMALL_INPUT.names.test(name)) return SMALL_INPUT.tokens;
  const isShared = window !== undefined && window >= SHARED_WINDOW.from && SHARED_WINDOW.models.test(id);
  return isShared ? window - SHARED_WINDOW.replyTokens : window;
}

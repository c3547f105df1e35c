import { definedFields } from '../../common/objects.js';
import {
  checkArray,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkString,
  joinPath,
  refuseOption,
} from '../../common/options.js';
import { steadyNow } from '../../common/clock.js';
import { custom, type OptionsOf } from '../../common/option.js';
import { MAX_MODEL_NAME_LENGTH } from '../models.js';
import { openPriceFile } from './pricing-file.js';
import { GenaiPriceSource } from './genai-prices.js';
import { isLiteLLMEntry, LiteLLMPrices, litellmPricing } from './litellm.js';
import { isModelsDev, ModelsDevPrices } from './models-dev.js';
import {
  costOf,
  isTimeZone,
  MOST_USD_OF_ONE,
  MOST_USD_PER_MILLION,
  pricedUsage,
  SERVICE_TIERS,
  type PricedUsage,
  type SourcedPrices,
  type TokenRates,
  type UsageDetails,
} from '../../common/token-cost.js';
import {
  checkUsage,
  frozenLimits,
  type ListedPrices,
  type ModelLimits,
  type ModelPrice,
  type ModelPricing,
  type PriceSource,
} from './pricing.js';

export const PRICING = {
  /** A JSON file, or its content, in the format of LiteLLM or of models.dev's `api.json`. */
  source: custom<string | object>('path or object', (_, value) => value as string | object),
  /**
   * By model name, takes precedence: `ModelPricing` (USD per million tokens) or an entry of
   * LiteLLM's file (USD per token).
   */
  overrides: custom<Readonly<Record<string, ModelPricing | Readonly<Record<string, unknown>>>>>(
    'object',
    (path, value) => checkObject(path, value) as Readonly<Record<string, ModelPricing>>,
  ),
};

/** Sources of prices and limits that take precedence over the built-in ones. */
export interface PricingOptions extends OptionsOf<typeof PRICING> {}

const RATES = [
  'inputPerMillion',
  'outputPerMillion',
  'cacheReadPerMillion',
  'cacheWritePerMillion',
  'cacheWrite1hPerMillion',
  'reasoningPerMillion',
  'inputAudioPerMillion',
  'outputAudioPerMillion',
  'inputImagePerMillion',
  'outputImagePerMillion',
  'perWebSearchUsd',
  'perRequestUsd',
] as const satisfies readonly (keyof TokenRates)[];

const NESTED = new Set(['tiers', 'serviceTiers', 'offPeak']);

/** Prices can depend on date and hour: looked up again after a minute. */
const FRESH_MS = 60_000;
/** Names come from clients. */
const MAX_REMEMBERED = 1000;

/** Data that a source has for a model. */
interface SourcedPricing extends SourcedPrices {
  readonly prices: ModelPricing;
}

/** Data about a model. */
interface KnownModel {
  /** By source: one can have a model's limits, and the next one its prices. */
  readonly prices: readonly SourcedPricing[];
  readonly limits: ModelLimits;
  readonly untilMs: number;
}

/** Prices and limits of models: overrides, then the source, then `@pydantic/genai-prices`. */
export class PricingBook {
  private readonly sources: readonly PriceSource[];
  private readonly remembered = new Map<string, KnownModel>();

  /**
   * @param path Names the option in errors. @throws InvalidConfigurationError naming file or option
   * and the path inside.
   */
  constructor({ source, overrides }: PricingOptions = {}, path = 'pricing') {
    const sources: PriceSource[] = [];
    if (overrides !== undefined) sources.push(new OverridePrices(overrides, joinPath(path, 'overrides')));
    if (source !== undefined) sources.push(openPrices(source, joinPath(path, 'source')));
    this.sources = [...sources, new GenaiPriceSource()];
  }

  /** Cost in USD, or `null` without a price. @throws InvalidArgumentError for an invalid count. */
  estimateCost(inputTokens: number, outputTokens: number, model: string, details: UsageDetails): number | null {
    return this.priced(inputTokens, outputTokens, model, details)?.usd ?? null;
  }

  /** The same by its parts, and the source of the prices. */
  priced(inputTokens: number, outputTokens: number, model: string, details: UsageDetails): PricedUsage | null {
    checkUsage(inputTokens, outputTokens, details);
    return pricedUsage(this.pricesOf(model), inputTokens, outputTokens, details) ?? null;
  }

  /** By source: one can have a model's limits, and the next one its prices. */
  pricesOf(model: string): readonly SourcedPrices[] {
    const nowMs = steadyNow();
    const known = this.remembered.get(model);
    return known !== undefined && nowMs < known.untilMs ? known.prices : this.find(model, nowMs).prices;
  }

  /** Prices of a model and their source; `null` if no source has any. */
  priceOf(model: string): ModelPrice | null {
    const found = this.pricesOf(model).find(({ prices }) => costOf(prices, 1, 0) !== null);
    if (found === undefined) return null;
    return { ...definedFields({ ...found.prices, contextWindow: undefined, maxOutputTokens: undefined }), source: found.source };
  }

  /** By source: one can have the context window, and the next one the output limit. */
  limits(model: string): ModelLimits {
    const nowMs = steadyNow();
    const known = this.remembered.get(model);
    return known !== undefined && nowMs < known.untilMs ? known.limits : this.find(model, nowMs).limits;
  }

  private find(model: string, nowMs: number): KnownModel {
    const isName = model.length <= MAX_MODEL_NAME_LENGTH;
    const prices = (isName ? this.sources : []).flatMap((source): SourcedPricing[] => {
      const found = lookup(source, model);
      return found === undefined ? [] : [{ prices: found, source: source.name }];
    });
    const known = { prices, limits: limitsIn(prices), untilMs: nowMs + FRESH_MS };
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    if (isName) this.remembered.set(model, known);
    return known;
  }
}

function limitsIn(prices: readonly SourcedPricing[]): ModelLimits {
  const input = prices.find((each) => each.prices.contextWindow !== undefined);
  const output = prices.find((each) => each.prices.maxOutputTokens !== undefined);
  return frozenLimits({
    contextWindow: input?.prices.contextWindow ?? null,
    maxOutputTokens: output?.prices.maxOutputTokens ?? null,
    sources: { contextWindow: input?.source ?? null, maxOutputTokens: output?.source ?? null },
  });
}

/**
 * Opens a price file, or its content, in LiteLLM's or models.dev's format.
 * @param option names a content without a file in errors
 * @throws InvalidConfigurationError naming file, model and field
 */
export function openPrices(source: unknown, option: string): ListedPrices {
  const file = openPriceFile(source, option);
  return isModelsDev(file.entries) ? new ModelsDevPrices(file) : new LiteLLMPrices(file);
}

/** LiteLLM's route is not a part of the model: `openai/responses/gpt-4o`. */
const RESPONSES_ROUTE = /(^|\/)responses\//;

function lookup(source: PriceSource, model: string): ModelPricing | undefined {
  const pricing = source.lookup(model);
  return pricing === undefined && model.includes('responses/') ? source.lookup(model.replace(RESPONSES_ROUTE, '$1')) : pricing;
}

class OverridePrices implements PriceSource {
  readonly name = 'overrides';
  private readonly models = new Map<string, ModelPricing>();

  constructor(overrides: unknown, path: string) {
    for (const [model, value] of Object.entries(checkObject(path, overrides))) {
      const entryPath = joinPath(path, model);
      const entry = checkObject(entryPath, value);
      this.models.set(model, isLiteLLMEntry(entry) ? litellmPricing(entry, entryPath) : checkPricing(entry, entryPath));
    }
  }

  /** An override applies with any provider prefix, unless the full name has its own. */
  lookup(model: string): ModelPricing | undefined {
    for (let name = model; ; name = name.slice(name.indexOf('/') + 1)) {
      const pricing = this.models.get(name);
      if (pricing !== undefined || !name.includes('/')) return pricing;
    }
  }
}

function checkPricing(entry: Readonly<Record<string, unknown>>, path: string): ModelPricing {
  checkRates(entry, path, ['contextWindow', 'maxOutputTokens', 'serviceTiers', 'offPeak']);
  if (entry.offPeak !== undefined) checkOffPeak(entry.offPeak, joinPath(path, 'offPeak'));
  if (entry.serviceTiers === undefined) return entry;
  const tiersPath = joinPath(path, 'serviceTiers');
  const serviceTiers = checkObject(tiersPath, entry.serviceTiers);
  checkKnownKeys(tiersPath, serviceTiers, SERVICE_TIERS);
  for (const [tier, rates] of Object.entries(serviceTiers)) {
    const tierPath = joinPath(tiersPath, tier);
    checkRates(checkObject(tierPath, rates), tierPath, []);
  }
  return entry;
}

/** @param others known in addition to the rates */
function checkRates(entry: Readonly<Record<string, unknown>>, path: string, others: readonly string[]): void {
  checkKnownKeys(path, entry, [...RATES, 'tiers', ...others]);
  checkAmounts(entry, path);
  if (entry.tiers !== undefined) checkArray(`${path}.tiers`, entry.tiers, checkTier);
}

function checkOffPeak(given: unknown, path: string): void {
  const { windows, ...rates } = checkObject(path, given);
  checkKnownKeys(path, rates, RATES);
  checkAmounts(rates, path);
  checkArray(joinPath(path, 'windows'), windows, (at, window) => {
    const { from, until, weekdays, timeZone, ...others } = checkObject(at, window);
    checkKnownKeys(at, others, ['from', 'until', 'weekdays', 'timeZone']);
    checkTime(joinPath(at, 'from'), from);
    checkTime(joinPath(at, 'until'), until);
    if (weekdays !== undefined)
      checkArray(joinPath(at, 'weekdays'), weekdays, (where, day) => checkInteger(where, day, { min: 1, max: 7 }));
    if (timeZone !== undefined && !isTimeZone(checkString(joinPath(at, 'timeZone'), timeZone)))
      throw refuseOption(joinPath(at, 'timeZone'), timeZone, 'must be an IANA time zone');
  });
}

function checkTime(path: string, time: unknown): void {
  if (typeof time !== 'string' || !/^(?:[01]\d|2[0-3]):[0-5]\d$/.test(time)) throw refuseOption(path, time, 'must be HH:MM in UTC');
}

function checkTier(path: string, tier: unknown): void {
  const rates = checkObject(path, tier);
  checkKnownKeys(path, rates, [...RATES, 'aboveInputTokens']);
  checkNumber(joinPath(path, 'aboveInputTokens'), rates.aboveInputTokens, { min: 0 });
  checkAmounts(rates, path);
}

function checkAmounts(entry: Readonly<Record<string, unknown>>, path: string): void {
  for (const field of Object.keys(entry)) {
    const max = field.endsWith('PerMillion') ? MOST_USD_PER_MILLION : field.endsWith('Usd') ? MOST_USD_OF_ONE : undefined;
    if (!NESTED.has(field)) checkNumber(joinPath(path, field), entry[field], { min: 0, max });
  }
}

import {
  isTimeZone,
  type LengthRates,
  type OffPeakRates,
  type OffPeakWindow,
  type PricedTier,
  type RateTier,
  type TieredRates,
  type TokenRates,
} from './token-cost.js';

/** Rates with their names in LiteLLM, in USD per token. */
export const LITELLM_RATES: Readonly<Record<string, keyof TokenRates>> = {
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

const FIELD = /^(\w+?)(?:_above_(\d+k?)_tokens)?(?:_(flex|priority|balanced|ultrafast|batches))?$/;
/** Fields that hold prices in lists or objects. */
const NESTED = ['tiered_pricing', 'off_peak_pricing'] as const;

/** Whether a LiteLLM field sets a token price. */
export function isLiteLLMRate(field: string): boolean {
  return fieldParts(field) !== undefined || (NESTED as readonly string[]).includes(field);
}

/** The rate of a field, the threshold in tokens and the suffix of its service tier. */
function fieldParts(field: string): { rate: keyof TokenRates; above?: string; tier?: PricedTier } | undefined {
  const [, name, above, suffix] = FIELD.exec(field) ?? [];
  if (name === undefined || !Object.hasOwn(LITELLM_RATES, name)) return undefined;
  return { rate: LITELLM_RATES[name], above, tier: suffix === 'batches' ? 'batch' : (suffix as PricedTier | undefined) };
}

/** How the reader of a file reads a price and reports a wrong value. */
export interface PriceReading {
  /** Converts a price per token to USD per million. @throws for an invalid price */
  perMillion(entry: Readonly<Record<string, unknown>>, field: string, path: string): number | undefined;
  refuse(path: string, value: unknown, rule: string): Error;
}

/**
 * LiteLLM's price fields from one or more objects; for each field, the first object that has it
 * counts.
 */
export class PriceFields {
  /** @param provider by LiteLLM's name */
  constructor(
    private readonly places: readonly (readonly [path: string, entry: Readonly<Record<string, unknown>>])[],
    readonly provider: string,
    private readonly reading: PriceReading,
  ) {}

  get names(): readonly string[] {
    return [...new Set(this.places.flatMap(([, entry]) => Object.keys(entry)))];
  }

  value(field: string): unknown {
    return this.placeOf(field)?.[1][field] ?? undefined;
  }

  perMillion(field: string): number | undefined {
    const place = this.placeOf(field);
    return place && this.reading.perMillion(place[1], field, place[0]);
  }

  /** The fields of an object in one of these. */
  inside(field: string, at: string, entry: unknown): PriceFields {
    const path = this.pathOf(field) + at;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw this.reading.refuse(path, entry, 'must be an object');
    return new PriceFields([[path, entry as Readonly<Record<string, unknown>>]], this.provider, this.reading);
  }

  refuse(field: string, rule: string): Error {
    return this.reading.refuse(this.pathOf(field), this.value(field), rule);
  }

  private pathOf(field: string): string {
    return `${(this.placeOf(field) ?? this.places[0])[0]}.${field}`;
  }

  private placeOf(field: string): PriceFields['places'][number] | undefined {
    return this.places.find(([, entry]) => entry[field] !== undefined && entry[field] !== null);
  }
}

type Rates = { -readonly [rate in keyof TokenRates]?: TokenRates[rate] };

/** Prices of tokens as LiteLLM reads them. */
export function readLiteLLMRates(fields: PriceFields): TieredRates {
  const standard = new RateReader();
  const serviceTiers: Partial<Record<PricedTier, RateReader>> = {};
  for (const field of fields.names) {
    const parts = fieldParts(field);
    const price = parts && fields.perMillion(field);
    if (parts === undefined || price === undefined) continue;
    const { rate, above, tier } = parts;
    const reader = tier === undefined ? standard : (serviceTiers[tier] ??= new RateReader());
    reader.set(rate, price, above === undefined ? undefined : thresholdOf(above, fields.provider));
  }
  readRanges(fields, standard);
  setCachedPrice(standard.plain, fields.provider);
  const offPeak = offPeakOf(fields);
  const named = Object.entries(serviceTiers).map(([tier, reader]) => [tier, reader.rates()]);
  return {
    ...standard.rates(),
    ...(named.length > 0 && { serviceTiers: Object.fromEntries(named) as TieredRates['serviceTiers'] }),
    ...(offPeak && { offPeak }),
  };
}

/** The rates of an entry, or of one of its service tiers, while they are being read. */
class RateReader {
  readonly plain: Rates = {};
  private readonly tiers = new Map<number, Rates & RateTier>();

  set(rate: keyof TokenRates, price: number, aboveInputTokens: number | undefined): void {
    (aboveInputTokens === undefined ? this.plain : this.tier(aboveInputTokens))[rate] = price;
  }

  tier(aboveInputTokens: number): Rates {
    const tier = this.tiers.get(aboveInputTokens) ?? { aboveInputTokens };
    this.tiers.set(aboveInputTokens, tier);
    return tier;
  }

  rates(): LengthRates {
    return this.tiers.size === 0 ? this.plain : { ...this.plain, tiers: [...this.tiers.values()] };
  }
}

/** xAI's rates for long inputs start at the threshold, not above it. */
function thresholdOf(above: string, provider: string): number {
  const tokens = above.endsWith('k') ? Number(above.slice(0, -1)) * 1000 : Number(above);
  return provider === 'xai' ? tokens - 1 : tokens;
}

/** Fireworks bills cached input at half the price. */
function setCachedPrice(rates: Rates, provider: string): void {
  if (provider === 'fireworks_ai' && rates.inputPerMillion !== undefined) rates.cacheReadPerMillion ??= rates.inputPerMillion / 2;
}

/** `tiered_pricing`: cached input without a price in a range is billed like its other input. */
function readRanges(fields: PriceFields, standard: RateReader): void {
  const ranges = fields.value('tiered_pricing');
  if (!Array.isArray(ranges)) return;
  for (const [i, range] of (ranges as readonly unknown[]).entries()) {
    const inside = fields.inside('tiered_pricing', `[${i}]`, range);
    const bounds = inside.value('range');
    const prices = readLiteLLMRates(inside);
    // Prices of searches depend on the number of results.
    if (bounds === undefined || prices.inputPerMillion === undefined) continue;
    const from: unknown = Array.isArray(bounds) ? bounds[0] : undefined;
    if (typeof from !== 'number' || !(from >= 0)) throw inside.refuse('range', 'must be [from, to], in tokens');
    const { inputPerMillion } = prices;
    const cached = { cacheReadPerMillion: inputPerMillion, cacheWritePerMillion: inputPerMillion };
    Object.assign(from === 0 ? standard.plain : standard.tier(from), cached, prices);
  }
}

function offPeakOf(fields: PriceFields): (Rates & OffPeakRates) | undefined {
  const given = fields.value('off_peak_pricing');
  if (given === undefined) return undefined;
  const inside = fields.inside('off_peak_pricing', '', given);
  const timeZone = zoneIn(inside);
  const daily = inside.value('hours_utc') === undefined ? [] : hoursIn(inside);
  const listed = inside.value('windows') ?? [];
  if (!Array.isArray(listed)) throw inside.refuse('windows', 'must be an array');
  const windows = (listed as readonly unknown[]).flatMap((window, i) => {
    const rule = inside.inside('windows', `[${i}]`, window);
    const weekdays = rule.value('weekdays');
    const days = weekdays === undefined ? {} : { weekdays: weekdaysIn(weekdays, rule), ...timeZone };
    return hoursIn(rule).map((hours) => ({ ...hours, ...days }));
  });
  return { ...readLiteLLMRates(inside), windows: [...daily, ...windows] };
}

function zoneIn(fields: PriceFields): Pick<OffPeakWindow, 'timeZone'> {
  const timeZone = fields.value('weekday_timezone');
  if (timeZone === undefined) return {};
  if (typeof timeZone === 'string' && isTimeZone(timeZone)) return { timeZone };
  throw fields.refuse('weekday_timezone', 'must be an IANA time zone');
}

const HOURS = /^\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*$/;

function hoursIn(fields: PriceFields): OffPeakWindow[] {
  return [fields.value('hours_utc')].flat().map((hours) => {
    const [, ...parts] = HOURS.exec(String(hours)) ?? [];
    if (parts.length === 0) throw fields.refuse('hours_utc', 'must be HH:MM-HH:MM');
    const [from, until] = [parts.slice(0, 2), parts.slice(2)].map(([hour, minute]) => `${hour.padStart(2, '0')}:${minute}`);
    return { from, until };
  });
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

function weekdaysIn(given: unknown, fields: PriceFields): number[] {
  if (!Array.isArray(given)) throw fields.refuse('weekdays', 'must be an array');
  return (given as readonly unknown[]).map((day) => {
    const number = typeof day === 'string' ? DAYS.indexOf(day.trim().slice(0, 3).toLowerCase()) + 1 : day;
    if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 7) return number;
    throw fields.refuse('weekdays', 'must be days from 1 (Monday) to 7 or their names');
  });
}

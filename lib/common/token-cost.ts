/** No token, request or search costs more: a higher price is a slip. */
export const MOST_USD_OF_ONE = 1_000;
export const MOST_USD_PER_MILLION = MOST_USD_OF_ONE * 1_000_000;

/**
 * Prices in USD per million tokens. A rate that is omitted: cached reads, cache writes and
 * reasoning fall back to the plain rate of their side.
 */
export interface TokenRates {
  readonly inputPerMillion?: number;
  readonly outputPerMillion?: number;
  readonly cacheReadPerMillion?: number;
  readonly cacheWritePerMillion?: number;
  /** Cache writes that live an hour. Default: as other writes. */
  readonly cacheWrite1hPerMillion?: number;
  readonly reasoningPerMillion?: number;
  /** Audio and images, in the input and in the output. Default: as text. */
  readonly inputAudioPerMillion?: number;
  readonly outputAudioPerMillion?: number;
  readonly inputImagePerMillion?: number;
  readonly outputImagePerMillion?: number;
  /** USD for each web search that the provider runs. */
  readonly perWebSearchUsd?: number;
  /** USD for each request, in addition to its tokens. */
  readonly perRequestUsd?: number;
}

/**
 * Rates that hold for the whole request once its input is longer: tiers are cliffs, as providers
 * bill them.
 */
export interface RateTier extends TokenRates {
  readonly aboveInputTokens: number;
}

/** Prices, with separate prices for long inputs. */
export interface LengthRates extends TokenRates {
  readonly tiers?: readonly RateTier[];
}

/** Service tiers with their own prices. `batch`: the price of requests in a batch. */
export const SERVICE_TIERS = ['flex', 'priority', 'balanced', 'ultrafast', 'batch'] as const;
/** One of `SERVICE_TIERS`. */
export type PricedTier = (typeof SERVICE_TIERS)[number];

/** Hours of the day, in UTC. */
export interface OffPeakWindow {
  /** `HH:MM`, included. */
  readonly from: string;
  /** `HH:MM`, excluded. Can be on the next day; equal times mean the whole day. */
  readonly until: string;
  /** 1 (Monday) to 7 (Sunday). Default: every day. */
  readonly weekdays?: readonly number[];
  /** IANA time zone of `weekdays`. Default UTC. */
  readonly timeZone?: string;
}

/** Prices that replace all others during the windows. */
export interface OffPeakRates extends TokenRates {
  readonly windows: readonly OffPeakWindow[];
}

/**
 * Standard rates, and rates for long inputs, service tiers and off-peak hours. If one of these sets
 * `outputPerMillion` without `reasoningPerMillion`, that price also applies to reasoning. Any other
 * omitted rate is the standard one.
 */
export interface TieredRates extends LengthRates {
  readonly serviceTiers?: Readonly<Partial<Record<PricedTier, LengthRates>>>;
  readonly offPeak?: OffPeakRates;
}

/**
 * Parts of a request's tokens that have their own prices. Each is included in the input or output
 * tokens.
 */
export interface UsageDetails {
  /** Input read from a cache (OpenAI's `cached_tokens`, Anthropic's `cache_read_input_tokens`). */
  readonly cacheReadTokens?: number;
  /**
   * Input written to a cache, one-hour writes included (Anthropic's `cache_creation_input_tokens`).
   */
  readonly cacheWriteTokens?: number;
  /** The part of `cacheWriteTokens` that is cached for an hour. */
  readonly cacheWrite1hTokens?: number;
  /** Output spent on reasoning. */
  readonly reasoningTokens?: number;
  /** Audio and images in the input and in the output. */
  readonly inputAudioTokens?: number;
  readonly outputAudioTokens?: number;
  readonly inputImageTokens?: number;
  readonly outputImageTokens?: number;
  /** Web searches that the provider ran; not tokens. */
  readonly webSearches?: number;
  /** Service tier that was billed. Default: the standard one. */
  readonly serviceTier?: PricedTier;
  /** Whether off-peak prices apply. Default: by the clock. */
  readonly offPeak?: boolean;
}

/**
 * Parts of a cost. `input` excludes cached tokens, audio and images, `output` excludes reasoning,
 * `toolUsage` are the provider's own tools, `request` is the fee of a request, `other` everything
 * that a source does not separate.
 */
export const COST_PARTS = [
  'input',
  'cacheRead',
  'cacheCreation',
  'output',
  'reasoning',
  'audio',
  'image',
  'toolUsage',
  'request',
  'other',
] as const;
/** One of `COST_PARTS`: `input`, `output`, `cacheRead`, … */
export type CostPart = (typeof COST_PARTS)[number];
/** Amounts by part, all in one unit; an absent part is 0. */
export type CostParts = Readonly<Partial<Record<CostPart, number>>>;

/** The cost of one request in USD, by part. */
export interface PricedUsage {
  /** The sum of `parts`. */
  readonly usd: number;
  /** In USD. */
  readonly parts: CostParts;
  /**
   * Source of the price: `deployment` for prices in the model list, otherwise as in
   * `ModelLimits.sources`.
   */
  readonly source: string;
}

/** Prices of a model from one source. */
export interface SourcedPrices {
  readonly prices: TieredRates;
  /** As in `PricedUsage`. */
  readonly source: string;
}

const NO_DETAILS: UsageDetails = {};

/** The cost of a request at the first prices that cover its usage; `undefined` if none do. */
export function pricedUsage(
  sourced: readonly SourcedPrices[],
  inputTokens: number,
  outputTokens: number,
  details?: UsageDetails,
): PricedUsage | undefined {
  for (const { prices, source } of sourced) {
    const parts = costPartsOf(prices, inputTokens, outputTokens, details);
    if (parts !== null) return { usd: sumOf(parts), parts, source };
  }
  return undefined;
}

/**
 * Cost of one request in USD, its fee included. `inputTokens` are all input tokens, cached ones
 * included, as OpenAI, Gemini and LiteLLM report them; Anthropic's own `input_tokens` leave its
 * cache reads and writes out, so add them. More cached tokens than input price the rest at 0, never
 * below. Plain floating point: compare with a tolerance.
 *
 * @returns `null` if a token that was used has no price: none is made up.
 */
export function costOf(pricing: TieredRates, inputTokens: number, outputTokens: number, details?: UsageDetails): number | null {
  const parts = costPartsOf(pricing, inputTokens, outputTokens, details);
  return parts === null ? null : sumOf(parts);
}

/** The same by part, in USD; only parts that have a price. */
export function costPartsOf(pricing: TieredRates, inputTokens: number, outputTokens: number, details?: UsageDetails): CostParts | null {
  const rates = ratesFor(pricing, inputTokens, details ?? NO_DETAILS);
  const { inputPerMillion: inputRate, outputPerMillion: outputRate } = rates;
  // The cost of a model without a price is unknown, even if nothing was used.
  if (inputRate === undefined && outputRate === undefined) return null;
  const request = rates.perRequestUsd ?? 0;
  // The usual case: no cached input, reasoning, audio or images.
  if (details === undefined) {
    const [input, output] = [partCost(inputTokens, inputRate), partCost(outputTokens, outputRate)];
    return Number.isNaN(input + output) ? null : { input, output, request };
  }
  const cacheRead = details.cacheReadTokens ?? 0;
  const write1h = details.cacheWrite1hTokens ?? 0;
  const write = Math.max(details.cacheWriteTokens ?? 0, write1h) - write1h;
  const cacheWriteRate = rates.cacheWritePerMillion ?? inputRate;
  const input = new Shares(Math.max(0, inputTokens - cacheRead - write - write1h));
  const output = new Shares(outputTokens);
  const audioIn = input.take(details.inputAudioTokens, rates.inputAudioPerMillion);
  const imageIn = input.take(details.inputImageTokens, rates.inputImagePerMillion);
  const audioOut = output.take(details.outputAudioTokens, rates.outputAudioPerMillion);
  const imageOut = output.take(details.outputImageTokens, rates.outputImagePerMillion);
  const reasoning = Math.min(details.reasoningTokens ?? 0, output.rest);
  const parts = {
    input: partCost(input.rest, inputRate),
    cacheRead: partCost(cacheRead, rates.cacheReadPerMillion ?? inputRate),
    cacheCreation: partCost(write, cacheWriteRate) + partCost(write1h, rates.cacheWrite1hPerMillion ?? cacheWriteRate),
    output: partCost(output.rest - reasoning, outputRate),
    reasoning: partCost(reasoning, rates.reasoningPerMillion ?? outputRate),
    audio: audioIn + audioOut,
    image: imageIn + imageOut,
    toolUsage: (details.webSearches ?? 0) * (rates.perWebSearchUsd ?? 0),
    request,
  };
  return Number.isNaN(sumOf(parts)) ? null : parts;
}

/** The sum in the order of `COST_PARTS`. */
export function sumOf(parts: CostParts): number {
  let sum = 0;
  for (const part of COST_PARTS) sum += parts[part] ?? 0;
  return sum;
}

/** Tokens of one side, some of which have their own prices. */
class Shares {
  constructor(public rest: number) {}

  /** Takes tokens that have a price, and returns their cost. */
  take(tokens: number | undefined, ratePerMillion: number | undefined): number {
    if (tokens === undefined || ratePerMillion === undefined) return 0;
    const taken = Math.min(tokens, this.rest);
    this.rest -= taken;
    return partCost(taken, ratePerMillion);
  }
}

/** `NaN` for tokens without a price. */
function partCost(tokens: number, ratePerMillion: number | undefined): number {
  if (tokens === 0) return 0;
  return ratePerMillion === undefined ? NaN : (tokens * ratePerMillion) / 1e6;
}

/**
 * A rate that a tier omits is that of the tier below it, or the plain one. For long inputs
 * those of the service tier come first, then those for long inputs, as LiteLLM has it. Off-peak
 * prices replace all of them.
 */
export function ratesFor(
  pricing: TieredRates,
  inputTokens: number,
  { serviceTier, offPeak }: Pick<UsageDetails, 'serviceTier' | 'offPeak'>,
): TokenRates {
  const { tiers = [], serviceTiers } = pricing;
  const own = serviceTier === undefined ? undefined : serviceTiers?.[serviceTier];
  const low = pricing.offPeak !== undefined && (offPeak ?? isOffPeak(pricing.offPeak.windows, new Date())) ? pricing.offPeak : undefined;
  const reached = [...tiers, ...(own?.tiers ?? [])].filter(({ aboveInputTokens }) => inputTokens > aboveInputTokens);
  if (own === undefined && low === undefined && reached.length === 0) return pricing;
  // The sort is stable: the service tier's follow the others of the same length.
  reached.sort((a, b) => a.aboveInputTokens - b.aboveInputTokens);
  const rates: { -readonly [rate in keyof TokenRates]: TokenRates[rate] } = { ...pricing };
  for (const layer of [own, ...reached, low]) {
    if (layer === undefined) continue;
    // The standard price of reasoning does not apply to another tier.
    if (layer.outputPerMillion !== undefined) delete rates.reasoningPerMillion;
    Object.assign(rates, layer);
  }
  return rates;
}

function isOffPeak(windows: readonly OffPeakWindow[], now: Date): boolean {
  const time = now.toISOString().slice(11, 16);
  return windows.some(
    ({ from, until, weekdays, timeZone }) =>
      (from < until ? from <= time && time < until : from <= time || time < until) &&
      (weekdays === undefined || weekdays.includes(weekdayOf(now, timeZone))),
  );
}

/** Whether it is an IANA time zone that this runtime supports. */
export function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone });
    return true;
  } catch {
    return false;
  }
}

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** 1 (Monday) to 7 (Sunday). */
function weekdayOf(time: Date, timeZone = 'UTC'): number {
  return WEEKDAYS.indexOf(time.toLocaleDateString('en-US', { weekday: 'short', timeZone })) + 1;
}

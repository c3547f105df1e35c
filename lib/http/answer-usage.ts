import type { UsageDetails } from '../common/token-cost.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';

/** Tokens of one call, as its provider reported them. */
export interface AnswerUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** The part of these tokens that has its own prices. */
  readonly details?: UsageDetails;
  /** The service tier that the provider billed, in the provider's words. */
  readonly serviceTier?: string;
  /** The fields of a provider's usage that state a cost, unparsed. */
  readonly stated?: StatedCost;
}

/** Nano-USD that a usage costs; `undefined` if no price is known. */
export type PriceOf = (usage: AnswerUsage) => number | undefined;

/** A usage as reported; figures can be missing. */
export interface StatedUsage extends AnswerUsage {
  /** Figures that are neither reported nor derived from the total: they are 0, or the total. */
  readonly missing?: 'prompt' | 'completion' | 'both';
}

/** Cost fields in the usage of OpenRouter, Perplexity, xAI and DeepInfra. */
export interface StatedCost {
  readonly cost?: unknown;
  readonly cost_details?: unknown;
  readonly is_byok?: unknown;
  readonly cost_in_usd_ticks?: unknown;
  readonly estimated_cost?: unknown;
}

/**
 * Tokens in the format of a provider: OpenAI's chat or Responses, Anthropic's, the AI SDK's, or an
 * `AnswerUsage`. A missing figure counts as 0.
 */
export interface Usage {
  readonly total_tokens?: number | null;
  readonly prompt_tokens?: number | null;
  readonly completion_tokens?: number | null;
  readonly input_tokens?: number | null;
  readonly output_tokens?: number | null;
  readonly cache_creation_input_tokens?: number | null;
  readonly cache_read_input_tokens?: number | null;
  readonly totalTokens?: number | null;
  readonly promptTokens?: number | null;
  readonly completionTokens?: number | null;
  readonly inputTokens?: number | { readonly total?: number | null } | null;
  readonly outputTokens?: number | { readonly total?: number | null } | null;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Where providers, the AI SDK and an `AnswerUsage` report details: an object within the usage (''
 * is the usage itself), and the detail that each of its fields reports. Earlier fields take
 * precedence.
 */
const DETAIL_FIELDS = detailFields([
  ['', { cache_creation_input_tokens: 'cacheWriteTokens' }],
  ['cache_creation', { ephemeral_1h_input_tokens: 'cacheWrite1hTokens' }],
  ['server_tool_use', { web_search_requests: 'webSearches' }],
  [
    'prompt_tokens_details',
    {
      cached_tokens: 'cacheReadTokens',
      cache_write_tokens: 'cacheWriteTokens',
      cache_creation_tokens: 'cacheWriteTokens',
      audio_tokens: 'inputAudioTokens',
      image_tokens: 'inputImageTokens',
      web_search_requests: 'webSearches',
    },
  ],
  [
    'input_tokens_details',
    {
      cached_tokens: 'cacheReadTokens',
      cache_write_tokens: 'cacheWriteTokens',
      audio_tokens: 'inputAudioTokens',
      image_tokens: 'inputImageTokens',
    },
  ],
  // Transcriptions use the singular form.
  ['input_token_details', { audio_tokens: 'inputAudioTokens' }],
  [
    'completion_tokens_details',
    { reasoning_tokens: 'reasoningTokens', audio_tokens: 'outputAudioTokens', image_tokens: 'outputImageTokens' },
  ],
  [
    'output_tokens_details',
    {
      reasoning_tokens: 'reasoningTokens',
      thinking_tokens: 'reasoningTokens',
      audio_tokens: 'outputAudioTokens',
      image_tokens: 'outputImageTokens',
    },
  ],
  ['', { cache_read_input_tokens: 'cacheReadTokens', prompt_cache_hit_tokens: 'cacheReadTokens' }],
  ['inputTokenDetails', { cacheReadTokens: 'cacheReadTokens', cacheWriteTokens: 'cacheWriteTokens' }],
  ['inputTokens', { cacheRead: 'cacheReadTokens', cacheWrite: 'cacheWriteTokens' }],
  ['outputTokenDetails', { reasoningTokens: 'reasoningTokens' }],
  ['outputTokens', { reasoning: 'reasoningTokens' }],
  ['', { cachedInputTokens: 'cacheReadTokens', reasoningTokens: 'reasoningTokens' }],
  [
    'details',
    {
      cacheReadTokens: 'cacheReadTokens',
      cacheWriteTokens: 'cacheWriteTokens',
      cacheWrite1hTokens: 'cacheWrite1hTokens',
      reasoningTokens: 'reasoningTokens',
      inputAudioTokens: 'inputAudioTokens',
      outputAudioTokens: 'outputAudioTokens',
      inputImageTokens: 'inputImageTokens',
      outputImageTokens: 'outputImageTokens',
      webSearches: 'webSearches',
    },
  ],
]);

function detailFields(
  groups: readonly [group: string, details: Readonly<Record<string, keyof UsageDetails>>][],
): readonly (readonly [group: string, fields: readonly (readonly [name: string, detail: keyof UsageDetails])[]])[] {
  return groups.map(([group, details]) => [group, Object.entries(details)]);
}

/**
 * The usage that a provider or an SDK reports; `undefined` if the value is not a usage.
 * @param tier `service_tier` next to it, as OpenAI reports it; Anthropic's is in the usage
 */
export function usageFrom(value: unknown, tier?: unknown): StatedUsage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Fields;
  const usage = tokensIn(fields);
  if (usage === undefined) return undefined;
  const reported = detailsIn(fields);
  const details = reported && consistent(reported, usage);
  const { cost, estimated_cost, cost_in_usd_ticks, cost_details, is_byok } = fields;
  const statesCost = (cost ?? estimated_cost ?? cost_in_usd_ticks ?? cost_details ?? undefined) !== undefined;
  // The tier next to the usage takes precedence over the one within it.
  const ownTier = typeof fields.service_tier === 'string' ? fields.service_tier : fields.serviceTier;
  const serviceTier = typeof tier === 'string' ? tier : ownTier;
  const hasTier = typeof serviceTier === 'string';
  if (details === undefined && !statesCost && !hasTier) return usage;
  return {
    ...usage,
    ...(details && { details }),
    ...(hasTier && { serviceTier }),
    ...(statesCost && { stated: { cost, estimated_cost, cost_in_usd_ticks, cost_details, is_byok } }),
  };
}

/** All tokens of a usage; `undefined` if the value is not a usage. */
export function usedTokens(value: unknown): number | undefined {
  return typeof value === 'object' && value !== null ? tokensIn(value as Fields)?.totalTokens : undefined;
}

/** Merges a usage from several events of a stream (JSON): later figures replace earlier ones. */
export function mergedUsage(stated: readonly string[] = []): StatedUsage | undefined {
  const merged: Record<string, unknown> = {};
  for (const json of stated) {
    try {
      for (const [name, value] of Object.entries(JSON.parse(json) as object)) if (value !== null) merged[name] = value;
    } catch {
      // Cut, so it is ignored.
    }
  }
  return usageFrom(merged);
}

/** Facts about a call besides its usage. */
export interface CountedCall {
  /** Tokens of the prompt, as they were counted before the call. */
  readonly promptTokens: number;
  /** Tokens of the text that has arrived. */
  readonly receivedTokens: () => number;
}

/**
 * Replaces the missing figures of a usage with our own counts. A 0 for a prompt, or for a text that
 * has arrived, counts as missing: some providers send it for unknown figures.
 */
export function completedUsage(usage: StatedUsage, { promptTokens: counted, receivedTokens }: CountedCall): AnswerUsage {
  const { missing, ...stated } = usage;
  let { promptTokens, completionTokens } = usage;
  if (missing === 'both') {
    promptTokens = Math.min(counted, usage.totalTokens);
    completionTokens = usage.totalTokens - promptTokens;
  } else {
    if (promptTokens === 0) promptTokens = counted;
    if (completionTokens === 0) completionTokens = receivedTokens();
  }
  if (promptTokens === usage.promptTokens && completionTokens === usage.completionTokens && missing === undefined) return usage;
  const totalTokens = Math.max(usage.totalTokens, promptTokens + completionTokens);
  const completed = { ...stated, promptTokens, completionTokens, totalTokens };
  return completed.details === undefined ? completed : { ...completed, details: consistent(completed.details, completed) };
}

/** A usage of an answer without text: a total alone counts as input. */
export function inputUsage(usage: StatedUsage): AnswerUsage {
  return usage.missing === 'both' ? { ...usage, promptTokens: usage.totalTokens, completionTokens: 0 } : usage;
}

/** The usage of image requests: output is images, unless the provider reports it by kind. */
export function pictureUsage(usage: AnswerUsage): AnswerUsage {
  if (usage.details?.outputImageTokens !== undefined) return usage;
  return { ...usage, details: { ...usage.details, outputImageTokens: usage.completionTokens } };
}

/** A total may exceed its parts by the reasoning; a smaller total is wrong. */
function tokensIn(fields: Fields): StatedUsage | undefined {
  const prompt = amount(fields.prompt_tokens) ?? withCached(fields) ?? amount(fields.promptTokens) ?? inputOfAiSdk(fields);
  const completion =
    amount(fields.completion_tokens) ?? amount(fields.output_tokens) ?? amount(fields.completionTokens) ?? totalIn(fields.outputTokens);
  const total = amount(fields.total_tokens) ?? amount(fields.totalTokens);
  if (prompt === undefined && completion === undefined && total === undefined) return undefined;
  // A 0 next to a larger total means that the figure is missing.
  const promptTokens = prompt || ((completion ?? 0) === 0 ? 0 : Math.max(0, (total ?? 0) - (completion ?? 0)));
  const completionTokens = completion || Math.max(0, (total ?? 0) - promptTokens);
  const totalTokens = Math.min(Math.max(total ?? 0, promptTokens + completionTokens), LARGEST_AMOUNT);
  const missing = prompt && completion ? undefined : missingOf(prompt, completion, total);
  return missing === undefined ? { promptTokens, completionTokens, totalTokens } : { promptTokens, completionTokens, totalTokens, missing };
}

function missingOf(prompt: number | undefined, completion: number | undefined, total = 0): StatedUsage['missing'] {
  if (!prompt && !completion && total > 0) return 'both';
  if (prompt !== undefined) return completion === undefined && total === 0 ? 'completion' : undefined;
  return total <= (completion ?? 0) ? 'prompt' : undefined;
}

/** More searches than any answer runs: each has a fee. */
const MOST_SEARCHES = 1_000;

/** Details of a usage, each limited to the figure that includes it. */
function consistent(details: UsageDetails, { promptTokens, completionTokens, totalTokens, missing }: StatedUsage): UsageDetails {
  if (missing !== undefined) return details;
  const {
    cacheReadTokens: read = 0,
    cacheWriteTokens: write = 0,
    cacheWrite1hTokens: write1h = 0,
    reasoningTokens: reasoning = 0,
  } = details;
  const { inputAudioTokens = 0, inputImageTokens = 0, outputAudioTokens = 0, outputImageTokens = 0, webSearches = 0 } = details;
  const inputs = Math.max(read + write, inputAudioTokens + inputImageTokens);
  const outputs = outputAudioTokens + outputImageTokens;
  // Some providers include reasoning in the total but not in the completion.
  const mostReasoning = Math.max(completionTokens, totalTokens - promptTokens);
  const fits = inputs <= promptTokens && outputs <= completionTokens && reasoning <= mostReasoning;
  if (fits && write1h <= write && webSearches <= MOST_SEARCHES) return details;
  const within = (most: number, first: number, second: number): [number, number] => [
    Math.min(first, most),
    Math.min(second, most - Math.min(first, most)),
  ];
  const [cacheReadTokens, cacheWriteTokens] = within(promptTokens, read, write);
  const [inputAudio, inputImage] = within(promptTokens, inputAudioTokens, inputImageTokens);
  const [outputAudio, outputImage] = within(completionTokens, outputAudioTokens, outputImageTokens);
  return {
    ...details,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrite1hTokens: Math.min(write1h, cacheWriteTokens),
    reasoningTokens: Math.min(reasoning, mostReasoning),
    inputAudioTokens: inputAudio,
    inputImageTokens: inputImage,
    outputAudioTokens: outputAudio,
    outputImageTokens: outputImage,
    webSearches: Math.min(webSearches, MOST_SEARCHES),
  };
}

/** A usage that exceeds neither of two figures. */
export function limitedUsage(usage: AnswerUsage, mostPrompt: number, mostCompletion: number): AnswerUsage {
  if (usage.promptTokens <= mostPrompt && usage.completionTokens <= mostCompletion) return usage;
  const promptTokens = Math.min(usage.promptTokens, mostPrompt);
  const completionTokens = Math.min(usage.completionTokens, mostCompletion);
  const limited = { ...usage, promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
  return usage.details === undefined ? limited : { ...limited, details: consistent(usage.details, limited) };
}

/** The first positive figure of each detail; `undefined` if all are missing. */
function detailsIn(fields: Fields): UsageDetails | undefined {
  let details: Record<string, number> | undefined;
  for (const [group, sources] of DETAIL_FIELDS) {
    const figures = group === '' ? fields : fields[group];
    if (typeof figures !== 'object' || figures === null) continue;
    for (const [name, detail] of sources) {
      const figure = (figures as Fields)[name];
      if (typeof figure !== 'number' || !(figure > 0 && figure <= LARGEST_AMOUNT)) continue;
      details ??= { cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0, reasoningTokens: 0 };
      details[detail] ||= Math.round(figure);
    }
  }
  return details;
}

/** Anthropic's `input_tokens` exclude cached tokens; the figures of others include them. */
function withCached(fields: Fields): number | undefined {
  const input = amount(fields.input_tokens);
  if (input === undefined) return undefined;
  return amount(input + (amount(fields.cache_creation_input_tokens) ?? 0) + (amount(fields.cache_read_input_tokens) ?? 0));
}

/**
 * `inputTokens` of the AI SDK include cached tokens from its version 6 on. Version 5 passes the
 * provider's figure on, which excludes them for Anthropic: then there may be more cached than
 * input.
 */
function inputOfAiSdk({ inputTokens, cachedInputTokens }: Fields): number | undefined {
  const input = totalIn(inputTokens);
  const cached = amount(cachedInputTokens) ?? 0;
  return input === undefined || cached <= input ? input : amount(input + cached);
}

/** A figure, or the `total` of its parts, as models of the AI SDK report it. */
function totalIn(value: unknown): number | undefined {
  return amount(value) ?? amount(fieldsOf(value).total);
}

/** A larger figure than any call can use would spoil all sums. */
function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= LARGEST_AMOUNT ? value : undefined;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

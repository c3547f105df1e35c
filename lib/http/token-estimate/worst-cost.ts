import { nanoUsd } from '../../common/nano-usd.js';
import { isObject, type Fields } from '../../common/objects.js';
import { ratesFor, type SourcedPrices, type TokenRates } from '../../common/token-cost.js';
import type { PremiumTier } from './requested-tier.js';

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
  readonly tier: PremiumTier | undefined;
}

/** Output without a limit of the request or of the model that is known, as LiteLLM assumes it. */
export const UNLIMITED_OUTPUT = 16_384;

/** The least output that a request is lowered to: OpenAI's Responses take no smaller figure. */
export const LEAST_OUTPUT = 16;

/**
 * The most output tokens for which a request costs at most `nanoUsd`; `undefined` if that is
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
  let { inputPerMillion, outputPerMillion } = rates;
  const { cacheWritePerMillion = 0, cacheWrite1hPerMillion = 0, inputImagePerMillion = 0, inputAudioPerMillion = 0 } = rates;
  if (inputPerMillion !== undefined) {
    const sound = hasSound ? inputAudioPerMillion : 0;
    inputPerMillion = Math.max(inputPerMillion, cacheWritePerMillion, cacheWrite1hPerMillion, inputImagePerMillion, sound);
  }
  // Only models that generate audio or images have these prices, and they can do so unprompted.
  const { reasoningPerMillion = 0, outputAudioPerMillion = 0, outputImagePerMillion = 0 } = rates;
  if (outputPerMillion !== undefined)
    outputPerMillion = Math.max(outputPerMillion, reasoningPerMillion, outputAudioPerMillion, outputImagePerMillion);
  const { perRequestUsd = 0, perWebSearchUsd = 0 } = rates;
  return plainUsd({ inputPerMillion, outputPerMillion, perRequestUsd: searches * perWebSearchUsd + perRequestUsd }, prompt, outputTokens);
}

/** Parts of messages that may be sound: files and videos, too. */
const SOUND = /audio|file|video|media/i;
/** Gemini accepts any data URL as an image. In a body's outline, markers replace long texts. */
const NO_SOUND = /^(?:https?:|data:image\/)/i;

/** Whether the messages or the input of a request may have sound in them. */
export function mayHaveSound({ messages, input, contents }: Fields): boolean {
  if (contents !== undefined && hasBlobs(contents)) return true;
  return (Array.isArray(messages) && hasSound(messages)) || (Array.isArray(input) && hasSound(input));
}

/** Fields of Google's parts that may have sound, and their type. */
const BLOBS = ['inlineData', 'inline_data', 'fileData', 'file_data'] as const;
const NO_SOUND_TYPE = /^(?:image|text)\//;

function hasBlobs(contents: unknown): boolean {
  if (!Array.isArray(contents)) return false;
  return contents.some((turn) => {
    const { parts } = (turn ?? {}) as Fields;
    return Array.isArray(parts) && parts.some(isBlob);
  });
}

function isBlob(part: unknown): boolean {
  const fields = (part ?? {}) as Fields;
  return BLOBS.some((name) => {
    const blob = fields[name];
    if (typeof blob !== 'object' || blob === null) return false;
    const { mimeType, mime_type: type = mimeType } = blob as Fields;
    return typeof type !== 'string' || !NO_SOUND_TYPE.test(type);
  });
}

function hasSound(messages: readonly unknown[]): boolean {
  for (const message of messages) {
    const { content } = (message ?? {}) as Fields;
    if (isSound(message) || (Array.isArray(content) && content.some(isSound))) return true;
  }
  return false;
}

function isSound(part: unknown): boolean {
  const { type, audio, image_url: image } = (part ?? {}) as Fields;
  if (typeof type === 'string' && SOUND.test(type)) return true;
  // The id of an earlier audio answer.
  if ((audio ?? undefined) !== undefined) return true;
  const url = typeof image === 'object' && image !== null ? (image as Fields).url : image;
  return typeof url === 'string' && !NO_SOUND.test(url);
}

/** `web_search_20250305` of Anthropic, `web_search_preview` of OpenAI. */
const SEARCH_TYPE = /^(?:web_?search|google_?search|enterprise_?web_?search)/i;
/** Gemini's tools are named by their field. Looked up: a hostile tool may have a million fields. */
const SEARCH_FIELDS = ['web_search', 'google_search', 'google_search_retrieval', 'enterprise_web_search'].flatMap((name) => [
  name,
  name.replace(/_[a-z]/g, (letters) => letters[1].toUpperCase()),
]);
/** Searches of a request that does not limit them: LiteLLM's figure for its largest size. */
const UNLIMITED_SEARCHES = 10;
/** Larger figures are ignored. */
const MOST_SEARCHES = 1_000;

/**
 * The most web searches that a provider may run for a request, by its tools: `max_uses` of a tool,
 * within `max_tool_calls`; 10 if nothing limits them. 0: it asks for none.
 */
export function askedSearches({ tools, web_search_options: options, max_tool_calls: most }: Fields): number {
  let searches = (options ?? undefined) === undefined ? 0 : UNLIMITED_SEARCHES;
  if (Array.isArray(tools)) for (const tool of tools as unknown[]) searches += searchesOf(tool);
  return Math.min(searches, limitIn(most) ?? MOST_SEARCHES, MOST_SEARCHES);
}

function searchesOf(tool: unknown): number {
  if (!isObject(tool)) return 0;
  const { type, max_uses: uses } = tool;
  // A tool of the client may have any name: Claude Code has a `WebSearch`.
  const isSearch = (typeof type === 'string' && SEARCH_TYPE.test(type)) || SEARCH_FIELDS.some((name) => Object.hasOwn(tool, name));
  return isSearch ? (limitIn(uses) ?? UNLIMITED_SEARCHES) : 0;
}

function limitIn(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.ceil(value) : undefined;
}

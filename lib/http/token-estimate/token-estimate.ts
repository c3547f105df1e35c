import { InvalidArgumentError } from '../../common/errors.js';
import { nextTurn } from '../../common/next-turn.js';
import { isObject, type Fields } from '../../common/objects.js';
import { pricedUsage } from '../../common/token-cost.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import type { PromptEstimate } from '../../token-counter/prompt/request-counter.js';
import { REPLY_PRIMING } from '../../token-counter/prompt/messages.js';
import { addsToPrompt, isRerank } from '../../token-counter/prompt/prompt-rest.js';
import { TOKENS_PER_BYTE } from '../../token-counter/prompt/prompt-context.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { outputCap } from './requested-output.js';
import { BodyFacts, type FactsMemory } from './body-facts.js';
import { plainNanoUsd, worstNanoUsd } from './worst-cost.js';
import type { JsonBody, Soon } from '../body/json-body.js';

/** The least reply of a request that does not limit it. */
const UNLIMITED_REPLY = 1024;
/** A prompt that JSON cannot express cannot be sent either. */
const UNREADABLE_PROMPT = 1;

/** The targets that are read: a request with more is rejected under any settings. */
const MOST_FALLBACKS = 100;
const FALLBACK_FIELDS = ['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'];

/** How a prompt is counted. */
export interface PromptCounting {
  readonly counter: TokenCounterService;
  /** Counts off the main thread. */
  readonly isLarge?: boolean;
  /** The body as bytes, where it has them: it keeps the count of its prompt. */
  readonly json?: JsonBody;
}

export interface EstimateContext extends PromptCounting {
  readonly tokensPerMinute: number;
  /** Of the request: keeps the count, even for calls with an unknown body. */
  readonly memory?: PromptMemory;
}

/** Facts kept about a body: the count of its prompt and, for small bodies, further facts. */
export interface PromptMemory extends FactsMemory {
  promptTokens: number | undefined;
}

/** The prompt cannot be counted from its outline: the parsed body must be counted. */
class NeedsTexts extends Error {}

/**
 * Estimates the tokens of a request: its prompt, and the reply that its body allows
 * (`askedOutput`), otherwise at least 1024 or a quarter of the limit. Embeddings and reranks have
 * no reply; a body without a prompt has 0.
 *
 * Of several prompts, several figures for the reply, and the fallbacks of the request the largest
 * counts, because each provider reads its own. Counting a large body stops above `tokensLeft`: then
 * the rest is estimated, and the result is at most `tokensPerMinute` unless more was counted.
 */
export function estimateTokens(body: unknown, context: EstimateContext, tokensLeft = Infinity): Soon<number> {
  if (context.json !== undefined) return estimateOutline(context.json, context, tokensLeft);
  if (!isObject(body)) return 0;
  const { fallbacks, context_window_fallbacks: ofContext, content_policy_fallbacks: ofContent } = body;
  if (context.isLarge === true || (fallbacks ?? ofContext ?? ofContent) !== undefined) return estimate(body, context, tokensLeft);
  const facts = context.memory === undefined ? new BodyFacts(body) : BodyFacts.of(body, context.memory);
  return withReply(countSmall(facts, context), facts, context.tokensPerMinute);
}

/** A body with bytes is counted by its outline, if that is enough. */
async function estimateOutline(json: JsonBody, context: EstimateContext, tokensLeft: number): Promise<number> {
  try {
    return await estimate(json.promptFields, context, tokensLeft);
  } catch (error) {
    if (!(error instanceof NeedsTexts)) throw error;
    return estimate(json.parsed(), { ...context, json: undefined }, tokensLeft);
  }
}

async function estimate(body: Fields, context: EstimateContext, tokensLeft: number): Promise<number> {
  const { json, isLarge = false, tokensPerMinute } = context;
  const facts = factsOf(body, context);
  const prompt = json?.promptTokens ?? (isLarge ? await estimateLarge(facts, context, tokensLeft) : countSmall(facts, context));
  let tokens = withReply(prompt, facts, tokensPerMinute);
  for (const changes of fallbackChanges(body)) {
    if (tokens > tokensLeft) break;
    const { counted, isWhole } = promptOfFallback(changes);
    const own = isLarge ? (await largestPrompt(counted, context, tokensLeft)).tokens : largestOf(counted, context);
    tokens = Math.max(tokens, withReply(isWhole ? own : prompt + own, new BodyFacts({ ...body, ...changes }), tokensPerMinute));
  }
  return tokens;
}

/** The changes that the fallbacks of an unchecked body make to it. */
function* fallbackChanges(body: Fields): Generator<Fields> {
  let left = MOST_FALLBACKS;
  for (const field of FALLBACK_FIELDS) {
    const list = body[field];
    if (!Array.isArray(list)) continue;
    for (const entry of list as unknown[]) {
      if (typeof entry !== 'object' || entry === null) continue;
      const targets = typeof (entry as { readonly model?: unknown }).model === 'string' ? [entry] : Object.values(entry).flat();
      for (const target of targets as unknown[]) {
        if (left-- <= 0) return;
        if (typeof target === 'object' && target !== null) yield target as Fields;
      }
    }
  }
}

/** The part of a fallback to count: its own prompt, or its additions to the request's prompt. */
function promptOfFallback(changes: Fields): { readonly counted: Fields; readonly isWhole: boolean } {
  const { messages, input, prompt, contents } = changes;
  if ((messages ?? input ?? prompt ?? contents) !== undefined) return { counted: changes, isWhole: true };
  return { counted: addsToPrompt(changes) ? { ...changes, messages: [] } : {}, isWhole: false };
}

/** Tokens of a large prompt, as far as `tokensLeft` leaves room for them and the reply. */
async function estimateLarge(facts: BodyFacts, context: EstimateContext, tokensLeft: number): Promise<number> {
  const { tokensPerMinute } = context;
  const { tokens: ofOne, choices } = facts.output;
  const reply = isWithoutReply(facts.body) ? 0 : ofOne * choices;
  const { counted, tokens, isWhole } = await largestPrompt(facts.body, context, tokensLeft - reply);
  // At least 1, because a request without a prompt would not reserve its reply either.
  if (!isWhole) return Math.max(counted, Math.min(tokens, Math.max(1, tokensPerMinute - reply)));
  return kept(tokens, context);
}

/** Those that the request keeps, for a small body without bytes. */
function factsOf(body: Fields, { json, isLarge, memory }: Omit<EstimateContext, 'tokensPerMinute'>): BodyFacts {
  return json === undefined && memory !== undefined && isLarge !== true ? BodyFacts.of(body, memory) : new BodyFacts(body);
}

/** Tokens of a small prompt, counted once for its facts. */
function countSmall(facts: BodyFacts, context: Omit<EstimateContext, 'tokensPerMinute'>): number {
  return (facts.promptTokens ??= kept(largestOf(facts.body, context), context));
}

function kept(tokens: number, { json, memory }: PromptCounting & Pick<EstimateContext, 'memory'>): number {
  if (json !== undefined) json.promptTokens = tokens;
  if (memory !== undefined) memory.promptTokens = tokens;
  return tokens;
}

/** Tokens of a request's prompt, for a large one off the main thread. 0 without a prompt. */
export function promptTokensOf(request: object, context: Omit<EstimateContext, 'tokensPerMinute'>): Soon<number> {
  const { json, isLarge = false } = context;
  if (json?.promptTokens !== undefined) return json.promptTokens;
  const body = json?.promptFields ?? (request as Fields);
  if (!isLarge) {
    try {
      return countSmall(factsOf(body, context), context);
    } catch (error) {
      if (!(error instanceof NeedsTexts)) throw error;
      return kept(largestOf(json?.parsed() as Fields, { ...context, json: undefined }), context);
    }
  }
  return countLarge(body, context).catch((error: unknown) => {
    if (!(error instanceof NeedsTexts)) throw error;
    return countLarge(json?.parsed() as Fields, { ...context, json: undefined }).then((tokens) => kept(tokens, context));
  });
}

async function countLarge(body: Fields, context: Omit<EstimateContext, 'tokensPerMinute'>): Promise<number> {
  const { tokens } = await largestPrompt(body, context, Infinity);
  return kept(tokens, context);
}

/** The largest prompt of a small body, and its tools. */
function largestOf(body: Fields, context: PromptCounting): number {
  if (body.input === undefined && body.prompt === undefined) return estimateOf(body, context);
  const { prompts, tools } = promptsOf(body);
  let tokens = 0;
  for (const prompt of prompts) tokens = Math.max(tokens, estimateOf(prompt, context));
  if (tools !== undefined) tokens += Math.max(0, estimateOf(tools, context) - REPLY_PRIMING);
  return tokens;
}

/** The largest prompt of a body, and its tools. `isWhole`: no count stopped early. */
async function largestPrompt(
  body: Fields,
  context: PromptCounting,
  limit: number,
): Promise<PromptEstimate & { readonly isWhole: boolean }> {
  const { prompts, tools } = promptsOf(body);
  const ofTools = tools === undefined ? undefined : await estimateOfAsync(tools, context, limit + REPLY_PRIMING);
  const extra = Math.max(0, (ofTools?.counted ?? 0) - REPLY_PRIMING);
  const extraTokens = Math.max(0, (ofTools?.tokens ?? 0) - REPLY_PRIMING);
  let [counted, tokens] = [0, 0];
  for (const prompt of prompts) {
    if (tokens > 0 && extra + counted > limit) break;
    const estimated = await estimateOfAsync(prompt, context, limit - extra);
    counted = Math.max(counted, estimated.counted);
    tokens = Math.max(tokens, estimated.tokens);
  }
  return { counted: counted + extra, tokens: tokens + extraTokens, isWhole: counted + extra <= limit };
}

/** The prompts of a body, of which a provider reads one. Beside several, tools count once. */
function promptsOf(body: Fields): { readonly prompts: readonly Fields[]; readonly tools?: Fields } {
  const { messages, input, prompt } = body;
  const hasSeveral = (messages !== undefined && (input ?? prompt) !== undefined) || (input !== undefined && prompt !== undefined);
  if (!hasSeveral) return { prompts: [body] };
  const { tools, functions, tool_choice, function_call, ...rest } = body;
  const others = { ...rest, messages: undefined, input: undefined, prompt: undefined };
  const prompts: Fields[] = [];
  if (messages !== undefined) prompts.push({ ...others, messages });
  // A stored prompt of the Responses API has its variables in `prompt`, separate from the input.
  if (input !== undefined) prompts.push({ ...others, input, prompt: isObject(prompt) ? prompt : undefined });
  if (prompt !== undefined) prompts.push({ ...others, prompt });
  const hasTools = (tools ?? functions) !== undefined;
  return { prompts, tools: hasTools ? { model: body.model, messages: [], tools, functions, tool_choice, function_call } : undefined };
}

function estimateOf(body: Fields, { counter, json }: PromptCounting): number {
  if (json !== undefined) return found(counter.estimateLongPrompt(body, json));
  try {
    return counter.estimatePrompt(body);
  } catch (error) {
    return estimateByLength(body, error);
  }
}

async function estimateOfAsync(body: Fields, { counter, json }: PromptCounting, limit: number): Promise<PromptEstimate> {
  // In a later turn than the one that parsed the body, because both take long.
  await nextTurn();
  if (json !== undefined) return found(await counter.estimateLongPromptAsync(body, json, limit));
  try {
    return await counter.estimatePromptAsync(body, limit);
  } catch (error) {
    const tokens = estimateByLength(body, error);
    return { counted: tokens, tokens };
  }
}

function found<T>(estimated: T | undefined): T {
  if (estimated === undefined) throw new NeedsTexts();
  return estimated;
}

/** Estimates a prompt that cannot be counted by the length of its JSON. */
function estimateByLength(body: Fields, error: unknown): number {
  if (!(error instanceof InvalidArgumentError)) throw error;
  const { messages, input, prompt, contents } = body;
  if ((messages ?? input ?? prompt ?? contents ?? undefined) === undefined) return 0;
  try {
    return Math.ceil(Buffer.byteLength(JSON.stringify(body)) * TOKENS_PER_BYTE);
  } catch {
    return UNREADABLE_PROMPT;
  }
}

/** How the cost of a request is estimated. */
export interface CostContext extends Omit<EstimateContext, 'tokensPerMinute'> {
  /** Output tokens of one choice of this model, at most. Default: all that the request allows. */
  readonly outputOf?: (model: string) => number | undefined;
  /** Whether to estimate the usual cost, with the output of `outputOf`, not the highest. */
  readonly isUsual?: boolean;
}

/**
 * The most nano-USD that a request may cost by the prices of its model: `max_tokens`, otherwise the
 * model's own limit or 16,384, times `n`. 0 without a prompt; `undefined` if no price is known.
 */
export function estimateNanoUsd(given: unknown, context: CostContext): Soon<number | undefined> {
  const { json, isLarge } = context;
  if (!isObject(given)) return 0;
  const facts = factsOf(json?.promptFields ?? given, context);
  const prompt = json === undefined && isLarge !== true ? countSmall(facts, context) : promptTokensOf(given, context);
  return prompt instanceof Promise ? prompt.then((tokens) => nanoUsdOf(facts, tokens, context)) : nanoUsdOf(facts, prompt, context);
}

function nanoUsdOf(facts: BodyFacts, prompt: number, { counter, outputOf, isUsual = false }: CostContext): number | undefined {
  if (prompt === 0) return 0;
  const { body } = facts;
  const { model } = body;
  const name = typeof model === 'string' ? model : undefined;
  const { tokens, choices } = facts.output;
  const expected = name === undefined ? undefined : outputOf?.(name);
  if (isUsual && expected === undefined) return undefined;
  const most = outputCap({ tokens, isLimited: facts.isLimited() }, counter.getModelLimits(name).maxOutputTokens, choices);
  const sourced = counter.pricesOf(name);
  // A text model also answers requests with fields of embeddings.
  const isMute = isWithoutReply(body) && !((pricedUsage(sourced, 0, 1_000)?.parts.output ?? 0) > 0);
  const output = isMute ? 0 : Math.min(most, (expected ?? Infinity) * choices);
  const prices = { sourced, tier: facts.tier };
  if (isUsual) return plainNanoUsd(prices, prompt, output);
  return worstNanoUsd(prices, { tokens: prompt, hasSound: facts.hasSound, searches: facts.searches }, output);
}

/** Tokens of the prompt and of the reply that the body allows. */
function withReply(prompt: number, facts: BodyFacts, tokensPerMinute: number): number {
  if (prompt === 0) return 0;
  if (isWithoutReply(facts.body)) return Math.min(prompt, LARGEST_AMOUNT);
  const { tokens, choices } = facts.output;
  const isLimited = tokens > 0 && facts.isLimited();
  const least = isLimited ? 0 : Math.min(UNLIMITED_REPLY, Math.max(1, Math.floor(tokensPerMinute / 4)));
  return Math.min(Math.max(prompt + tokens * choices, least), LARGEST_AMOUNT);
}

function isWithoutReply(body: Fields): boolean {
  // Most requests are chats.
  return (body.messages ?? undefined) === undefined && (isInputAlone(body) || isRerank(body));
}

/** A request for embeddings, moderation or speech: its answer has no tokens of text. */
function isInputAlone(body: Fields): boolean {
  const { messages, prompt, input, instructions, max_output_tokens, model, dimensions, encoding_format } = body;
  // A chat or completion with fields of embeddings counts as a chat, because some providers ignore
  // unknown fields.
  if ((messages ?? prompt) !== undefined || input === undefined || max_output_tokens !== undefined) return false;
  // Speech has instructions for its voice.
  if (typeof input === 'string' && typeof body.voice === 'string') return true;
  if (instructions !== undefined) return false;
  return dimensions !== undefined || encoding_format !== undefined || (typeof model === 'string' && /embed|moderation/.test(model));
}

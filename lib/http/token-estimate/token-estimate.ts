import { InvalidArgumentError } from '../../common/errors.js';
import { nextTurn } from '../../common/next-turn.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import type { PromptEstimate } from '../../token-counter/prompt/request-counter.js';
import { REPLY_PRIMING } from '../../token-counter/prompt/messages.js';
import { TOKENS_PER_BYTE } from '../../token-counter/prompt/prompt-context.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { outputCap, worstNanoUsd } from './worst-cost.js';
import { CountedPrompt, type PromptFields, type PromptMemory } from './prompt-memory.js';

type Body = Readonly<Record<string, unknown>>;

/** The least reply of a request that does not limit it. */
const UNLIMITED_REPLY = 1024;
const MOST_CHOICES = 128;
/** A prompt that JSON cannot express cannot be sent either. */
const UNREADABLE_PROMPT = 1;

/** The targets that are read: a request with more is rejected under any settings. */
const MOST_FALLBACKS = 100;
const FALLBACK_FIELDS = ['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'];

export interface EstimateContext {
  readonly counter: TokenCounterService;
  readonly tokensPerMinute: number;
  /** Counts off the main thread. */
  readonly isLarge?: boolean;
  /** Keeps the count of the prompt for `LlmClient`. */
  readonly memory?: PromptMemory;
}

/**
 * Estimates the tokens of a request: its prompt, and the reply that its body allows
 * (`max_completion_tokens`, `max_tokens`, `max_output_tokens`, times `n`), otherwise at least 1024
 * or a quarter of the limit. Embeddings have no reply; a body without a prompt has 0.
 *
 * Of several prompts, several figures for the reply, and the fallbacks of the request the largest
 * counts, because each provider reads its own. Counting a large body stops above `tokensLeft`: then
 * the rest is estimated, and the result is at most `tokensPerMinute` unless more was counted.
 */
export async function estimateTokens(body: unknown, context: EstimateContext, tokensLeft = Infinity): Promise<number> {
  if (!isBody(body)) return 0;
  const { counter, tokensPerMinute, isLarge = false, memory } = context;
  const prompt = isLarge ? await estimateLarge(body, context, tokensLeft) : promptTokensOf(body, counter, memory);
  let tokens = withReply(prompt, body, tokensPerMinute);
  for (const changes of fallbackChanges(body)) {
    if (tokens > tokensLeft) break;
    const { counted, isWhole } = promptOfFallback(changes);
    const own = isLarge ? await promptTokensOfAsync(counted, counter, undefined, tokensLeft) : promptTokensOf(counted, counter);
    tokens = Math.max(tokens, withReply(isWhole ? own : prompt + own, { ...body, ...changes }, tokensPerMinute));
  }
  return tokens;
}

/** The changes that the fallbacks of an unchecked body make to it. */
function* fallbackChanges(body: Body): Generator<Body> {
  let left = MOST_FALLBACKS;
  for (const field of FALLBACK_FIELDS) {
    const list = body[field];
    if (!Array.isArray(list)) continue;
    for (const entry of list as unknown[]) {
      if (typeof entry !== 'object' || entry === null) continue;
      const targets = typeof (entry as { readonly model?: unknown }).model === 'string' ? [entry] : Object.values(entry).flat();
      for (const target of targets as unknown[]) {
        if (left-- <= 0) return;
        if (typeof target === 'object' && target !== null) yield target as Body;
      }
    }
  }
}

/** What to count of a fallback: its own prompt, or what it adds to that of the request. */
function promptOfFallback(changes: Body): { readonly counted: Body; readonly isWhole: boolean } {
  const { messages, input, prompt, tools, functions, system, instructions } = changes;
  if ((messages ?? input ?? prompt) !== undefined) return { counted: changes, isWhole: true };
  const adds = (tools ?? functions ?? system ?? instructions) !== undefined;
  return { counted: adds ? { ...changes, messages: [] } : {}, isWhole: false };
}

/** Tokens of a large prompt, as far as `tokensLeft` leaves room beside its reply. */
async function estimateLarge(body: Body, { counter, tokensPerMinute, memory }: EstimateContext, tokensLeft: number): Promise<number> {
  if (memory?.prompt?.isOf(body) === true) return memory.prompt.tokens;
  const reply = replyOf(body);
  const { counted, tokens, isWhole } = await largestPrompt(body, counter, tokensLeft - reply);
  if (!isWhole) return Math.max(counted, Math.min(tokens, tokensPerMinute - reply));
  if (memory !== undefined) memory.prompt = CountedPrompt.of(tokens, body);
  return tokens;
}

/** Tokens of a request's prompt, kept in `memory` until the prompt changes. 0 without a prompt. */
export function promptTokensOf(request: object, counter: TokenCounterService, memory?: PromptMemory): number {
  const body = request as Body;
  if (memory?.prompt?.isOf(body) === true) return memory.prompt.tokens;
  const { prompts, tools } = promptsOf(body);
  let tokens = 0;
  for (const prompt of prompts) tokens = Math.max(tokens, estimateOf(prompt, counter));
  if (tools !== undefined) tokens += Math.max(0, estimateOf(tools, counter) - REPLY_PRIMING);
  if (memory !== undefined) memory.prompt = CountedPrompt.of(tokens, body);
  return tokens;
}

/** The same off the main thread, for large bodies. Stops above `limit`; the rest is estimated. */
export async function promptTokensOfAsync(
  request: object,
  counter: TokenCounterService,
  memory?: PromptMemory,
  limit = Infinity,
): Promise<number> {
  const body = request as Body;
  if (memory?.prompt?.isOf(body) === true) return memory.prompt.tokens;
  const { tokens, isWhole } = await largestPrompt(body, counter, limit);
  if (memory !== undefined && isWhole) memory.prompt = CountedPrompt.of(tokens, body);
  return tokens;
}

/** The largest prompt of a body, and its tools. `isWhole`: no count stopped early. */
async function largestPrompt(
  body: Body,
  counter: TokenCounterService,
  limit: number,
): Promise<PromptEstimate & { readonly isWhole: boolean }> {
  const { prompts, tools } = promptsOf(body);
  const ofTools = tools === undefined ? undefined : await estimateOfAsync(tools, counter, limit + REPLY_PRIMING);
  const extra = Math.max(0, (ofTools?.counted ?? 0) - REPLY_PRIMING);
  const extraTokens = Math.max(0, (ofTools?.tokens ?? 0) - REPLY_PRIMING);
  let [counted, tokens] = [0, 0];
  for (const prompt of prompts) {
    if (extra + counted > limit) break;
    const estimate = await estimateOfAsync(prompt, counter, limit - extra);
    counted = Math.max(counted, estimate.counted);
    tokens = Math.max(tokens, estimate.tokens);
  }
  return { counted: counted + extra, tokens: tokens + extraTokens, isWhole: counted + extra <= limit };
}

/** The prompts of a body, of which a provider reads one. Beside several, tools count once. */
function promptsOf(body: Body): { readonly prompts: readonly Body[]; readonly tools?: Body } {
  const { messages, input, prompt } = body;
  const hasSeveral = (messages !== undefined && (input ?? prompt) !== undefined) || (input !== undefined && prompt !== undefined);
  if (!hasSeveral) return { prompts: [body] };
  const { tools, functions, tool_choice, function_call, ...rest } = body;
  const others = { ...rest, messages: undefined, input: undefined, prompt: undefined };
  const prompts: Body[] = [];
  if (messages !== undefined) prompts.push({ ...others, messages });
  // A stored prompt of the Responses API has its variables in `prompt`, beside the input.
  if (input !== undefined) prompts.push({ ...others, input, prompt: isBody(prompt) ? prompt : undefined });
  if (prompt !== undefined) prompts.push({ ...others, prompt });
  const hasTools = (tools ?? functions) !== undefined;
  return { prompts, tools: hasTools ? { model: body.model, messages: [], tools, functions, tool_choice, function_call } : undefined };
}

function estimateOf(body: Body, counter: TokenCounterService): number {
  try {
    return counter.estimatePrompt(body);
  } catch (error) {
    return estimateByLength(body, error);
  }
}

async function estimateOfAsync(body: Body, counter: TokenCounterService, limit: number): Promise<PromptEstimate> {
  // Not in the turn that parsed the body: each of them takes its time.
  await nextTurn();
  try {
    return await counter.estimatePromptAsync(body, limit);
  } catch (error) {
    const tokens = estimateByLength(body, error);
    return { counted: tokens, tokens };
  }
}

/** Estimates a prompt that cannot be counted by the length of its JSON. */
function estimateByLength({ messages, input, prompt, system, instructions, tools, functions }: PromptFields, error: unknown): number {
  if (!(error instanceof InvalidArgumentError)) throw error;
  if ((messages ?? input ?? prompt ?? undefined) === undefined) return 0;
  try {
    const json = JSON.stringify({ messages, input, prompt, system, instructions, tools, functions });
    return Math.ceil(Buffer.byteLength(json) * TOKENS_PER_BYTE);
  } catch {
    return UNREADABLE_PROMPT;
  }
}

/**
 * The most nano-USD that a request may cost by the prices of its model: `max_tokens`, otherwise the
 * model's own limit or 16,384, times `n`. 0 without a prompt; `undefined` where no price is known.
 */
export async function estimateNanoUsd(
  body: unknown,
  { counter, isLarge = false, memory }: Omit<EstimateContext, 'tokensPerMinute'>,
): Promise<number | undefined> {
  if (!isBody(body)) return 0;
  const prompt = isLarge ? await promptTokensOfAsync(body, counter, memory) : promptTokensOf(body, counter, memory);
  if (prompt === 0) return 0;
  const { model, n } = body;
  const name = typeof model === 'string' ? model : undefined;
  const asked = replyOf({ ...body, n: 1 });
  const choices = Math.min(Math.max(positive(n), 1), MOST_CHOICES);
  const output = isEmbedding(body) ? 0 : outputCap(asked === 0 ? undefined : asked, counter.getModelLimits(name).maxOutputTokens, choices);
  return worstNanoUsd((input, out, details) => counter.estimateCost(input, out, name, details), prompt, output);
}

/** Tokens of the prompt and of the reply that the body allows. */
function withReply(prompt: number, body: Body, tokensPerMinute: number): number {
  if (prompt === 0) return 0;
  const isUnlimited = !isEmbedding(body) && replyOf(body) === 0;
  const least = isUnlimited ? Math.min(UNLIMITED_REPLY, Math.max(1, Math.floor(tokensPerMinute / 4))) : 0;
  return Math.min(Math.max(prompt + replyOf(body), least), LARGEST_AMOUNT);
}

/** Tokens that the body allows for the reply; 0 if it names no figure. */
function replyOf(body: Body): number {
  if (isEmbedding(body)) return 0;
  const { max_completion_tokens, max_tokens, max_output_tokens, n } = body;
  const reply = Math.max(positive(max_completion_tokens), positive(max_tokens), positive(max_output_tokens));
  return reply * Math.min(Math.max(positive(n), 1), MOST_CHOICES);
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

function isEmbedding({
  messages,
  prompt,
  input,
  instructions,
  max_output_tokens,
  model,
  dimensions,
  encoding_format,
}: Readonly<Record<string, unknown>>): boolean {
  // A chat or completion stays one with the fields of embeddings beside it: some providers ignore
  // unknown fields.
  if ((messages ?? prompt) !== undefined || input === undefined || instructions !== undefined || max_output_tokens !== undefined)
    return false;
  return dimensions !== undefined || encoding_format !== undefined || (typeof model === 'string' && model.includes('embed'));
}

/** A positive figure, otherwise 0: a negative one would return tokens. */
function positive(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 1 ? Math.min(Math.ceil(value), LARGEST_AMOUNT) : 0;
}

import { InvalidArgumentError } from '../../common/errors.js';
import { nextTurn } from '../../common/next-turn.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import type { PromptEstimate } from '../../token-counter/prompt/request-counter.js';
import { REPLY_PRIMING } from '../../token-counter/prompt/messages.js';
import { TOKENS_PER_BYTE } from '../../token-counter/prompt/prompt-context.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { CountedPrompt, type PromptFields, type PromptMemory } from './prompt-memory.js';
import { fallbackChanges } from '../request-fallbacks.js';

type Body = Readonly<Record<string, unknown>>;

/** A reply whose length the request does not limit is taken to be this long at least. */
const UNLIMITED_REPLY = 1024;
const MOST_CHOICES = 128;
/** What could not even be sent. */
const UNREADABLE_PROMPT = 1;

/** What an estimate goes by. */
export interface EstimateContext {
  readonly counter: TokenCounterService;
  readonly tokensPerMinute: number;
  /** Where the count of the prompt is kept for the client. */
  readonly memory?: PromptMemory;
}

/**
 * Tokens that a request with this body may use: its prompt, and the reply it allows (`max_completion_tokens`, `max_tokens`, `max_output_tokens`,
 * times `n`). Where it allows any, not less than 1024 or a quarter of the limit. Embeddings have no reply. 0 without a prompt. Of several prompts, and of
 * several figures of a reply, the largest: each provider reads its own and passes over the others. So it is of the request and its fallbacks.
 */
export function estimateTokens(body: unknown, { counter, tokensPerMinute, memory }: EstimateContext): number {
  if (!isBody(body)) return 0;
  const prompt = promptTokensOf(body, counter, memory);
  let tokens = withReply(prompt, body, tokensPerMinute);
  for (const changes of fallbackChanges(body)) {
    const fallback = promptOfFallback(changes, prompt);
    const own = typeof fallback === 'number' ? fallback : fallback.beside + promptTokensOf(fallback.body, counter);
    tokens = Math.max(tokens, withReply(own, { ...body, ...changes }, tokensPerMinute));
  }
  return tokens;
}

/**
 * The same off the main thread, for large bodies. Counting stops when the prompt and its reply exceed `tokensLeft`: then an estimate of the whole, which is no
 * more than `tokensPerMinute` unless what was counted is.
 */
export async function estimateTokensAsync(body: unknown, context: EstimateContext, tokensLeft = Infinity): Promise<number> {
  if (!isBody(body)) return 0;
  const { counter, tokensPerMinute } = context;
  let tokens = await estimateWholeAsync(body, context, tokensLeft);
  for (const changes of fallbackChanges(body)) {
    if (tokens > tokensLeft) break;
    const fallback = promptOfFallback(changes, tokens);
    const own =
      typeof fallback === 'number' ? fallback : fallback.beside + (await estimateOfAsync(fallback.body, counter, tokensLeft)).tokens;
    tokens = Math.max(tokens, withReply(own, { ...body, ...changes }, tokensPerMinute));
  }
  return tokens;
}

/**
 * The prompt of a fallback that changes the request: its own, or the request's with what it adds, which is counted by itself: the request's would be counted
 * anew for each fallback otherwise.
 */
function promptOfFallback(changes: Body, prompt: number): number | { readonly body: Body; readonly beside: number } {
  const { messages, input, prompt: text, tools, functions, system, instructions } = changes;
  if ((messages ?? input ?? text) !== undefined) return { body: changes, beside: 0 };
  if ((tools ?? functions ?? system ?? instructions) === undefined) return prompt;
  return { body: { ...changes, messages: [] }, beside: prompt };
}

async function estimateWholeAsync(body: Body, { counter, tokensPerMinute, memory }: EstimateContext, tokensLeft: number): Promise<number> {
  if (memory?.prompt?.isOf(body) === true) return withReply(memory.prompt.tokens, body, tokensPerMinute);
  const reply = withReply(1, body, tokensPerMinute) - 1;
  const { counted, tokens, isWhole } = await largestPrompt(body, counter, tokensLeft - reply);
  if (isWhole) {
    if (memory !== undefined) memory.prompt = CountedPrompt.of(tokens, body);
    return withReply(tokens, body, tokensPerMinute);
  }
  const certain = withReply(counted, body, tokensPerMinute);
  return Math.max(certain, Math.min(withReply(tokens, body, tokensPerMinute), tokensPerMinute));
}

/** Tokens of a request's prompt, counted once; anew where it has changed meanwhile. 0 where it has none. */
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

/** The same off the main thread, for large bodies. */
export async function promptTokensOfAsync(request: object, counter: TokenCounterService, memory?: PromptMemory): Promise<number> {
  const body = request as Body;
  if (memory?.prompt?.isOf(body) === true) return memory.prompt.tokens;
  const { tokens } = await largestPrompt(body, counter, Infinity);
  if (memory !== undefined) memory.prompt = CountedPrompt.of(tokens, body);
  return tokens;
}

/** `isWhole`: no count has stopped early. */
async function largestPrompt(
  body: Body,
  counter: TokenCounterService,
  limit: number,
): Promise<PromptEstimate & { readonly isWhole: boolean }> {
  const { prompts, tools } = promptsOf(body);
  const ofTools = tools === undefined ? undefined : await estimateOfAsync(tools, counter, limit + REPLY_PRIMING);
  const extra = {
    counted: Math.max(0, (ofTools?.counted ?? 0) - REPLY_PRIMING),
    tokens: Math.max(0, (ofTools?.tokens ?? 0) - REPLY_PRIMING),
  };
  let [counted, tokens] = [0, 0];
  for (const prompt of prompts) {
    if (extra.counted + counted > limit) break;
    const estimate = await estimateOfAsync(prompt, counter, limit - extra.counted);
    counted = Math.max(counted, estimate.counted);
    tokens = Math.max(tokens, estimate.tokens);
  }
  const all = { counted: counted + extra.counted, tokens: tokens + extra.tokens };
  return { ...all, isWhole: all.counted <= limit };
}

/** The prompts of a body, of which a provider reads one, and the tools beside them where there are several: they count once. */
function promptsOf(body: Body): { readonly prompts: readonly Body[]; readonly tools?: Body } {
  const { messages, input, prompt } = body;
  const hasSeveral = (messages !== undefined && (input ?? prompt) !== undefined) || (input !== undefined && prompt !== undefined);
  if (!hasSeveral) return { prompts: [body] };
  const { tools, functions, tool_choice, function_call, ...rest } = body;
  const others = { ...rest, messages: undefined, input: undefined, prompt: undefined };
  const prompts: Body[] = [];
  if (messages !== undefined) prompts.push({ ...others, messages });
  // A stored prompt has its variables beside the input.
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
  // Behind the turn that has parsed the body: each of the two takes its time.
  await nextTurn();
  try {
    return await counter.estimatePromptAsync(body, limit);
  } catch (error) {
    const tokens = estimateByLength(body, error);
    return { counted: tokens, tokens };
  }
}

/** Tokens of a prompt that cannot be counted, by the length of its JSON: it may be one that the provider takes. */
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

/** Of a prompt of so many tokens, those of the prompt and of the reply that the body allows. */
function withReply(prompt: number, body: Body, tokensPerMinute: number): number {
  if (prompt === 0 || isEmbedding(body)) return Math.min(prompt, LARGEST_AMOUNT);
  const { max_completion_tokens, max_tokens, max_output_tokens } = body;
  const reply = Math.max(positive(max_completion_tokens), positive(max_tokens), positive(max_output_tokens));
  const choices = Math.min(Math.max(positive(body.n), 1), MOST_CHOICES);
  if (reply > 0) return Math.min(prompt + reply * choices, LARGEST_AMOUNT);
  return Math.min(Math.max(prompt, Math.min(UNLIMITED_REPLY, Math.max(1, Math.floor(tokensPerMinute / 4)))), LARGEST_AMOUNT);
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
  // A chat, or a completion, with the fields of embeddings beside its prompt is one all the same: some providers pass over what they do not know.
  if ((messages ?? prompt) !== undefined || input === undefined || instructions !== undefined || max_output_tokens !== undefined)
    return false;
  return dimensions !== undefined || encoding_format !== undefined || (typeof model === 'string' && model.includes('embed'));
}

/** Only what an honest client would send, otherwise 0: a negative figure would give tokens away. */
function positive(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 1 ? Math.min(Math.ceil(value), LARGEST_AMOUNT) : 0;
}

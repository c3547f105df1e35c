import type { UsageDetails } from '../common/token-cost.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';

/** Tokens of one call, as its provider reported them. */
export interface AnswerUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** Of these tokens, those that have prices of their own, where there are any. */
  readonly details?: UsageDetails;
}

/** Tokens as a provider reports them: OpenAI's chat and Responses, Anthropic's, the AI SDK's, and an `AnswerUsage`. What is missing counts as 0. */
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
const NOTHING: Fields = {};

/** The usage that a provider, or an SDK over it, reports; `undefined` for what is none. */
export function usageFrom(value: unknown): AnswerUsage | undefined {
  const fields = fieldsOf(value);
  const usage = tokensIn(fields);
  if (usage === undefined) return undefined;
  const details = detailsIn(fields);
  return details === undefined ? usage : { ...usage, details };
}

/** All tokens of a usage; `undefined` for what is none. */
export function usedTokens(value: unknown): number | undefined {
  return tokensIn(fieldsOf(value))?.totalTokens;
}

/** By all names that are known. A total is more than its parts where a provider counts reasoning in it alone; less than they are it cannot be. */
function tokensIn(fields: Fields): AnswerUsage | undefined {
  const prompt = amount(fields.prompt_tokens) ?? withCached(fields) ?? amount(fields.promptTokens) ?? inputOfAiSdk(fields);
  const completion =
    amount(fields.completion_tokens) ?? amount(fields.output_tokens) ?? amount(fields.completionTokens) ?? totalIn(fields.outputTokens);
  const total = amount(fields.total_tokens) ?? amount(fields.totalTokens);
  if (prompt === undefined && completion === undefined && total === undefined) return undefined;
  const promptTokens = prompt ?? 0;
  const completionTokens = completion ?? Math.max(0, (total ?? 0) - promptTokens);
  const totalTokens = Math.min(Math.max(total ?? 0, promptTokens + completionTokens), LARGEST_AMOUNT);
  return { promptTokens, completionTokens, totalTokens };
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : NOTHING;
}

/** Cached and reasoning tokens by the names of OpenAI (and its Responses), DeepSeek, the AI SDK and Anthropic, and an `AnswerUsage`; `undefined` where there are none. */
function detailsIn(fields: Fields): UsageDetails | undefined {
  const within = (name: string): Fields => fieldsOf(fields[name]);
  const own = within('details');
  const [prompt, completion] = [within('prompt_tokens_details'), within('completion_tokens_details')];
  const [input, output] = [within('input_tokens_details'), within('output_tokens_details')];
  const [inputOf, outputOf] = [within('inputTokenDetails'), within('outputTokenDetails')];
  const [inputParts, outputParts] = [within('inputTokens'), within('outputTokens')];
  const cacheReadTokens = firstAmount(
    prompt.cached_tokens,
    input.cached_tokens,
    fields.cache_read_input_tokens,
    fields.prompt_cache_hit_tokens,
    inputOf.cacheReadTokens,
    inputParts.cacheRead,
    fields.cachedInputTokens,
    own.cacheReadTokens,
  );
  const cacheWriteTokens = firstAmount(
    fields.cache_creation_input_tokens,
    inputOf.cacheWriteTokens,
    inputParts.cacheWrite,
    own.cacheWriteTokens,
  );
  const cacheWrite1hTokens = firstAmount(within('cache_creation').ephemeral_1h_input_tokens, own.cacheWrite1hTokens);
  const reasoningTokens = firstAmount(
    completion.reasoning_tokens,
    output.reasoning_tokens,
    outputOf.reasoningTokens,
    outputParts.reasoning,
    fields.reasoningTokens,
    own.reasoningTokens,
  );
  if (cacheReadTokens + cacheWriteTokens + cacheWrite1hTokens + reasoningTokens === 0) return undefined;
  return { cacheReadTokens, cacheWriteTokens, cacheWrite1hTokens, reasoningTokens };
}

/** Whole tokens: the first of these that are any. */
function firstAmount(...values: readonly unknown[]): number {
  for (const value of values) {
    const tokens = amount(value);
    if (tokens !== undefined && tokens > 0) return Math.round(tokens);
  }
  return 0;
}

/** Anthropic's `input_tokens` leave out what is written to a cache or read from one; all others' figures have that in them. */
function withCached(fields: Fields): number | undefined {
  const input = amount(fields.input_tokens);
  if (input === undefined) return undefined;
  return amount(input + (amount(fields.cache_creation_input_tokens) ?? 0) + (amount(fields.cache_read_input_tokens) ?? 0));
}

/**
 * The AI SDK's `inputTokens`, from its version 6 on: a total with what is cached in it, as of OpenAI's. Version 5 hands on what the provider says, Anthropic's
 * without: where more is cached than there is, it is not in it.
 */
function inputOfAiSdk({ inputTokens, cachedInputTokens }: Fields): number | undefined {
  const input = totalIn(inputTokens);
  const cached = amount(cachedInputTokens) ?? 0;
  return input === undefined || cached <= input ? input : amount(input + cached);
}

/** A figure, or that of its parts: `{ total, cacheRead, … }` is what a model of the AI SDK gives. */
function totalIn(value: unknown): number | undefined {
  return amount(value) ?? amount(fieldsOf(value).total);
}

/** What is more than any call can use would spoil all sums for good. */
function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= LARGEST_AMOUNT ? value : undefined;
}

import { InvalidArgumentError } from '../common/errors.js';
import { LARGEST_AMOUNT } from '../rate-limit/rate-limit.arguments.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';

/** A reply whose length the request does not limit is taken to be this long at least. */
const UNLIMITED_REPLY = 1024;
const MOST_CHOICES = 128;

/**
 * Tokens that a request with this body may use: its prompt, and the reply it allows (`max_completion_tokens`, `max_tokens`, `max_output_tokens`,
 * times `n`). Where it allows any, not less than 1024 or a quarter of the limit. Embeddings have no reply. 0 without a prompt.
 */
export function estimateTokens(body: unknown, counter: TokenCounterService, tokensPerMinute: number, remembered?: PromptMemory): number {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 0;
  const request = body as Readonly<Record<string, unknown>>;
  const prompt = promptTokensOf(request, counter, remembered);
  if (prompt === 0 || isEmbedding(request)) return prompt;
  const reply = positive(request.max_completion_tokens) ?? positive(request.max_tokens) ?? positive(request.max_output_tokens);
  const choices = Math.min(positive(request.n) ?? 1, MOST_CHOICES);
  if (reply !== undefined) return Math.min(prompt + reply * choices, LARGEST_AMOUNT);
  return Math.max(prompt, Math.min(UNLIMITED_REPLY, Math.max(1, Math.floor(tokensPerMinute / 4))));
}

/** What a count was made of, as far as that is seen without reading the whole. */
export class CountedPrompt {
  constructor(
    readonly tokens: number,
    readonly facts: readonly unknown[],
  ) {}

  /** Whether nothing of the kind has changed since. */
  isOf(request: Readonly<Record<string, unknown>>): boolean {
    const { facts } = this;
    let at = 0;
    for (const field of PROMPT_FIELDS) {
      const value = request[field];
      if (facts[at++] !== value) return false;
      if (!Array.isArray(value)) continue;
      const [first, last] = endsOf(value);
      if (value.length !== facts[at] || first !== facts[at + 1] || first?.content !== facts[at + 2]) return false;
      if (last !== facts[at + 3] || last?.content !== facts[at + 4]) return false;
      at += FACTS_OF_A_LIST;
    }
    return at === facts.length;
  }
}

/** Its length, its ends, and what they say. */
const FACTS_OF_A_LIST = 5;
const PROMPT_FIELDS = ['model', 'messages', 'input', 'prompt', 'system', 'instructions', 'tools', 'functions'] as const;
/** Where the prompt of a request is remembered, as a guard and a client ask for the same one: the request's context. */
export interface PromptMemory {
  prompt: CountedPrompt | undefined;
}

/** Tokens of a request's prompt, counted once; anew where it has got or lost messages meanwhile, or others at an end. 0 where it has none that can be read. */
export function promptTokensOf(request: object, counter: TokenCounterService, remembered?: PromptMemory): number {
  if (remembered === undefined) return count(request, counter);
  const { prompt } = remembered;
  if (prompt?.isOf(request as Readonly<Record<string, unknown>>) === true) return prompt.tokens;
  const tokens = count(request, counter);
  remembered.prompt = new CountedPrompt(tokens, factsOf(request as Readonly<Record<string, unknown>>));
  return tokens;
}

function factsOf(request: Readonly<Record<string, unknown>>): unknown[] {
  const facts: unknown[] = [];
  for (const field of PROMPT_FIELDS) {
    const value = request[field];
    facts.push(value);
    if (!Array.isArray(value)) continue;
    const [first, last] = endsOf(value);
    facts.push(value.length, first, first?.content, last, last?.content);
  }
  return facts;
}

type Message = { readonly content?: unknown } | null | undefined;

function endsOf(list: readonly unknown[]): [Message, Message] {
  return [list[0] as Message, list[list.length - 1] as Message];
}

function count(request: object, counter: TokenCounterService): number {
  try {
    return counter.countRequest(request).promptTokens;
  } catch (error) {
    // A body without a prompt costs nothing, and a wrong one is for the handler to refuse.
    if (error instanceof InvalidArgumentError) return 0;
    throw error;
  }
}

function isEmbedding({
  input,
  instructions,
  max_output_tokens,
  model,
  dimensions,
  encoding_format,
}: Readonly<Record<string, unknown>>): boolean {
  if (input === undefined || instructions !== undefined || max_output_tokens !== undefined) return false;
  return dimensions !== undefined || encoding_format !== undefined || (typeof model === 'string' && model.includes('embed'));
}

/** Only what an honest client would send: a negative figure would give tokens away. */
function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 1 ? Math.min(Math.ceil(value), LARGEST_AMOUNT) : undefined;
}

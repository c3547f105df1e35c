import { InvalidArgumentError } from '../common/errors.js';
import { LARGEST_AMOUNT } from '../rate-limit/rate-limit.arguments.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';

/** A reply whose length the request does not limit is taken to be this long at least. */
const UNLIMITED_REPLY = 1024;
const MOST_CHOICES = 128;
/** English has about so many; more than that many of base64 in a row are an image, a film or a sound, and no text. */
const CHARACTERS_PER_TOKEN = 4;
const BASE64 = /[A-Za-z0-9+/=]{512,}/g;
/** What could not even be sent. */
const UNREADABLE_PROMPT = 1;

/**
 * Tokens that a request with this body may use: its prompt, and the reply it allows (`max_completion_tokens`, `max_tokens`, `max_output_tokens`,
 * times `n`). Where it allows any, not less than 1024 or a quarter of the limit. Embeddings have no reply. 0 without a prompt. Of several prompts, and of
 * several figures of a reply, the largest: each provider reads its own and passes over the others.
 */
export function estimateTokens(body: unknown, counter: TokenCounterService, tokensPerMinute: number, remembered?: PromptMemory): number {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 0;
  const request = body as Readonly<Record<string, unknown>>;
  const prompt = promptTokensOf(request, counter, remembered);
  if (prompt === 0 || isEmbedding(request)) return prompt;
  const { max_completion_tokens, max_tokens, max_output_tokens } = request;
  const reply = Math.max(positive(max_completion_tokens), positive(max_tokens), positive(max_output_tokens));
  const choices = Math.min(Math.max(positive(request.n), 1), MOST_CHOICES);
  if (reply > 0) return Math.min(prompt + reply * choices, LARGEST_AMOUNT);
  return Math.max(prompt, Math.min(UNLIMITED_REPLY, Math.max(1, Math.floor(tokensPerMinute / 4))));
}

/** What of a body its prompt is made of. */
interface PromptFields {
  readonly model?: unknown;
  readonly messages?: unknown;
  readonly input?: unknown;
  readonly prompt?: unknown;
  readonly system?: unknown;
  readonly instructions?: unknown;
  readonly tools?: unknown;
  readonly functions?: unknown;
}

type Message = { readonly content?: unknown } | null | undefined;

/** A list as it was: its length, its ends, and what they say. */
class SeenList {
  private readonly length: number;
  private readonly first: Message;
  private readonly last: Message;
  private readonly firstSays: unknown;
  private readonly lastSays: unknown;

  constructor(
    private readonly list: readonly Message[],
    readonly next: SeenList | undefined,
  ) {
    this.length = list.length;
    this.first = list[0];
    this.last = list[list.length - 1];
    this.firstSays = this.first?.content;
    this.lastSays = this.last?.content;
  }

  get hasChanged(): boolean {
    const { list, length, first, last } = this;
    if (list.length !== length || list[0] !== first || list[length - 1] !== last) return true;
    return first?.content !== this.firstSays || last?.content !== this.lastSays;
  }
}

/** What a count was made of, as far as that is seen without reading the whole. Field by field: a loop over names would look each of them up anew. */
export class CountedPrompt {
  private readonly model: unknown;
  private readonly messages: unknown;
  private readonly input: unknown;
  private readonly prompt: unknown;
  private readonly system: unknown;
  private readonly instructions: unknown;
  private readonly tools: unknown;
  private readonly functions: unknown;
  private readonly lists: SeenList | undefined;

  constructor(
    readonly tokens: number,
    request: PromptFields,
  ) {
    let lists: SeenList | undefined;
    this.model = request.model;
    lists = seen((this.messages = request.messages), lists);
    lists = seen((this.input = request.input), lists);
    lists = seen((this.prompt = request.prompt), lists);
    lists = seen((this.system = request.system), lists);
    lists = seen((this.instructions = request.instructions), lists);
    lists = seen((this.tools = request.tools), lists);
    this.lists = seen((this.functions = request.functions), lists);
  }

  /** Whether nothing of the kind has changed since. */
  isOf(request: PromptFields): boolean {
    if (request.model !== this.model || request.messages !== this.messages || request.input !== this.input) return false;
    if (request.prompt !== this.prompt || request.system !== this.system || request.instructions !== this.instructions) return false;
    if (request.tools !== this.tools || request.functions !== this.functions) return false;
    for (let list = this.lists; list !== undefined; list = list.next) if (list.hasChanged) return false;
    return true;
  }
}

function seen(value: unknown, others: SeenList | undefined): SeenList | undefined {
  return Array.isArray(value) ? new SeenList(value as readonly Message[], others) : others;
}

/** Where the prompt of a request is remembered, as a guard and a client ask for the same one: the request's context. */
export interface PromptMemory {
  prompt: CountedPrompt | undefined;
}

/** Tokens of a request's prompt, counted once; anew where it has got or lost messages meanwhile, or others at an end. 0 where it has none. */
export function promptTokensOf(request: object, counter: TokenCounterService, remembered?: PromptMemory): number {
  if (remembered === undefined) return count(request, counter);
  const { prompt } = remembered;
  if (prompt?.isOf(request) === true) return prompt.tokens;
  const tokens = count(request, counter);
  remembered.prompt = new CountedPrompt(tokens, request);
  return tokens;
}

function count(request: PromptFields, counter: TokenCounterService): number {
  const { messages, input, prompt } = request;
  let tokens = countFirst(request, counter);
  if (messages !== undefined && (input ?? prompt) !== undefined) {
    tokens = Math.max(tokens, countFirst({ ...request, messages: undefined }, counter));
  }
  if (input !== undefined && prompt !== undefined) {
    tokens = Math.max(tokens, countFirst({ ...request, messages: undefined, input: undefined }, counter));
  }
  return tokens;
}

/** `messages`, else `input`, else `prompt`. */
function countFirst(request: PromptFields, counter: TokenCounterService): number {
  try {
    return counter.countRequest(request).promptTokens;
  } catch (error) {
    if (error instanceof InvalidArgumentError) return hasPrompt(request) ? lengthOf(request) : 0;
    throw error;
  }
}

/**
 * Tokens by the length of the prompt's JSON. A prompt that cannot be counted may be one that the provider takes: a part of a kind that is not known
 * here must not let the texts beside it pass for nothing.
 */
function lengthOf({ messages, input, prompt, system, instructions, tools, functions }: PromptFields): number {
  try {
    const json = JSON.stringify({ messages, input, prompt, system, instructions, tools, functions });
    return Math.ceil(json.replace(BASE64, '').length / CHARACTERS_PER_TOKEN);
  } catch {
    return UNREADABLE_PROMPT;
  }
}

function hasPrompt({ messages, input, prompt }: PromptFields): boolean {
  return (messages ?? input ?? prompt ?? undefined) !== undefined;
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

import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import { UNLIMITED_OUTPUT } from './worst-cost.js';

type Fields = Readonly<Record<string, unknown>>;

/** What a request lets a model write. */
export interface AskedOutput {
  /** Tokens of one choice: the largest figure of the request; 0 if it names none. */
  readonly tokens: number;
  /** Whether a field of the request's own API names one: providers ignore those of other APIs. */
  readonly isLimited: boolean;
  /** Answers that are generated: choices times prompts. At least 1. */
  readonly choices: number;
}

const CHAT_LIMITS = ['max_completion_tokens', 'max_tokens'];
const RESPONSES_LIMITS = ['max_output_tokens'];
/** OpenAI's names, and those of Gemini and Bedrock, whose own fields pass to them. */
const LIMITS: ReadonlySet<string> = new Set(['maxcompletiontokens', 'maxtokens', 'maxoutputtokens']);
const CHOICES: ReadonlySet<string> = new Set(['n', 'bestof', 'candidatecount']);
/** Objects that have the same fields in them. */
const CONTAINERS: ReadonlySet<string> = new Set(['generationconfig', 'inferenceconfig', 'additionalmodelrequestfields']);
const MOST_CHOICES = 128;
const NUMBER_TEXT = /^\s{0,9}\d{1,15}(?:\.\d{1,15})?\s{0,9}$/;

/**
 * Reads how much a request may be answered with. Each provider reads other names, so the largest
 * figure counts. A list of prompts has an answer for each.
 * @param body Tells the API by its prompt. Default: `fields`
 */
export function askedOutput(fields: Fields, body: Fields = fields): AskedOutput {
  let [tokens, choices] = [0, 1];
  for (const part of partsOf(fields)) {
    for (const name of Object.keys(part)) {
      const known = plainName(name);
      if (LIMITS.has(known)) tokens = Math.max(tokens, positive(part[name]));
      else if (CHOICES.has(known)) choices = Math.max(choices, Math.min(positive(part[name]), MOST_CHOICES));
    }
  }
  return { tokens, isLimited: isLimited(fields, body), choices: choices * promptsIn(fields.prompt) };
}

/** With prompts of several APIs the route decides which is read, so each has to be limited. */
function isLimited(fields: Fields, { messages, prompt, input }: Fields): boolean {
  const names = (known: readonly string[]): boolean => known.some((name) => positive(fields[name]) > 0);
  const isChat = (messages ?? undefined) !== undefined || typeof prompt === 'string' || Array.isArray(prompt);
  const isResponses = (input ?? undefined) !== undefined;
  if (!isChat && !isResponses) return names([...CHAT_LIMITS, ...RESPONSES_LIMITS]);
  return (!isChat || names(CHAT_LIMITS)) && (!isResponses || names(RESPONSES_LIMITS));
}

/** Tokens of one choice that a request may be answered with; `undefined` where it names none. */
export function mostOutput({ tokens, isLimited }: AskedOutput): number | undefined {
  if (tokens === 0) return undefined;
  return isLimited ? tokens : Math.max(tokens, UNLIMITED_OUTPUT);
}

/** Whether changes of a request take a limit of its output away, such as `max_tokens: null`. */
export function liftsLimit(changes: Fields): boolean {
  return Object.keys(changes).some((name) => LIMITS.has(plainName(name)) && positive(changes[name]) === 0);
}

/** The fields that limit the output of a request, each at most this figure. Empty: none does. */
export function limitedOutput(fields: Fields, tokens: number): Record<string, unknown> {
  const limited: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value === undefined || value === null) continue;
    const known = plainName(name);
    if (LIMITS.has(known)) limited[name] = Math.min(positive(value) || tokens, tokens);
    else if (CONTAINERS.has(known) && isObject(value)) {
      const inside = limitedOutput(value, tokens);
      if (Object.keys(inside).length > 0) limited[name] = { ...value, ...inside };
    }
  }
  return limited;
}

/** Whether a request to the Responses API is to run after its answer, which then has no usage. */
export function asksBackground(fields: Fields): boolean {
  return Object.keys(fields).some((name) => plainName(name) === 'background' && (fields[name] ?? false) !== false);
}

function* partsOf(fields: Fields): Generator<Fields> {
  yield fields;
  for (const name of Object.keys(fields)) {
    const value = CONTAINERS.has(plainName(name)) ? fields[name] : undefined;
    if (isObject(value)) yield value;
  }
}

/** Of completions. A list of numbers is one prompt. */
function promptsIn(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1;
}

/** A positive figure, otherwise 0: a negative one would return tokens. Servers read texts, too. */
function positive(value: unknown): number {
  const figure = typeof value === 'string' && NUMBER_TEXT.test(value) ? Number(value) : value;
  return typeof figure === 'number' && Number.isFinite(figure) && figure >= 1 ? Math.min(Math.ceil(figure), LARGEST_AMOUNT) : 0;
}

/** Google takes its fields in both spellings, servers in Go take any case. */
function plainName(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

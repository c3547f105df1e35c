import { isObject, type Fields } from '../../common/objects.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import { UNLIMITED_OUTPUT } from './worst-cost.js';

/** Output that a request allows. */
export interface RequestedOutput {
  /** Tokens of one choice: the largest figure of the request; 0 if it names none. */
  readonly tokens: number;
  /**
   * Whether a field of the request's own API names one, and no other field lifts it: providers
   * ignore the names of other APIs.
   */
  readonly isLimited: boolean;
  /** Answers that are generated: choices times prompts. At least 1. */
  readonly choices: number;
}

/** OpenAI's names, and those of Gemini and Bedrock, whose own fields pass to them. */
const LIMITS: ReadonlySet<string> = new Set(['maxcompletiontokens', 'maxtokens', 'maxoutputtokens']);
const CHOICES: ReadonlySet<string> = new Set(['n', 'bestof', 'candidatecount']);
/** Objects that have the same fields in them, and each other. */
const CONTAINERS: ReadonlySet<string> = new Set(['generationconfig', 'inferenceconfig', 'additionalmodelrequestfields']);
/** OpenAI's own bound. */
const UNREADABLE_CHOICES = 128;
const MOST_DEPTH = 3;
const NUMBER_TEXT = /^\s{0,9}\d{1,15}(?:\.\d{1,15})?\s{0,9}$/;

/** The fields of a request that say how much is to be written. */
export interface OutputFields extends Omit<RequestedOutput, 'isLimited'> {
  /** Those of OpenAI's own names that have a figure. */
  readonly limits: readonly string[];
  /** Whether Google's `generationConfig.maxOutputTokens` has one. */
  readonly limitsContent: boolean;
  /** Whether a field, or a prediction, lifts any limit. */
  readonly isLifted: boolean;
  /** Whether a field is not a number, such as `max_tokens: null`, which removes a default. */
  readonly liftsDefault: boolean;
  /** Whether a request to the Responses API runs after its answer, which then has no usage. */
  readonly isBackground: boolean;
}

/** Fields of most requests, none of which says how much is to be written. */
const OTHER_FIELDS: ReadonlySet<string> = new Set(
  'model messages input prompt system instructions stream stream_options temperature top_p stop tools tool_choice metadata user'.split(' '),
);

/**
 * Reads how much a request may be answered with, in one pass over its fields. Each provider reads
 * other names, so the largest figure counts. A list of prompts has an answer for each.
 */
export function readOutput(fields: Fields): OutputFields {
  const limits: string[] = [];
  let [tokens, choices, isBackground, liftsDefault, limitsContent] = [0, 1, false, false, false];
  // Rejected prediction tokens are output that no limit covers.
  let isLifted = (fields.prediction ?? undefined) !== undefined;
  const read = (from: Fields, depth: number, isConfig = false): void => {
    for (const key of Object.keys(from)) {
      if (OTHER_FIELDS.has(key)) continue;
      const name = plainName(key);
      const value = from[key];
      if (CHOICES.has(name)) choices = Math.max(choices, choicesIn(value));
      else if (LIMITS.has(name)) {
        const figure = positive(value);
        tokens = Math.max(tokens, figure);
        // `generationConfig.maxOutputTokens: null` overrides a figure next to it; at the top level,
        // `null` counts as absent.
        isLifted ||= figure === 0 && value !== undefined && (value !== null || depth > 0);
        liftsDefault ||= figure === 0 && depth === 0;
        if (figure > 0 && depth === 0) limits.push(key);
        limitsContent ||= isConfig && figure > 0 && name === 'maxoutputtokens';
      } else if (name === 'background') isBackground ||= depth === 0 && (value ?? false) !== false;
      else if (depth < MOST_DEPTH && CONTAINERS.has(name) && isObject(value))
        read(value, depth + 1, depth === 0 && name === 'generationconfig');
    }
  };
  read(fields, 0);
  if (fields.prompt !== undefined) choices = Math.min(choices * promptsIn(fields.prompt), LARGEST_AMOUNT);
  return { tokens, choices, limits, limitsContent, isLifted, liftsDefault, isBackground };
}

/**
 * Whether a field that the request's own API reads limits its output. With prompts of several APIs
 * the route decides which one is read, so each must have a limit.
 * @param operation Names the API (`chat`). Default: the APIs whose prompts the request has
 */
export function limitsOutput(fields: Fields, { limits, limitsContent, isLifted }: OutputFields, operation?: string): boolean {
  if (isLifted) return false;
  if (operation === 'generateContent') return limitsContent;
  const ofOlder = limits.includes('max_tokens');
  if (operation === 'completions' || operation === 'messages') return ofOlder;
  const ofChat = ofOlder || limits.includes('max_completion_tokens');
  if (operation === 'chat') return ofChat;
  const ofResponses = limits.includes('max_output_tokens');
  if (operation === 'responses') return ofResponses;
  const { messages, prompt, input, contents } = fields;
  if ((contents ?? undefined) !== undefined && !limitsContent) return false;
  const isChat = (messages ?? undefined) !== undefined || typeof prompt === 'string' || Array.isArray(prompt);
  const isResponses = (input ?? undefined) !== undefined;
  if (!isChat && !isResponses) return limitsContent || ofChat || ofResponses;
  return (!isChat || ofChat) && (!isResponses || ofResponses);
}

/** Reads how much a request, or a part of one, may be answered with. */
export function requestedOutput(fields: Fields, operation?: string): RequestedOutput {
  const output = readOutput(fields);
  const { tokens, choices } = output;
  return { tokens, choices, isLimited: limitsOutput(fields, output, operation) && !dropsLimit(fields) };
}

/**
 * Maximum output tokens of a request: the requested limit, within the model's maximum; the model's
 * maximum if nothing limits it for certain.
 */
export function outputCap(asked: Pick<RequestedOutput, 'tokens' | 'isLimited'>, modelMax: number | null | undefined, choices = 1): number {
  const unlimited = modelMax ?? Math.max(asked.tokens, UNLIMITED_OUTPUT);
  const ofOne = asked.isLimited ? Math.min(asked.tokens, modelMax ?? Infinity) : unlimited;
  return Math.min(ofOne * Math.max(1, choices), LARGEST_AMOUNT);
}

/** Whether a request removes limits of its output, such as a default with `max_tokens: null`. */
export function liftsLimit(changes: Fields): boolean {
  return Object.keys(changes).some((name) => LIMITS.has(plainName(name)) && positive(changes[name]) === 0);
}

/** Whether `additional_drop_params` remove a limit of the output before it is sent. */
export function dropsLimit({ additional_drop_params: paths }: Fields): boolean {
  if (!Array.isArray(paths)) return false;
  return paths.some((path) => {
    const first = typeof path === 'string' ? plainName(path.split(/[.[]/, 1)[0]) : '';
    return LIMITS.has(first) || CONTAINERS.has(first);
  });
}

/** Fields without those that say how much is to be written. */
export function withoutOutput(fields: Fields): Fields {
  const entries = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const known = plainName(name);
    if (LIMITS.has(known) || CHOICES.has(known)) return [];
    return [[name, CONTAINERS.has(known) && isObject(value) ? withoutOutput(value) : value]];
  });
  return Object.fromEntries(entries);
}

/** The fields that limit the output of a request, each at most this figure. Empty: none does. */
export function limitedOutput(fields: Fields, tokens: number, isInside = false): Record<string, unknown> {
  const limited: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    // In a provider's own object, `null` overrides a figure.
    if (value === undefined || (value === null && !isInside)) continue;
    const known = plainName(name);
    if (LIMITS.has(known)) limited[name] = Math.min(positive(value) || tokens, tokens);
    else if (CONTAINERS.has(known) && isObject(value)) {
      const inside = limitedOutput(value, tokens, true);
      if (Object.keys(inside).length > 0) limited[name] = { ...value, ...inside };
    }
  }
  return limited;
}

/** Whether a request to the Responses API is to run after its answer, which then has no usage. */
export function asksBackground(fields: Fields): boolean {
  return Object.keys(fields).some((name) => plainName(name) === 'background' && (fields[name] ?? false) !== false);
}

/** Servers read more texts as numbers than these: `+5`, `1_0`. */
function choicesIn(value: unknown): number {
  const isUnreadable = typeof value === 'string' && !NUMBER_TEXT.test(value);
  return isUnreadable ? UNREADABLE_CHOICES : positive(value);
}

/** Of completions. A list of numbers is one prompt. */
function promptsIn(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1;
}

/**
 * A positive figure, otherwise 0, because a negative one would return tokens. Servers also accept
 * strings.
 */
function positive(value: unknown): number {
  const figure = typeof value === 'string' && NUMBER_TEXT.test(value) ? Number(value) : value;
  return typeof figure === 'number' && Number.isFinite(figure) && figure >= 1 ? Math.min(Math.ceil(figure), LARGEST_AMOUNT) : 0;
}

/**
 * Google takes its fields in both spellings, servers in Go take any case: `ſ` is an `s` for them,
 * and the sign of Kelvin a `k`.
 */
export function plainName(name: string): string {
  return name.replaceAll('_', '').toLowerCase().replaceAll('ſ', 's');
}

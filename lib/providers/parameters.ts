import type { Fields } from '../common/objects.js';
import { InvalidArgumentError } from '../common/errors.js';
import { UnsupportedRequestError } from '../common/http-errors.js';
import { plainValue } from '../http/body/raw-field.js';
import { plainName, withoutOutput } from '../http/token-estimate/requested-output.js';
import { isOwnField } from './own-fields.js';
import { mergedFields } from './openai/request.js';
import type { SentRequest } from './protocol.js';

/** OpenAI's chat parameters: a provider has them or not. Any other is a provider's own. */
export const CHAT_PARAMETERS: ReadonlySet<string> = new Set(
  `audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages metadata modalities model moderation n
  parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop
  store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options thinking`.split(/\s+/),
);

/** Values that ask for nothing. */
const NEUTRAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: (value) => value === 1,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  logit_bias: (value) => typeof value === 'object' && Object.keys(value as object).length === 0,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  parallel_tool_calls: (value) => value === true,
  tool_choice: (value) => value === 'auto',
  response_format: (value) => (value as { readonly type?: unknown } | null)?.type === 'text',
  modalities: (value) => Array.isArray(value) && value.every((each) => each === 'text'),
  service_tier: (value) => value === 'auto',
};

/** Fields of other APIs that some clients also send with a chat; they do not change the answer. */
export const OF_OTHER_APIS = 'betas cache_control client_metadata context_management';

/** How a protocol treats OpenAI's parameters; those in neither set are rejected. */
export interface ParameterRules {
  readonly translated: ReadonlySet<string>;
  /** Dropped silently, because they do not change the answer. */
  readonly ignored: ReadonlySet<string>;
}

/** A request's parameters, split by how they are handled. */
export interface SplitParameters {
  /** OpenAI's parameters, without `null` values, for the protocol to translate. */
  readonly chat: Fields;
  /** The provider's own parameters, and those in `allowed_openai_params`: sent unchanged. */
  readonly own: Fields;
}

/** A request's fields before a protocol reads them. */
export interface RequestedFields {
  /**
   * The deployment's defaults, the request and a fallback's changes, without dropped parameters.
   */
  readonly fields: Fields;
  /** OpenAI's parameters that are sent to every provider. */
  readonly allowed: ReadonlySet<string>;
  /** Fields that are added as they are: the request's `extra_body` and the deployment's. */
  readonly extra: Fields | undefined;
}

/** Other parameters that the gateway reads in the body. */
const OF_BODY = [
  'input',
  'prompt',
  'system',
  'instructions',
  'suffix',
  'system_instruction',
  'background',
  'previous_response_id',
  'conversation',
];

/**
 * Parameters of a body's `extra_body` that are not added: limits, the router and the binding of
 * stored responses to their tenant go by the body.
 */
const NOT_EXTRA: ReadonlySet<string> = new Set([...CHAT_PARAMETERS, ...OF_BODY].map(plainName));
const NONE_ALLOWED: ReadonlySet<string> = new Set();
const NO_FIELDS: Fields = {};

/** Applies `additional_drop_params`, and reads `allowed_openai_params` and `extra_body`. */
export function requestedFields(sent: SentRequest): RequestedFields {
  const { request, params, fixed } = sent;
  const { body, hasOwnFields } = request;
  const merged = mergedFields(fixed === undefined ? sent : { ...sent, fixed: undefined });
  const { additional_drop_params: drops, allowed_openai_params: allows } = params;
  const own = hasOwnFields ? body : undefined;
  if (own === undefined && drops === undefined && allows === undefined) return { fields: merged, allowed: NONE_ALLOWED, extra: fixed };
  const dropped = [...callersDrops(own?.additional_drop_params), ...listOf(drops)];
  const allowed = [...listOf(own?.allowed_openai_params), ...listOf(allows)];
  const added = own === undefined ? undefined : extraOf(own.extra_body);
  return {
    fields: dropped.length === 0 ? merged : withoutDropped(merged, dropped),
    allowed: allowed.length === 0 ? NONE_ALLOWED : new Set(allowed),
    extra: added === undefined ? fixed : { ...added, ...fixed },
  };
}

/** The fields of a request without a dialect, such as one for embeddings. */
export function policedFields(sent: SentRequest): Fields {
  const { fields, extra } = requestedFields(sent);
  return extra === undefined ? fields : { ...fields, ...extra };
}

/** Only parameters of providers: the model, the address and the key stay the body's. */
function extraOf(extra: unknown): Fields | undefined {
  if (typeof extra !== 'object' || extra === null || Array.isArray(extra)) return undefined;
  const entries = Object.entries(withoutOutput(extra as Fields)).filter(([name]) => !NOT_EXTRA.has(plainName(name)) && !isOwnField(name));
  return Object.fromEntries(entries);
}

/**
 * Splits a chat request as LiteLLM does. `additional_drop_params` are removed. A parameter that the
 * provider does not support is removed with `drop_params`, sent with `allowed_openai_params`, and
 * rejected otherwise.
 * @throws UnsupportedRequestError naming the parameter and the options
 */
export function splitParameters(sent: SentRequest, rules: ParameterRules): SplitParameters {
  const { fields, allowed, extra } = requestedFields(sent);
  const chat: [string, unknown][] = [];
  const own: [string, unknown][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    if (rules.translated.has(name)) chat.push([name, value]);
    else if (allowed.has(name) || !(CHAT_PARAMETERS.has(name) || rules.ignored.has(name))) own.push([name, value]);
    else if (!rules.ignored.has(name) && !asksForNothing(name, value, fields) && !dropsParams(sent, name)) throw refused(name, sent);
  }
  return { chat: Object.fromEntries(chat), own: { ...Object.fromEntries(own), ...extra } };
}

/**
 * Whether a value of one of OpenAI's parameters has no effect, such as one tool call if the request
 * names the tool.
 */
export function asksForNothing(name: string, value: unknown, fields: Fields = NO_FIELDS): boolean {
  if (name === 'parallel_tool_calls' && isNamed(fields.tool_choice)) return true;
  return Object.hasOwn(NEUTRAL, name) && NEUTRAL[name](value);
}

/** Whether the model must call a tool, so that no text follows that a schema could apply to. */
export function isToolForced({ tools, tool_choice: choice }: Fields): boolean {
  return (choice === 'required' || isNamed(choice)) && Array.isArray(tools) && tools.length > 0;
}

/** Whether a choice names one function. */
function isNamed(choice: unknown): boolean {
  return typeof choice === 'object' && choice !== null && typeof (choice as { readonly function?: unknown }).function === 'object';
}

/** Whether the client wants at most one tool call. */
export function asksOneCall({ parallel_tool_calls: parallel }: Fields): boolean {
  return parallel === false;
}

/** Whether a parameter is one of OpenAI's chat, so that a provider has it or not. */
export function isChatParameter(name: string): boolean {
  return CHAT_PARAMETERS.has(name);
}

/**
 * For a value that a protocol cannot express although it has the parameter.
 * @param name of the parameter: a bridge's hints are always dropped
 */
export function dropsParams({ request, params, dropParams, hints }: SentRequest, name?: string): boolean {
  if (name !== undefined && hints?.has(name) === true) return true;
  const said = request.body.drop_params ?? params.drop_params ?? dropParams;
  return said === true;
}

/** @param param path in the body: `n`, `messages[2].content[0]` */
export function refused(param: string, { provider, model }: SentRequest, reason?: string): UnsupportedRequestError {
  const remedy = `remove it, or set drop_params: true to drop it`;
  return new UnsupportedRequestError({
    param,
    provider,
    reason: reason ?? `${provider} does not support this parameter for ${model}`,
    remedy,
  });
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}

/** Most paths of a caller, and the longest: each may walk the whole conversation. */
const MOST_DROPS = 16;
const LONGEST_DROP = 256;

/** @throws InvalidArgumentError for too many or too long ones */
function callersDrops(given: unknown): readonly string[] {
  // Without its usage, the cost of a stream is unknown.
  const paths = listOf(given).filter((path) => !/^stream_options\b/.test(path));
  if (paths.length <= MOST_DROPS && paths.every(({ length }) => length <= LONGEST_DROP)) return paths;
  const rule = `must be an array of at most ${MOST_DROPS} paths of at most ${LONGEST_DROP} characters`;
  throw new InvalidArgumentError('additional_drop_params', given, rule);
}

/** Removes fields by path: `user`, `tools[*].function.strict`, `messages[0].name`. */
export function withoutDropped(fields: Fields, paths: readonly string[]): Fields {
  return paths.reduce<unknown>((value, path) => {
    const steps = path.split(/[.[]/).map((step) => step.replace(']', ''));
    return without(value, steps, 0);
  }, fields) as Fields;
}

/** The value itself if nothing is removed: most parts of a conversation have no such field. */
function without(value: unknown, steps: readonly string[], at: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const step = steps[at];
  const isLast = at === steps.length - 1;
  if (Array.isArray(value)) return withoutItems(value, step, isLast ? undefined : (item) => without(item, steps, at + 1));
  if (!Object.hasOwn(value, step)) return value;
  const fields = value as Fields;
  const inner = plainValue(fields[step]);
  const left = isLast ? undefined : without(inner, steps, at + 1);
  if (!isLast && left === inner) return value;
  const others = Object.entries(fields).filter(([name]) => name !== step);
  return Object.fromEntries(isLast ? others : [...others, [step, left]]);
}

/** @param next what becomes of an item; `undefined`: it is removed */
function withoutItems(items: readonly unknown[], step: string, next: ((item: unknown) => unknown) | undefined): readonly unknown[] {
  const isMeant = (place: number): boolean => step === '*' || step === String(place);
  if (next === undefined) return items.filter((_, place) => !isMeant(place));
  const left = items.map((item, place) => (isMeant(place) ? next(item) : item));
  return left.every((item, place) => item === items[place]) ? items : left;
}

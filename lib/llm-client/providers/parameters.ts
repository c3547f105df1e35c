import { UnsupportedRequestError } from '../../common/http-errors.js';
import { mergedFields } from './openai/request.js';
import type { SentRequest } from './protocol.js';

type Fields = Readonly<Record<string, unknown>>;

/** OpenAI's chat parameters: a provider has them or not. Any other is a provider's own. */
export const CHAT_PARAMETERS: ReadonlySet<string> = new Set(
  `audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages metadata modalities model n
  parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop
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
  response_format: (value) => (value as { readonly type?: unknown }).type === 'text',
  modalities: (value) => Array.isArray(value) && value.every((each) => each === 'text'),
  service_tier: (value) => value === 'auto',
};

/** What a protocol does with OpenAI's parameters; those in neither set are refused. */
export interface ParameterRules {
  readonly translated: ReadonlySet<string>;
  /** Dropped without a word: they change no answer. */
  readonly ignored: ReadonlySet<string>;
}

/** A request's parameters by what becomes of them. */
export interface SplitParameters {
  /** OpenAI's, without `null`, for the protocol to translate. */
  readonly chat: Fields;
  /** The provider's own, and those in `allowed_openai_params`: they pass as they are. */
  readonly own: Fields;
}

/**
 * Splits a chat request as LiteLLM does: `additional_drop_params` are removed, a parameter that the
 * provider does not have is removed with `drop_params`, sent with `allowed_openai_params`, else
 * refused.
 * @throws UnsupportedRequestError naming the parameter and the switches
 */
export function splitParameters(sent: SentRequest, rules: ParameterRules): SplitParameters {
  const fields = withoutDropped(mergedFields(sent), [
    ...listOf(sent.request.body.additional_drop_params),
    ...listOf(sent.params.additional_drop_params),
  ]);
  const allowed = new Set([...listOf(sent.request.body.allowed_openai_params), ...listOf(sent.params.allowed_openai_params)]);
  const chat: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    if (rules.translated.has(name)) chat[name] = value;
    else if (!CHAT_PARAMETERS.has(name) || allowed.has(name)) own[name] = value;
    else if (!rules.ignored.has(name) && NEUTRAL[name]?.(value) !== true && !dropsParams(sent, name)) throw refused(name, sent);
  }
  return { chat, own };
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
  const mend = `remove it, or set drop_params: true to have it dropped`;
  return new UnsupportedRequestError({ param, provider, reason: reason ?? `${provider} has no such parameter for ${model}`, mend });
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}

/** Removes fields by path: `user`, `tools[*].function.strict`, `messages[0].name`. */
export function withoutDropped(fields: Fields, paths: readonly string[]): Fields {
  return paths.reduce<unknown>(
    (value, path) =>
      without(
        value,
        path.split(/[.[]/).map((step) => step.replace(']', '')),
      ),
    fields,
  ) as Fields;
}

function without(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value as readonly unknown[];
    if (rest.length === 0) return items.filter((_, at) => step !== '*' && step !== String(at));
    return items.map((item, at) => (step === '*' || step === String(at) ? without(item, rest) : item));
  }
  if (!Object.hasOwn(value, step)) return value;
  const { [step]: dropped, ...others } = value as Fields;
  return rest.length === 0 ? others : { ...others, [step]: without(dropped, rest) };
}

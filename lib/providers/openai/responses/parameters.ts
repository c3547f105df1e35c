import { type Fields, isObject, isSet } from '../../../common/objects.js';

/** Parameters of chat that Responses has under the same name. */
const SHARED: ReadonlySet<string> = new Set(
  `metadata model parallel_tool_calls prompt_cache_key prompt_cache_retention safety_identifier service_tier store stream temperature
  top_logprobs top_p user`.split(/\s+/),
);
/** Parameters of chat that Responses has not. */
const CHAT_ONLY: ReadonlySet<string> = new Set(
  `audio frequency_penalty function_call functions logit_bias logprobs messages modalities n prediction presence_penalty seed stop
  stream_options web_search_options thinking`.split(/\s+/),
);

/**
 * Parameters of chat, without its messages, in the words of Responses: `max_tokens`, `tools`,
 * `response_format`, … What Responses does not have is omitted, a provider's own passes.
 */
export function toResponsesParameters(chat: Fields): Record<string, unknown> {
  const {
    max_tokens: maxTokens,
    max_completion_tokens: maxCompletionTokens = maxTokens,
    reasoning_effort: effort,
    response_format: format,
    verbosity,
    tools,
    tool_choice: choice,
    ...others
  } = chat;
  const text = { ...(isObject(format) && { format: flat(format) }), ...(isSet(verbosity) && { verbosity }) };
  return {
    ...Object.fromEntries(Object.entries(others).filter(([name]) => SHARED.has(name) || !CHAT_ONLY.has(name))),
    ...(isSet(maxCompletionTokens) && { max_output_tokens: maxCompletionTokens }),
    ...(isSet(effort) && { reasoning: typeof effort === 'string' ? { effort } : effort }),
    ...(Object.keys(text).length > 0 && { text }),
    ...(Array.isArray(tools) && { tools: tools.map(flatTool) }),
    ...(isSet(choice) && { tool_choice: flat(choice) }),
  };
}

/** `{ type: 'function', function: { name, … } }` as `{ type: 'function', name, … }`. */
function flatTool(tool: unknown): unknown {
  const { parameters = {}, ...others } = flat(tool) as Fields;
  // In the Responses API, `strict` defaults to true.
  return isObject(tool) && isObject(tool.function) ? { strict: false, ...others, parameters } : tool;
}

function flat(value: unknown): unknown {
  if (!isObject(value) || typeof value.type !== 'string' || !isObject(value[value.type])) return value;
  const { type, [type]: inner, ...others } = value as Fields & { readonly type: string };
  return { type, ...others, ...(inner as Fields) };
}

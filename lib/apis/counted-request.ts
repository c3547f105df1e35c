import { fieldsOf, isObject, type Fields, listOf } from '../common/objects.js';
import { checkArray, checkObject, refuseArgument, checkString } from '../common/options.js';
import { isOwnField } from '../providers/own-fields.js';
import { CHAT_PARAMETERS } from '../providers/parameters.js';
import type { CountedOperation } from '../providers/protocol.js';
import { isLarge } from '../http/body/body-object.js';
import { promptTokensOf } from '../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';

/** Parameters of chat that make its prompt. */
const PROMPT_PARAMETERS = new Set(
  `messages model tools tool_choice functions function_call response_format reasoning_effort thinking parallel_tool_calls
  web_search_options`.split(/\s+/),
);
/** Fields that only bodies of the Messages API have. */
const MESSAGES_FIELDS = ['system', 'stop_sequences', 'mcp_servers', 'output_config', 'output_format', 'context_management'];
/** Blocks that only messages of the Messages API have. */
const MESSAGES_BLOCKS = new Set(['image', 'document', 'search_result', 'thinking', 'redacted_thinking', 'tool_use', 'tool_result']);
/** Fields of the other APIs that make no prompt, and may refuse a request at a provider. */
const NO_PROMPT: Readonly<Record<Exclude<CountedOperation, 'chat'>, ReadonlySet<string>>> = {
  generateContent: new Set(['stream', 'safetySettings', 'safety_settings']),
  messages: new Set('max_tokens stream temperature top_p top_k stop_sequences metadata service_tier container inference_geo'.split(' ')),
  responses: new Set(
    `background include max_output_tokens max_tool_calls metadata moderation prompt_cache_key prompt_cache_options prompt_cache_retention
    safety_identifier service_tier store stream stream_options temperature top_logprobs top_p user`.split(/\s+/),
  ),
};

/** The response of OpenAI's `/v1/responses/input_tokens`. */
export interface ResponseTokens {
  readonly object: 'response.input_tokens';
  readonly input_tokens: number;
}

/** The response of Anthropic's `/v1/messages/count_tokens`. */
export interface MessageTokens {
  readonly input_tokens: number;
}

/** The response of Google's `:countTokens`. */
export interface ContentTokens {
  readonly totalTokens: number;
}

/** The API whose request a body is; chat for one that both chat and Messages would take. */
export function countedOperationOf(body: Fields): CountedOperation {
  const { messages, input, prompt, tools, contents } = body;
  if (messages === undefined && contents !== undefined) return 'generateContent';
  // The prompt of a completion is a single text.
  if (messages === undefined) return input !== undefined || isObject(prompt) ? 'responses' : 'chat';
  if (MESSAGES_FIELDS.some((name) => body[name] !== undefined)) return 'messages';
  const isMessagesTool = listOf(tools).some((tool) => fieldsOf(tool).input_schema !== undefined);
  const isMessage = (message: unknown): boolean =>
    listOf(fieldsOf(message).content).some((block) => MESSAGES_BLOCKS.has(String(fieldsOf(block).type)));
  return isMessagesTool || listOf(messages).some(isMessage) ? 'messages' : 'chat';
}

/** The fields that make the prompt, and those that steer the request. */
export function promptFields(fields: Fields, operation: CountedOperation): Record<string, unknown> {
  const isLeftOut = (name: string): boolean =>
    operation === 'chat' ? CHAT_PARAMETERS.has(name) && !PROMPT_PARAMETERS.has(name) : NO_PROMPT[operation].has(name);
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => value !== undefined && (isOwnField(name) || !isLeftOut(name))),
  );
}

/**
 * The body that is counted locally. A text as the input of a response gets the message around it:
 * alone it would count as one to embed.
 * @throws InvalidArgumentError for a prompt of another type
 */
export function localBody(body: Fields, operation: CountedOperation): Fields {
  const each = (path: string, item: unknown): Fields => checkObject(path, item, refuseArgument);
  // The token counter reports its error.
  if (operation === 'generateContent') return body;
  if (operation !== 'responses') {
    checkArray('messages', body.messages, each, refuseArgument);
    return body;
  }
  const { input, instructions } = body;
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? []);
  checkArray('input', items, each, refuseArgument);
  return { ...body, input: items, instructions: instructions ?? '' };
}

/**
 * Counts the prompt of a request by the encoding of its model, without earlier responses that only
 * the provider has. For models whose tokenizer is not public, Claude and Gemini too, it is an
 * estimate, rounded up. Large bodies are counted off the main thread.
 * @throws InvalidArgumentError naming a wrong field
 */
export async function countPromptTokens(body: Fields, operation: CountedOperation, counter: TokenCounterService): Promise<number> {
  checkString('model', body.model, refuseArgument);
  return Math.ceil(await promptTokensOf(localBody(body, operation), { counter, isLarge: isLarge({ body }) }));
}

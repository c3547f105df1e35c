import type { BaseChatModelCallOptions, BindToolsInput, ToolChoice } from '@langchain/core/language_models/chat_models';
import type { BaseMessage } from '@langchain/core/messages';
import type { ChatRequest } from '../apis/wire/requests.js';
import { chatMessages } from './chat-messages.js';
import { checkObject, checkString, refuseArgument } from '../common/options.js';
import type { LlmClient } from '../calls/llm-client.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { convertToOpenAITool, isLangChainTool } from '@langchain/core/utils/function_calling';
import { isObject, type Fields, definedFields } from '../common/objects.js';

/** Options of one call; `withConfig` and `bindTools` can bind them. */
export interface ChatFastLiteLLMCallOptions extends BaseChatModelCallOptions {
  /** Tools of LangChain, OpenAI or Anthropic, or hosted by the provider. */
  tools?: BindToolsInput[];
  /** Whether tool arguments must match their schema. Default: the provider's. */
  strict?: boolean;
  /** Default: the provider's. */
  parallel_tool_calls?: boolean;
  /** OpenAI's format; set by `withStructuredOutput`. */
  response_format?: object;
  /** Other fields of the request body, merged before those of the model. */
  modelKwargs?: Readonly<Record<string, unknown>>;
}

/** Parameters of the model that are fields of the body. */
export interface ModelParameters {
  readonly model: string;
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly modelKwargs?: Readonly<Record<string, unknown>>;
}

/** The body of the chat request without its messages: what traces record. */
export function bodyFields(model: ModelParameters, options: Partial<ChatFastLiteLLMCallOptions> = {}): ChatRequest {
  const { tools = [], tool_choice: choice, strict, parallel_tool_calls: isParallel, response_format: format } = options;
  const stop = options.stop ?? model.stop ?? [];
  return {
    ...model.modelKwargs,
    model: model.model,
    ...definedFields({ temperature: model.temperature, top_p: model.topP, max_tokens: model.maxTokens, response_format: format }),
    ...(stop.length > 0 && { stop }),
    ...(tools.length > 0 && {
      tools: tools.map((tool) => chatTool(tool, strict)),
      ...definedFields({ tool_choice: chatToolChoice(choice), parallel_tool_calls: isParallel }),
    }),
    ...options.modelKwargs,
  };
}

/** The body of a chat request. @throws InvalidArgumentError naming a message or a block. */
export function chatBody(
  messages: readonly BaseMessage[],
  model: ModelParameters,
  options: Partial<ChatFastLiteLLMCallOptions>,
): ChatRequest {
  return { ...bodyFields(model, options), messages: chatMessages(messages) };
}

/**
 * The client and token counter that models use: a `FastLiteLLM`, or parts that Nest has injected.
 */
export interface LlmSource {
  readonly client: LlmClient;
  readonly tokenCounter: TokenCounterService;
}

/** @throws InvalidArgumentError naming the field. */
export function checkSource(fields: { readonly llm: LlmSource; readonly model: string }): void {
  const { llm, model } = checkObject('fields', fields, refuseArgument);
  const { client, tokenCounter } = checkObject('llm', llm, refuseArgument) as unknown as LlmSource;
  checkObject('llm.client', client, refuseArgument);
  checkObject('llm.tokenCounter', tokenCounter, refuseArgument);
  checkString('model', model, refuseArgument);
}

/**
 * Translates a tool to OpenAI's: LangChain's own, a function's definition, Anthropic's. Others,
 * such as a provider's hosted tools, are sent as they are.
 */
export function chatTool(tool: BindToolsInput, strict?: boolean): object {
  if (isLangChainTool(tool)) return convertToOpenAITool(tool, strict === undefined ? undefined : { strict });
  const { type, function: called, name, description, parameters, input_schema: schema } = tool as Fields;
  if (type === 'function' && isObject(called)) return { ...tool, function: withStrict(called, strict) };
  const named = parameters ?? schema;
  if (type !== undefined || typeof name !== 'string' || named === undefined) return tool;
  return { type: 'function', function: withStrict({ name, description, parameters: named }, strict) };
}

function withStrict(definition: Fields, strict: boolean | undefined): Fields {
  return strict === undefined ? definition : { ...definition, strict };
}

/** LangChain's choice of a tool in OpenAI's words: `any` is `required`, other texts are names. */
function chatToolChoice(choice: ToolChoice | undefined): string | object | undefined {
  if (typeof choice !== 'string' || choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  return choice === 'any' ? 'required' : { type: 'function', function: { name: choice } };
}

/** Ends LangChain's own retries: the router has made them. */
export function throwOn(error: unknown): never {
  throw error;
}

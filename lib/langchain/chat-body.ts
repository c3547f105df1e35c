import type { BaseChatModelCallOptions, BindToolsInput } from '@langchain/core/language_models/chat_models';
import type { BaseMessage } from '@langchain/core/messages';
import type { ChatRequest } from '../apis/wire/requests.js';
import { chatMessages } from './chat-messages.js';
import { chatTool, chatToolChoice } from './tools.js';

/** Options of one call; `withConfig` and `bindTools` can bind them. */
export interface ChatFastLiteLLMCallOptions extends BaseChatModelCallOptions {
  /** Tools of LangChain, OpenAI or Anthropic, or hosted by the provider. */
  tools?: BindToolsInput[];
  /** Whether arguments of tools must match their schema. Default: the provider's. */
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
    ...given({ temperature: model.temperature, top_p: model.topP, max_tokens: model.maxTokens, response_format: format }),
    ...(stop.length > 0 && { stop }),
    ...(tools.length > 0 && {
      tools: tools.map((tool) => chatTool(tool, strict)),
      ...given({ tool_choice: chatToolChoice(choice), parallel_tool_calls: isParallel }),
    }),
    ...options.modelKwargs,
  };
}

function given(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The body of a chat request. @throws InvalidArgumentError naming a message or a block. */
export function chatBody(
  messages: readonly BaseMessage[],
  model: ModelParameters,
  options: Partial<ChatFastLiteLLMCallOptions>,
): ChatRequest {
  return { ...bodyFields(model, options), messages: chatMessages(messages) };
}

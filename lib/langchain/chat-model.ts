import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager';
import { ContextOverflowError } from '@langchain/core/errors';
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from '@langchain/core/language_models/base';
import {
  BaseChatModel,
  type BaseChatModelParams,
  type BindToolsInput,
  type LangSmithParams,
} from '@langchain/core/language_models/chat_models';
import type { ModelProfile } from '@langchain/core/language_models/profile';
import { assembleStructuredOutputPipeline } from '@langchain/core/language_models/structured_output';
import type { AIMessageChunk, BaseMessage, MessageContent } from '@langchain/core/messages';
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs';
import type { Runnable } from '@langchain/core/runnables';
import type { AnswerUsage } from '../http/answer-usage.js';
import { ContextWindowExceededError } from '../common/http-errors.js';
import { ProviderError } from '../common/provider-error.js';
import type { ChatCompletionChunk } from '../apis/wire/chat.js';
import type { ChatRequest } from '../apis/wire/requests.js';
import type { CallOptions } from '../calls/call-options.js';
import type { LlmStream } from '../calls/stream/llm-stream.js';
import { answerChunk, generations, lastChunk } from './answer-messages.js';
import { bodyFields, chatBody, type ChatFastLiteLLMCallOptions, checkSource, type LlmSource, chatTool, throwOn } from './chat-body.js';
import { chatMessages } from './chat-messages.js';
import { structuredOutput, type OutputSchema } from './structured-output.js';

export type { ChatFastLiteLLMCallOptions } from './chat-body.js';

/** Fields of `ChatFastLiteLLM`. LangChain's `maxRetries` sets the retries across deployments. */
export interface ChatFastLiteLLMFields extends BaseChatModelParams {
  /** The app's `FastLiteLLM`, or its `client` and `tokenCounter`. */
  readonly llm: LlmSource;
  /** A model group. */
  readonly model: string;
  /** Default: the deployment's, else the provider's. */
  readonly temperature?: number;
  /** Default: the deployment's, else the provider's. */
  readonly topP?: number;
  /** Maximum number of tokens in an answer. Default: the deployment's, else the provider's. */
  readonly maxTokens?: number;
  /** Stop sequences. Default: none. */
  readonly stop?: string[];
  /** Time limit of a whole call in milliseconds. Default: `llmClient.callTimeoutMs`. */
  readonly timeout?: number;
  /** Other fields of the request body: `reasoning_effort`, `seed`, LiteLLM's `tags`. */
  readonly modelKwargs?: Readonly<Record<string, unknown>>;
  /** Options of every call: the HTTP request whose reservation it settles, fallbacks, routing. */
  readonly callOptions?: CallOptions;
}

/**
 * A chat model of LangChain that calls a model group: rate limits, routing, retries and fallbacks
 * are those of `LlmClient`. LangChain's own retries are off.
 *
 * Throws the errors of `LlmClient`, except for LangChain's `ContextOverflowError` for a prompt that
 * is too long, and the signal's reason for a cancelled call.
 *
 * @example
 * const model = new ChatFastLiteLLM({ llm, model: 'gpt-4o', temperature: 0 });
 * const { text, usage_metadata } = await model.invoke('Why is the sky blue?');
 */
export class ChatFastLiteLLM extends BaseChatModel<ChatFastLiteLLMCallOptions, AIMessageChunk> {
  readonly model: string;
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxTokens?: number;
  readonly stop?: string[];

  private readonly fields: ChatFastLiteLLMFields;

  /** @throws InvalidArgumentError naming an invalid field. */
  constructor(fields: ChatFastLiteLLMFields) {
    checkSource(fields);
    // Each of LangChain's retries would repeat the router's.
    super({ ...fields, maxRetries: 0, onFailedAttempt: throwOn });
    this.fields = fields;
    this.model = fields.model;
    this.temperature = fields.temperature;
    this.topP = fields.topP;
    this.maxTokens = fields.maxTokens;
    this.stop = fields.stop;
  }

  /** Name of the class in traces. */
  static override lc_name(): string {
    return 'ChatFastLiteLLM';
  }

  /** @internal */
  override _llmType(): string {
    return 'fast-litellm';
  }

  /** Option names that `withConfig` takes. @internal */
  override get callKeys(): string[] {
    return [...super.callKeys, 'tools', 'tool_choice', 'strict', 'parallel_tool_calls', 'response_format', 'modelKwargs'];
  }

  /** The context window and the maximum output, if the price list or the options have them. */
  override get profile(): ModelProfile {
    const { contextWindow, maxOutputTokens } = this.fields.llm.tokenCounter.getModelLimits(this.model);
    return { maxInputTokens: contextWindow ?? undefined, maxOutputTokens: maxOutputTokens ?? undefined };
  }

  /** Returns a copy of the model with other call options, such as those of an HTTP request. */
  withCallOptions(callOptions: CallOptions): ChatFastLiteLLM {
    return new ChatFastLiteLLM({ ...this.fields, callOptions: { ...this.fields.callOptions, ...callOptions } });
  }

  /** The request body without its messages. */
  override invocationParams(options?: this['ParsedCallOptions']): ChatRequest {
    return bodyFields(this.fields, options);
  }

  /** For LangChain's caches. @internal */
  override _identifyingParams(): Record<string, unknown> {
    return bodyFields(this.fields);
  }

  /** For LangSmith. @internal */
  override getLsParams(options: this['ParsedCallOptions']): LangSmithParams {
    return {
      ls_provider: 'fast-litellm',
      ls_model_name: this.model,
      ls_model_type: 'chat',
      ls_temperature: this.temperature,
      ls_max_tokens: this.maxTokens,
      ls_stop: options.stop ?? this.stop,
    };
  }

  /** Binds tools and call options. */
  override bindTools(
    tools: BindToolsInput[],
    kwargs: Partial<ChatFastLiteLLMCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatFastLiteLLMCallOptions> {
    return this.withConfig({ ...kwargs, tools: tools.map((tool) => chatTool(tool, kwargs.strict)) });
  }

  /**
   * Returns a runnable whose answers are objects of a schema. `method`: `functionCalling`
   * (default), `jsonSchema` or `jsonMode`.
   * @throws InvalidArgumentError for another method.
   */
  override withStructuredOutput<Output extends Record<string, unknown> = Record<string, unknown>>(
    schema: OutputSchema<Output>,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, Output>;
  override withStructuredOutput<Output extends Record<string, unknown> = Record<string, unknown>>(
    schema: OutputSchema<Output>,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }>;
  override withStructuredOutput<Output extends Record<string, unknown>>(
    schema: OutputSchema<Output>,
    config?: StructuredOutputMethodOptions<boolean>,
  ): Runnable<BaseLanguageModelInput, Output> | Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }> {
    const { options, parser } = structuredOutput(schema, config);
    const runName = config?.includeRaw === true ? 'StructuredOutputRunnable' : 'StructuredOutput';
    return assembleStructuredOutputPipeline(this.withConfig(options), parser, config?.includeRaw, runName);
  }

  /** Counts the tokens in the text of a content with the app's token counter. */
  override getNumTokens(content: MessageContent): Promise<number> {
    const texts = typeof content === 'string' ? [content] : content.map((block) => (block.type === 'text' ? String(block.text) : ''));
    return Promise.resolve(this.fields.llm.tokenCounter.countTokens(texts.join(''), this.model));
  }

  /** Counts the prompt tokens of messages: their texts, images and tool calls. */
  getNumTokensFromMessages(messages: readonly BaseMessage[]): number {
    return this.fields.llm.tokenCounter.countMessages(chatMessages(messages), { model: this.model });
  }

  /** @internal */
  override async _generate(messages: BaseMessage[], options: this['ParsedCallOptions']): Promise<ChatResult> {
    const body = { ...chatBody(messages, this.fields, options), stream: false as const };
    const answer = await this.asked(options, (callOptions) => this.fields.llm.client.chat(body, callOptions));
    return { generations: generations(answer.json(), answer.call, answer.usage), llmOutput: { tokenUsage: tokenUsage(answer.usage) } };
  }

  /** @internal */
  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const body = { ...chatBody(messages, this.fields, options), stream: true as const };
    const stream = await this.asked(options, (callOptions) => this.fields.llm.client.chat(body, callOptions));
    try {
      for await (const chunk of generationChunks(stream)) {
        yield chunk;
        await runManager?.handleLLMNewToken(chunk.text, { prompt: 0, completion: 0 }, undefined, undefined, undefined, { chunk });
      }
    } catch (error) {
      throw thrown(error, options.signal);
    }
  }

  /** Calls within LangChain's `maxConcurrency`. */
  private async asked<T>(options: this['ParsedCallOptions'], call: (options: CallOptions) => Promise<T>): Promise<T> {
    const { callOptions, timeout, maxRetries } = this.fields;
    const signals = [options.signal, callOptions?.signal].filter((signal) => signal !== undefined && signal !== null);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    try {
      return await this.caller.call(() => call({ timeoutMs: timeout, numRetries: maxRetries, ...callOptions, signal }));
    } catch (error) {
      throw thrown(error, signal);
    }
  }
}

async function* generationChunks(stream: LlmStream<ChatCompletionChunk>): AsyncGenerator<ChatGenerationChunk> {
  let head: ChatCompletionChunk | undefined;
  let finishReason: string | null | undefined;
  for await (const event of stream) {
    head ??= event;
    const choice = event.choices?.[0];
    if (choice === undefined || (choice.index ?? 0) !== 0) continue;
    finishReason = choice.finish_reason ?? finishReason;
    const message = answerChunk(choice.delta ?? {});
    yield new ChatGenerationChunk({ message, text: message.text });
  }
  const message = lastChunk({ call: stream.call, usage: stream.usage, head: head ?? {}, finishReason });
  yield new ChatGenerationChunk({ message, text: '', generationInfo: { finish_reason: finishReason } });
}

/** LangChain's older name of the usage, for callbacks. */
function tokenUsage(usage: AnswerUsage | undefined): object {
  if (usage === undefined) return {};
  const { promptTokens, completionTokens, totalTokens } = usage;
  return { promptTokens, completionTokens, totalTokens };
}

/** LangChain's errors where agents act on them: they end, or shorten a prompt that is too long. */
function thrown(error: unknown, signal: AbortSignal | null | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  const isTooLong = error instanceof ContextWindowExceededError || (error instanceof ProviderError && error.kind === 'context_window');
  return isTooLong ? ContextOverflowError.fromError(error) : error;
}

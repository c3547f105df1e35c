import { AIMessage, AIMessageChunk, type InvalidToolCall, type ToolCall, type UsageMetadata } from '@langchain/core/messages';
import { makeInvalidToolCall, parseToolCall } from '@langchain/core/output_parsers/openai_tools';
import type { ChatGeneration } from '@langchain/core/outputs';
import type { Fields } from '../common/objects.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { CallFacts } from '../calls/answer/call-facts.js';
import type { ChatCompletion, ChatCompletionChoice, ChatCompletionMessage, ChatDelta } from '../apis/wire/chat.js';
import { KEPT_FIELDS } from './chat-messages.js';

/** In `response_metadata.model_provider`. */
const PROVIDER = 'fast-litellm';

// Messages with `reasoning_content`: LangChain reads DeepSeek's the same way for `contentBlocks`.
const translators = (globalThis as { lc_block_translators_registry?: Map<string, unknown> }).lc_block_translators_registry;
const reasoningTranslator = translators?.get('deepseek');
if (reasoningTranslator !== undefined) translators?.set(PROVIDER, reasoningTranslator);

/** Facts about a complete answer. */
export interface AnswerFacts {
  readonly call: CallFacts;
  readonly usage: AnswerUsage | undefined;
  /** `id`, `model`, `system_fingerprint` and `service_tier` are read. */
  readonly head: Fields;
  readonly finishReason: string | null | undefined;
  readonly logprobs?: unknown;
}

/** A generation for each of the answer's choices. */
export function generations(completion: ChatCompletion, call: CallFacts, usage: AnswerUsage | undefined): ChatGeneration[] {
  const choices = Array.isArray(completion.choices) ? completion.choices : [];
  return choices.map((choice, index) => {
    // The usage belongs to the request; repeating it in every choice would count it several times.
    const { finish_reason: finishReason, logprobs } = choice;
    const own = { usage: index === 0 ? usage : undefined, finishReason, logprobs };
    const message = answerMessage(choice, { call, head: completion, ...own });
    return { text: message.text, message, generationInfo: { finish_reason: finishReason } };
  });
}

function answerMessage({ message }: ChatCompletionChoice, facts: AnswerFacts): AIMessage {
  const [calls, invalid] = parsedCalls(message);
  return new AIMessage({
    content: message.content ?? '',
    tool_calls: calls,
    invalid_tool_calls: invalid,
    additional_kwargs: keptFields(message),
    response_metadata: responseMetadata(facts),
    ...usageOf(facts.usage),
  });
}

function parsedCalls({ tool_calls: calls }: ChatCompletionMessage): [ToolCall[], InvalidToolCall[]] {
  const parsed: ToolCall[] = [];
  const invalid: InvalidToolCall[] = [];
  for (const call of calls ?? []) {
    try {
      parsed.push(parseToolCall(call, { returnId: true }));
    } catch (error) {
      invalid.push(makeInvalidToolCall(call, (error as Error).message));
    }
  }
  return [parsed, invalid];
}

/** A part of a streamed message. */
export function answerChunk(delta: ChatDelta): AIMessageChunk {
  const calls = delta.tool_calls ?? [];
  return new AIMessageChunk({
    content: delta.content ?? '',
    additional_kwargs: keptFields(delta),
    tool_call_chunks: calls.map(({ index, id, function: called }) => ({
      index,
      id,
      name: called?.name,
      args: called?.arguments,
      type: 'tool_call_chunk' as const,
    })),
  });
}

/** The last part of a streamed message: what LangChain would otherwise join with that of others. */
export function lastChunk(facts: AnswerFacts): AIMessageChunk {
  return new AIMessageChunk({ content: '', response_metadata: responseMetadata(facts), ...usageOf(facts.usage) });
}

function keptFields(message: ChatCompletionMessage | ChatDelta): Record<string, unknown> {
  const fields = { ...message } as Fields;
  return { ...known(Object.fromEntries(KEPT_FIELDS.map((name) => [name, fields[name]]))) };
}

/** Plain data, so that checkpoints can keep it. */
function responseMetadata({ call, head, finishReason, logprobs }: AnswerFacts): Record<string, unknown> {
  const model = typeof head.model === 'string' && head.model !== '' ? head.model : call.model;
  return {
    model,
    model_name: model,
    model_provider: PROVIDER,
    finish_reason: finishReason ?? undefined,
    ...known({ id: head.id, system_fingerprint: head.system_fingerprint, service_tier: head.service_tier, logprobs }),
    call: { ...call, failures: call.failures.map((failure) => ({ ...failure })) },
  };
}

function known(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => (value ?? undefined) !== undefined));
}

/** LangChain's usage; absent if the provider reported none. */
export function usageOf(usage: AnswerUsage | undefined): { usage_metadata?: UsageMetadata } {
  if (usage === undefined) return {};
  const { promptTokens, completionTokens, totalTokens, details } = usage;
  return {
    usage_metadata: {
      input_tokens: promptTokens,
      output_tokens: completionTokens,
      total_tokens: totalTokens,
      ...(details !== undefined && {
        input_token_details: { cache_read: details.cacheReadTokens ?? 0, cache_creation: details.cacheWriteTokens ?? 0 },
        output_token_details: { reasoning: details.reasoningTokens ?? 0 },
      }),
    },
  };
}

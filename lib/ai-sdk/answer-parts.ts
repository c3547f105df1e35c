import type { ChatCompletionMessage, ReasoningFields, ThinkingContent, UrlAnnotation } from '../apis/wire/chat.js';
import { factHeaders } from '../calls/answer/answer-headers.js';
import type { CallFacts } from '../calls/answer/call-facts.js';
import type { LlmAnswer } from '../calls/answer/llm-answer.js';
import type { LlmStream } from '../calls/stream/llm-stream.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import { OWN_NAME } from './own-options.js';
import type {
  JsonObject,
  MediaResponse,
  ModelContent,
  ModelFile,
  ModelFinishReason,
  ModelSource,
  ModelUsage,
  ProviderFields,
} from './specification.js';

/** Fields of messages that OpenAI does not have. */
export interface AnswerFields extends ReasoningFields {
  /** Images that the model made. */
  readonly images?: readonly { readonly image_url?: { readonly url?: string } }[] | null;
  readonly annotations?: readonly UrlAnnotation[] | null;
}

const FINISHED: Readonly<Record<string, ModelFinishReason['unified']>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content-filter',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
};
const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,/;

/** The content of a whole answer, in the order in which models write it. */
export function contentOf(message: ChatCompletionMessage & AnswerFields, nextSource: () => string): ModelContent[] {
  const { content, refusal, reasoning_content: reasoning, thinking_blocks: blocks, tool_calls: calls } = message;
  const said = content ?? refusal;
  return [
    ...(blocks && blocks.length > 0 ? blocks.map(reasoningOf) : reasoning ? [{ type: 'reasoning' as const, text: reasoning }] : []),
    ...(said ? [{ type: 'text' as const, text: said }] : []),
    ...filesOf(message),
    ...sourcesOf(message, nextSource),
    ...(calls ?? []).flatMap((call) =>
      call.type === 'function'
        ? [{ type: 'tool-call' as const, toolCallId: call.id, toolName: call.function.name, input: call.function.arguments }]
        : [],
    ),
  ];
}

function reasoningOf(block: ThinkingContent): ModelContent {
  const providerMetadata = signatureOf(block);
  const text = block.type === 'thinking' ? (block.thinking ?? '') : '';
  return { type: 'reasoning', text, ...(providerMetadata !== undefined && { providerMetadata }) };
}

/** Data to send back to the provider with a thinking block. */
export function signatureOf(block: ThinkingContent): ProviderFields | undefined {
  if (block.type === 'redacted_thinking') return { [OWN_NAME]: { redactedData: block.data } };
  return block.signature ? { [OWN_NAME]: { signature: block.signature } } : undefined;
}

export function filesOf({ images }: AnswerFields): ModelFile[] {
  return (images ?? []).flatMap(({ image_url: image }) => {
    const [start, mediaType] = DATA_URL.exec(image?.url ?? '') ?? [];
    return start === undefined ? [] : [{ type: 'file' as const, mediaType, data: (image?.url as string).slice(start.length) }];
  });
}

export function sourcesOf({ annotations }: AnswerFields, nextId: () => string): ModelSource[] {
  return (annotations ?? []).flatMap(({ type, url_citation: cited }) =>
    type === 'url_citation'
      ? [{ type: 'source' as const, sourceType: 'url' as const, id: nextId(), url: cited.url, title: cited.title }]
      : [],
  );
}

export function finishReasonOf(raw: string | null | undefined): ModelFinishReason {
  return { unified: FINISHED[raw ?? ''] ?? 'other', raw: raw ?? undefined };
}

/** @param raw as the provider reported it */
export function usageOf(usage: AnswerUsage | undefined, raw?: unknown): ModelUsage {
  const { promptTokens: input, completionTokens: output, details } = usage ?? {};
  const { cacheReadTokens: cacheRead, cacheWriteTokens: cacheWrite, reasoningTokens: reasoning } = details ?? {};
  return {
    inputTokens: { total: input, noCache: less(input, (cacheRead ?? 0) + (cacheWrite ?? 0)), cacheRead, cacheWrite },
    outputTokens: { total: output, text: less(output, reasoning ?? 0), reasoning },
    ...(typeof raw === 'object' && raw !== null && { raw: raw as JsonObject }),
  };
}

function less(total: number | undefined, part: number): number | undefined {
  return total === undefined ? undefined : Math.max(0, total - part);
}

/** How the answer came about, for `providerMetadata`. */
export function metadataOf(call: CallFacts): ProviderFields {
  const { failures, cost, guardrails, ...facts } = call;
  return {
    [OWN_NAME]: {
      ...facts,
      ...(cost !== undefined && { cost: { ...cost, parts: { ...cost.parts } } }),
      failures: failures.map((failure) => ({ ...failure })),
      ...(guardrails !== undefined && { guardrails: [...guardrails] }),
    },
  };
}

/** @throws InvalidArgumentError if `providerOptions` requested a stream */
export function wholeAnswer<Json>(answer: LlmAnswer<Json> | LlmStream<unknown>): LlmAnswer<Json> {
  if ('bytes' in answer) return answer;
  answer.cancel();
  throw new InvalidArgumentError(`providerOptions.${OWN_NAME}.stream`, true, 'must not be set: the AI SDK reads whole answers');
}

/** The `response` of models of images, audio and ranks. */
export function mediaResponseOf(modelId: string, call: CallFacts): MediaResponse {
  return { timestamp: new Date(), modelId, headers: factHeaders(call, true) };
}

/** @param seconds since 1970 */
export function timeOf(seconds: unknown): Date | undefined {
  return typeof seconds === 'number' ? new Date(seconds * 1000) : undefined;
}

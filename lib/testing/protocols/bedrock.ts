import { type Fields, listOf } from '../../common/objects.js';
import { bedrockEvent, bedrockException } from './bedrock-frames.js';
import {
  chunksOf,
  inputOf,
  vectorOf,
  type Chunk,
  type ErrorFacts,
  type Reply,
  type ReplyUsage,
  type WireProtocol,
} from './wire-protocol.js';

const STREAM = 'application/vnd.amazon.eventstream';
const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'content_filtered' } as const;
const EXCEPTIONS: Readonly<Record<number, string>> = {
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
};
const MESSAGES: Readonly<Record<number, string>> = { 429: 'Too many requests, please wait before trying again.' };
const REASONS = {
  context_window: 'Input is too long for requested model.',
  content_policy: 'Output blocked by content filtering policy',
} as const;

/** Bedrock's Converse, and embeddings by the words of Titan and Cohere. */
export const BEDROCK: WireProtocol = {
  streamType: STREAM,
  params: (origin) => ({
    model: 'bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0',
    api_base: origin,
    api_key: 'bedrock-local',
    aws_region_name: 'us-east-1',
  }),
  answer({ path, body }, reply) {
    if (path.endsWith('/converse')) {
      const message = { role: 'assistant', content: contentOf(reply) };
      return { json: { output: { message }, stopReason: STOP_REASONS[reply.finish], ...metadataOf(reply) } };
    }
    if (path.endsWith('/converse-stream')) return streamOf(reply);
    if (path.endsWith('/count-tokens')) return { json: { inputTokens: reply.usage?.promptTokens ?? 0 } };
    if (path.endsWith('/invoke')) return { json: embeddingsOf(body, reply) };
    return undefined;
  },
  error(facts) {
    const __type = exceptionOf(facts);
    return { body: { __type, message: messageOf(facts) }, headers: { 'x-amzn-errortype': __type } };
  },
  errorInAnswer: (facts) => BEDROCK.error(facts).body,
  errorEvent(facts) {
    const name = exceptionOf(facts);
    return bedrockException(name.charAt(0).toLowerCase() + name.slice(1), messageOf(facts));
  },
  event(data) {
    const [[type, payload]] = Object.entries(data) as [string, object][];
    return bedrockEvent(type, payload);
  },
};

function exceptionOf({ status, code }: ErrorFacts): string {
  return code ?? EXCEPTIONS[status] ?? (status < 500 ? 'ValidationException' : 'InternalServerException');
}

function messageOf({ status, message, reason }: ErrorFacts): string {
  return message ?? (reason && REASONS[reason]) ?? MESSAGES[status] ?? `The local provider answers ${status}.`;
}

function contentOf({ thinking, refusal, text = refusal, calls, nextId }: Reply): Fields[] {
  const signed = (): Fields => ({ reasoningContent: { reasoningText: { text: thinking, signature: `signed-by-claude-${nextId()}` } } });
  return [
    ...(thinking === undefined ? [] : [signed()]),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map((call) => ({ toolUse: { toolUseId: call.id ?? `tooluse_${nextId()}`, name: call.name, input: inputOf(call) } })),
  ];
}

function metadataOf({ usage }: Reply): Fields {
  return { usage: usage && usageOf(usage), metrics: { latencyMs: 1 } };
}

/** Bedrock counts cached tokens in addition to the input, not as part of it. */
function usageOf({ promptTokens, completionTokens, cacheReadTokens, cacheWriteTokens }: ReplyUsage): Fields {
  return {
    inputTokens: promptTokens - cacheReadTokens - cacheWriteTokens,
    cacheReadInputTokens: cacheReadTokens,
    cacheWriteInputTokens: cacheWriteTokens,
    outputTokens: completionTokens,
    totalTokens: promptTokens + completionTokens,
  };
}

function streamOf(reply: Reply) {
  let call = 0;
  const content = contentOf(reply).flatMap((block, contentBlockIndex) => {
    const json = 'toolUse' in block ? reply.calls[call++].json : '';
    return blockFrames(block, contentBlockIndex, json, reply);
  });
  return {
    type: STREAM,
    head: [bedrockEvent('messageStart', { role: 'assistant' })],
    content,
    end: [bedrockEvent('messageStop', { stopReason: STOP_REASONS[reply.finish] }), bedrockEvent('metadata', metadataOf(reply))],
  };
}

function blockFrames(block: Fields, contentBlockIndex: number, json: string, { pieces }: Reply): Chunk[] {
  const delta = (value: object): Chunk => bedrockEvent('contentBlockDelta', { contentBlockIndex, delta: value });
  const { text, toolUse, reasoningContent } = block as {
    readonly text?: string;
    readonly toolUse?: Fields;
    readonly reasoningContent?: { readonly reasoningText: { readonly text: string; readonly signature: string } };
  };
  const stop = bedrockEvent('contentBlockStop', { contentBlockIndex });
  if (reasoningContent !== undefined) {
    const { text: thinking, signature } = reasoningContent.reasoningText;
    const thoughts = pieces(thinking).map((piece) => delta({ reasoningContent: { text: piece } }));
    return chunksOf([], thoughts, [delta({ reasoningContent: { signature } }), stop]);
  }
  if (toolUse !== undefined) {
    const { toolUseId, name } = toolUse;
    const start = bedrockEvent('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId, name } } });
    const inputs = pieces(json).map((input) => delta({ toolUse: { input } }));
    return chunksOf([start], inputs, [stop]);
  }
  const texts = pieces(text ?? '').map((piece) => delta({ text: piece }));
  return chunksOf([], texts, [stop]);
}

function embeddingsOf({ inputText, texts }: Fields, { embeddings, usage }: Reply): object {
  if (Array.isArray(texts)) return { embeddings: { float: listOf(texts).map((text, at) => embeddings?.[at] ?? vectorOf(String(text))) } };
  return { embedding: embeddings?.[0] ?? vectorOf(String(inputText)), inputTextTokenCount: usage?.promptTokens };
}

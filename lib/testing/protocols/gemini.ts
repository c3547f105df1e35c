import { fieldsOf, type Fields, listOf } from '../../common/objects.js';
import type { ReceivedRequest } from '../received-request.js';
import { EVENT_STREAM, inputOf, vectorOf, type Chunk, type Reply, type ReplyUsage, type WireProtocol } from './wire-protocol.js';

const FINISH_REASONS = { stop: 'STOP', length: 'MAX_TOKENS', tool_calls: 'STOP', content_filter: 'SAFETY' } as const;
const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};
const MESSAGES: Readonly<Record<number, string>> = {
  429: 'You exceeded your current quota.',
  503: 'The model is overloaded. Please try again later.',
};
const REASONS = {
  context_window: 'The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).',
  content_policy: 'The response was blocked.',
} as const;

/** Gemini's generateContent and its embeddings. */
export const GEMINI: WireProtocol = {
  streamType: EVENT_STREAM,
  params: (origin) => ({ model: 'gemini/gemini-2.5-flash', api_base: `${origin}/v1beta`, api_key: 'gemini-local' }),
  answer(request, reply) {
    const [, method] = /:(\w+)$/.exec(request.path) ?? [];
    if (method === 'generateContent') return { json: chunkOf(request, partsOf(reply), reply, finishOf(reply)) };
    if (method === 'streamGenerateContent') return streamOf(request, reply);
    if (method === 'countTokens') return { json: { totalTokens: reply.usage?.promptTokens ?? 0 } };
    if (method === 'batchEmbedContents') {
      const vectors = vectorsOf(listOf(request.body.requests), reply);
      return { json: { embeddings: vectors.map((values) => ({ values })) } };
    }
    if (method === 'embedContent') return { json: { embedding: { values: vectorsOf([request.body], reply)[0] } } };
    return undefined;
  },
  error({ status, message, code, reason }) {
    const words = message ?? (reason && REASONS[reason]) ?? MESSAGES[status] ?? `The local provider answers ${status}.`;
    return { body: { error: { code: status, message: words, status: code ?? STATUSES[status] ?? 'UNKNOWN' } } };
  },
  errorInAnswer: (facts) => GEMINI.error(facts).body,
  errorEvent: (facts) => event(GEMINI.error(facts).body),
  event,
};

function partsOf({ thinking, text, calls, nextId }: Reply): Fields[] {
  return [
    ...(thinking === undefined ? [] : [{ text: thinking, thought: true }]),
    ...(text === undefined ? [] : [{ text }]),
    // Only the first of parallel calls is signed.
    ...calls.map((call, index) => ({
      functionCall: { name: call.name, args: inputOf(call), id: call.id ?? `fc_${nextId()}` },
      ...(index === 0 && { thoughtSignature: Buffer.from(`gemini-${nextId()}+/?`).toString('base64') }),
    })),
  ];
}

function finishOf({ finish, refusal }: Reply): object {
  return { finishReason: FINISH_REASONS[finish], ...(refusal !== undefined && { finishMessage: refusal }) };
}

function chunkOf({ model }: ReceivedRequest, parts: readonly Fields[], { usage }: Reply, more: object = {}): object {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
    usageMetadata: usage && usageOf(usage),
    modelVersion: model,
    responseId: 'local',
  };
}

/**
 * Gemini counts thoughts in addition to the candidates, and cached tokens as part of the prompt.
 */
function usageOf({ promptTokens, completionTokens, cacheReadTokens, reasoningTokens }: ReplyUsage): Fields {
  return {
    promptTokenCount: promptTokens,
    ...(cacheReadTokens > 0 && { cachedContentTokenCount: cacheReadTokens }),
    candidatesTokenCount: completionTokens - reasoningTokens,
    ...(reasoningTokens > 0 && { thoughtsTokenCount: reasoningTokens }),
    totalTokenCount: promptTokens + completionTokens,
  };
}

function streamOf(request: ReceivedRequest, reply: Reply) {
  const parts = partsOf(reply).flatMap((part) =>
    typeof part.text === 'string' ? reply.pieces(part.text).map((text) => ({ ...part, text })) : [part],
  );
  const unfinished = { ...reply, usage: undefined };
  return {
    type: EVENT_STREAM,
    head: [],
    content: parts.map((part) => event(chunkOf(request, [part], unfinished))),
    end: [event(chunkOf(request, [{ text: '' }], reply, finishOf(reply)))],
  };
}

function vectorsOf(requests: readonly unknown[], { embeddings }: Reply): readonly (readonly number[])[] {
  return requests.map((each, at) => embeddings?.[at] ?? vectorOf(JSON.stringify(fieldsOf(each).content) ?? ''));
}

function event(data: object): Chunk {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

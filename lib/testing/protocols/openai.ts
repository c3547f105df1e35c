import type { ReceivedRequest } from '../received-request.js';
import { chatCompletion, chatStream, textCompletion, textStream } from './openai-chat.js';
import { otherAnswer } from './openai-others.js';
import { responseFailed, responseOf, responseStream } from './openai-responses.js';
import { EVENT_STREAM, vectorOf, type Chunk, type Reply, type WireProtocol } from './wire-protocol.js';

const CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 404: 'model_not_found', 429: 'rate_limit_exceeded' };
const REASONS = {
  context_window: ['context_length_exceeded', "This model's maximum context length is 128000 tokens."],
  content_policy: ['content_filter', "The response was filtered due to the prompt triggering the provider's content policy."],
} as const;

/** OpenAI's API, and that of all who speak it. */
export const OPENAI: WireProtocol = {
  streamType: EVENT_STREAM,
  params: (origin) => ({ model: 'openai/gpt-4o-mini', api_base: `${origin}/v1`, api_key: 'sk-local' }),
  answer(request, reply) {
    const { path, stream } = request;
    if (path.endsWith('/chat/completions')) return stream ? chatStream(request, reply) : { json: chatCompletion(request, reply) };
    if (path.endsWith('/responses')) return stream ? responseStream(request, reply) : { json: responseOf(request, reply) };
    if (path.endsWith('/responses/input_tokens')) {
      return { json: { object: 'response.input_tokens', input_tokens: reply.usage?.promptTokens ?? 0 } };
    }
    if (path.endsWith('/completions')) return stream ? textStream(request, reply) : { json: textCompletion(request, reply) };
    if (path.endsWith('/embeddings')) return { json: embeddingsOf(request, reply) };
    return otherAnswer(request, reply);
  },
  error({ status, message, code, reason }) {
    const [ownCode, ownMessage] = reason === undefined ? [CODES[status] ?? null, undefined] : REASONS[reason];
    const type = status >= 500 ? 'server_error' : status === 429 ? 'requests' : 'invalid_request_error';
    const words = message ?? ownMessage ?? `The local provider answers ${status}.`;
    return { body: { error: { message: words, type, param: null, code: code ?? ownCode } }, headers: { 'x-request-id': 'req_local' } };
  },
  // OpenAI-compatible servers put the status into the code.
  errorInAnswer({ status, code, reason, message }) {
    const named = code ?? (reason === undefined ? String(status) : undefined);
    return OPENAI.error({ status, message, reason, code: named }).body;
  },
  errorEvent(facts, request) {
    const body = OPENAI.errorInAnswer(facts) as { readonly error: { readonly code: string | null; readonly message: string } };
    return event(request.path.endsWith('/responses') ? responseFailed(request, body.error) : body);
  },
  event,
};

/** Events of Responses have names. */
function event(data: object): Chunk {
  const { type } = data as { readonly type?: unknown };
  return `${typeof type === 'string' ? `event: ${type}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
}

function embeddingsOf({ body, model }: ReceivedRequest, { embeddings, usage }: Reply): object {
  const { input, encoding_format: format } = body;
  const texts: readonly unknown[] = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const written = (vector: readonly number[]): unknown =>
    format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
  const data = texts.map((text, index) => ({
    object: 'embedding',
    index,
    embedding: written(embeddings?.[index] ?? vectorOf(JSON.stringify(text) ?? '')),
  }));
  return { object: 'list', data, model, usage: usage && { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens } };
}

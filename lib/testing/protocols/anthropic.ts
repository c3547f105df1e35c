import type { Fields } from '../../common/objects.js';
import type { ReceivedRequest } from '../received-request.js';
import { chunksOf, EVENT_STREAM, inputOf, type Chunk, type Reply, type ReplyUsage, type WireProtocol } from './wire-protocol.js';

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal' } as const;
const ERROR_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};
const MESSAGES: Readonly<Record<number, string>> = {
  429: "This request would exceed your organization's rate limit.",
  500: 'Internal server error',
  529: 'Overloaded',
};
const REASONS = {
  context_window: 'prompt is too long: 250000 tokens > 200000 maximum',
  content_policy: 'Output blocked by content filtering policy',
} as const;

/** Anthropic's Messages API. */
export const ANTHROPIC: WireProtocol = {
  streamType: EVENT_STREAM,
  params: (origin) => ({ model: 'anthropic/claude-sonnet-4-5', api_base: origin, api_key: 'sk-ant-local' }),
  answer(request, reply) {
    const { path, stream } = request;
    // The latter is Vertex AI's.
    if (/\/(?:messages\/count_tokens|count-tokens:rawPredict)$/.test(path))
      return { json: { input_tokens: reply.usage?.promptTokens ?? 0 } };
    if (!path.endsWith('/messages')) return undefined;
    const message = messageOf(request, reply);
    return stream ? streamOf(message, reply) : { json: message };
  },
  error({ status, message, code, reason }) {
    const type = code ?? ERROR_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
    const words = message ?? (reason && REASONS[reason]) ?? MESSAGES[status] ?? `The local provider answers ${status}.`;
    return { body: { type: 'error', error: { type, message: words }, request_id: 'req_local' }, headers: { 'request-id': 'req_local' } };
  },
  errorInAnswer: (facts) => ANTHROPIC.error(facts).body,
  errorEvent: (facts) => event(ANTHROPIC.error(facts).body),
  event,
};

interface Message extends Fields {
  readonly content: readonly Fields[];
  readonly usage: Fields | undefined;
}

function messageOf({ model }: ReceivedRequest, reply: Reply): Message {
  const { thinking, refusal, text = refusal, calls, finish, usage, nextId } = reply;
  const signed = (): Fields => ({ type: 'thinking', thinking, signature: `signed-by-claude-${nextId()}` });
  const content = [
    ...(thinking === undefined ? [] : [signed()]),
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map((call) => ({ type: 'tool_use', id: call.id ?? `toolu_${nextId()}`, name: call.name, input: inputOf(call) })),
  ];
  const head = { id: `msg_${nextId()}`, type: 'message', role: 'assistant', model, content };
  return { ...head, stop_reason: STOP_REASONS[finish], stop_sequence: null, usage: usage && usageOf(usage) };
}

/** Anthropic counts cached tokens in addition to the input, not as part of it. */
function usageOf({ promptTokens, completionTokens, cacheReadTokens, cacheWriteTokens }: ReplyUsage): Fields {
  return {
    input_tokens: promptTokens - cacheReadTokens - cacheWriteTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cacheReadTokens,
    output_tokens: completionTokens,
    service_tier: 'standard',
  };
}

function streamOf(message: Message, { pieces, calls }: Reply) {
  const { content, usage, stop_reason, ...head } = message;
  const start = { ...head, content: [], stop_reason: null, usage: usage && { ...usage, output_tokens: 1 } };
  let call = 0;
  const blocks = content.map((block, index) => {
    const texts = block.type === 'tool_use' ? pieces(calls[call++].json) : pieces(String(block.thinking ?? block.text));
    return blockEvents(block, index, texts);
  });
  const end = [
    // Cumulative: it has the figures of the prompt, too.
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage },
    { type: 'message_stop' },
  ];
  return {
    type: EVENT_STREAM,
    head: [{ type: 'message_start', message: start }, { type: 'ping' }].map(event),
    content: blocks.flat(),
    end: end.map(event),
  };
}

function blockEvents(block: Fields, index: number, texts: readonly string[]): Chunk[] {
  const { type, signature } = block;
  const delta = (fields: Fields): Chunk => event({ type: 'content_block_delta', index, delta: fields });
  const [empty, name, field] =
    type === 'thinking'
      ? [{ type, thinking: '', signature: '' }, 'thinking_delta', 'thinking']
      : type === 'tool_use'
        ? [{ ...block, input: {} }, 'input_json_delta', 'partial_json']
        : [{ type, text: '' }, 'text_delta', 'text'];
  const signed = signature === undefined ? [] : [delta({ type: 'signature_delta', signature })];
  return chunksOf(
    [event({ type: 'content_block_start', index, content_block: empty })],
    texts.map((text) => delta({ type: name, [field]: text })),
    [...signed, event({ type: 'content_block_stop', index })],
  );
}

function event(data: object): Chunk {
  const { type } = data as { readonly type?: unknown };
  return `event: ${String(type)}\ndata: ${JSON.stringify(data)}\n\n`;
}

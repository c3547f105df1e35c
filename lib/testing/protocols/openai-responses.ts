import type { Fields } from '../../common/objects.js';
import type { ReceivedRequest } from '../received-request.js';
import { chunksOf, EVENT_STREAM, type Reply, type ReplyUsage, type StreamedReply } from './wire-protocol.js';

/** A whole response of OpenAI's Responses API. */
export function responseOf(request: ReceivedRequest, reply: Reply): Fields {
  return finished(request, reply, itemsOf(reply), `resp_${reply.nextId()}`);
}

/** The same as a stream. */
export function responseStream(request: ReceivedRequest, reply: Reply): StreamedReply {
  const id = `resp_${reply.nextId()}`;
  const items = itemsOf(reply);
  const begun = bodyOf(request, id, { status: 'in_progress', output: [], usage: null });
  const response = finished(request, reply, items, id);
  const last = response.status === 'completed' ? 'response.completed' : 'response.incomplete';
  let number = 0;
  const event = ({ type, ...fields }: Fields): string =>
    `event: ${String(type)}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...fields })}\n\n`;
  return {
    type: EVENT_STREAM,
    head: [event({ type: 'response.created', response: begun }), event({ type: 'response.in_progress', response: begun })],
    content: items.flatMap((item, index) => {
      const { start, deltas, end } = itemEvents(item, index, reply);
      return chunksOf(start.map(event), deltas.map(event), end.map(event));
    }),
    end: [event({ type: last, response })],
  };
}

/** The event that a failed response ends with. */
export function responseFailed(
  request: ReceivedRequest,
  { code, message }: { readonly code: string | null; readonly message: string },
): Fields {
  const error = { code: code ?? 'server_error', message };
  return { type: 'response.failed', response: bodyOf(request, 'resp_failed', { status: 'failed', output: [], usage: null, error }) };
}

function finished(request: ReceivedRequest, { finish, usage }: Reply, output: readonly Fields[], id: string): Fields {
  const reasons: Readonly<Record<string, string>> = { length: 'max_output_tokens', content_filter: 'content_filter' };
  const reason = reasons[finish];
  const incomplete_details = reason === undefined ? null : { reason };
  const status = reason === undefined ? 'completed' : 'incomplete';
  return bodyOf(request, id, { status, incomplete_details, output, usage: usage && usageOf(usage) });
}

function bodyOf({ model }: ReceivedRequest, id: string, fields: Fields): Fields {
  const head = { id, object: 'response', created_at: 1_700_000_000, model, error: null, incomplete_details: null, instructions: null };
  return { ...head, parallel_tool_calls: true, temperature: 1, tool_choice: 'auto', tools: [], top_p: 1, metadata: {}, ...fields };
}

function itemsOf({ thinking, text, refusal, calls, nextId }: Reply): Fields[] {
  const status = 'completed';
  const message = (part: Fields): Fields => ({ type: 'message', id: `msg_${nextId()}`, status, role: 'assistant', content: [part] });
  return [
    ...(thinking === undefined ? [] : [{ type: 'reasoning', id: `rs_${nextId()}`, summary: [{ type: 'summary_text', text: thinking }] }]),
    ...(text === undefined ? [] : [message({ type: 'output_text', text, annotations: [], logprobs: [] })]),
    ...(refusal === undefined ? [] : [message({ type: 'refusal', refusal })]),
    ...calls.map(({ id, name, json }) => ({
      type: 'function_call',
      id: `fc_${nextId()}`,
      status,
      call_id: id ?? `call_${nextId()}`,
      name,
      arguments: json,
    })),
  ];
}

/** The events of an item: before, in and after its text. */
interface ItemEvents {
  readonly start: readonly Fields[];
  readonly deltas: readonly Fields[];
  readonly end: readonly Fields[];
}

function itemEvents(item: Fields, output_index: number, { pieces }: Reply): ItemEvents {
  const { id: item_id, type } = item;
  const place = { item_id, output_index };
  const added = (empty: Fields): Fields => ({ type: 'response.output_item.added', output_index, item: { ...item, ...empty } });
  const done: Fields = { type: 'response.output_item.done', output_index, item };
  if (type === 'function_call') {
    const json = String(item.arguments);
    const name = 'response.function_call_arguments';
    return {
      start: [added({ status: 'in_progress', arguments: '' })],
      deltas: pieces(json).map((delta) => ({ type: `${name}.delta`, ...place, delta })),
      end: [{ type: `${name}.done`, ...place, arguments: json }, done],
    };
  }
  if (type === 'reasoning') {
    const [part] = item.summary as readonly { readonly text: string }[];
    const at = { ...place, summary_index: 0 };
    const name = 'response.reasoning_summary';
    return {
      start: [added({ summary: [] }), { type: `${name}_part.added`, ...at, part: { ...part, text: '' } }],
      deltas: pieces(part.text).map((delta) => ({ type: `${name}_text.delta`, ...at, delta })),
      end: [{ type: `${name}_text.done`, ...at, text: part.text }, { type: `${name}_part.done`, ...at, part }, done],
    };
  }
  const [part] = item.content as readonly { readonly type: string; readonly text?: string; readonly refusal?: string }[];
  const [name, field] = part.type === 'refusal' ? (['response.refusal', 'refusal'] as const) : (['response.output_text', 'text'] as const);
  const at = { ...place, content_index: 0 };
  const text = part[field] ?? '';
  return {
    start: [added({ status: 'in_progress', content: [] }), { type: 'response.content_part.added', ...at, part: { ...part, [field]: '' } }],
    deltas: pieces(text).map((delta) => ({ type: `${name}.delta`, ...at, delta })),
    end: [{ type: `${name}.done`, ...at, [field]: text }, { type: 'response.content_part.done', ...at, part }, done],
  };
}

function usageOf({ promptTokens, completionTokens, cacheReadTokens, reasoningTokens }: ReplyUsage): Fields {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cacheReadTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  };
}

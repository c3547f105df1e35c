import { fieldsOf, type Fields } from '../../common/objects.js';
import { type ReceivedRequest } from '../received-request.js';
import { EVENT_STREAM, type Chunk, type Reply, type ReplyUsage, type StreamedReply } from './wire-protocol.js';

const CREATED = 1_700_000_000;
const DONE = 'data: [DONE]\n\n';

/** A whole chat completion. */
export function chatCompletion({ model }: ReceivedRequest, reply: Reply): object {
  const { text = null, thinking, refusal = null, calls, finish, usage, nextId } = reply;
  const message = {
    role: 'assistant',
    content: text,
    refusal,
    ...(thinking !== undefined && { reasoning_content: thinking }),
    ...(calls.length > 0 && { tool_calls: callsOf(reply) }),
  };
  return {
    id: `chatcmpl-${nextId()}`,
    object: 'chat.completion',
    created: CREATED,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage: usage && chatUsage(usage),
  };
}

/** The same as a stream; its usage is sent if the request asks for it. */
export function chatStream(request: ReceivedRequest, reply: Reply): StreamedReply {
  const { text = '', thinking = '', refusal = '', finish, usage, pieces, nextId } = reply;
  const head = { id: `chatcmpl-${nextId()}`, object: 'chat.completion.chunk', created: CREATED, model: request.model };
  const event = (fields: object): Chunk => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  const delta = (fields: object, reason: string | null = null): Chunk =>
    event({ choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: reason }] });
  const calls = callsOf(reply).flatMap(({ function: called, ...call }, index) => [
    delta({ tool_calls: [{ index, ...call, function: { ...called, arguments: '' } }] }),
    ...pieces(called.arguments).map((piece) => delta({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ]);
  return {
    type: EVENT_STREAM,
    head: [delta({ role: 'assistant', content: '' })],
    content: [
      ...pieces(thinking).map((piece) => delta({ reasoning_content: piece })),
      ...pieces(text).map((piece) => delta({ content: piece })),
      ...pieces(refusal).map((piece) => delta({ refusal: piece })),
      ...calls,
    ],
    end: [delta({}, finish), ...(usage && asksUsage(request) ? [event({ choices: [], usage: chatUsage(usage) })] : []), DONE],
  };
}

/** A completion of the older API. */
export function textCompletion({ model }: ReceivedRequest, { text = '', finish, usage, nextId }: Reply): object {
  const choices = [{ index: 0, text, logprobs: null, finish_reason: finish }];
  return { id: `cmpl-${nextId()}`, object: 'text_completion', created: CREATED, model, choices, usage: usage && chatUsage(usage) };
}

export function textStream(request: ReceivedRequest, { text = '', finish, usage, pieces, nextId }: Reply): StreamedReply {
  const head = { id: `cmpl-${nextId()}`, object: 'text_completion', created: CREATED, model: request.model };
  const event = (fields: object): Chunk => `data: ${JSON.stringify({ ...head, ...fields })}\n\n`;
  const piece = (part: string, reason: string | null = null): Chunk =>
    event({ choices: [{ index: 0, text: part, logprobs: null, finish_reason: reason }] });
  const end = [piece('', finish), ...(usage && asksUsage(request) ? [event({ choices: [], usage: chatUsage(usage) })] : []), DONE];
  return { type: EVENT_STREAM, head: [], content: pieces(text).map((part) => piece(part)), end };
}

interface ChatCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

function callsOf({ calls, nextId }: Reply): ChatCall[] {
  return calls.map(({ id, name, json }) => ({ id: id ?? `call_${nextId()}`, type: 'function', function: { name, arguments: json } }));
}

function chatUsage({ promptTokens, completionTokens, cacheReadTokens, reasoningTokens }: ReplyUsage): Fields {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cacheReadTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

function asksUsage({ body }: ReceivedRequest): boolean {
  return fieldsOf(body.stream_options).include_usage === true;
}

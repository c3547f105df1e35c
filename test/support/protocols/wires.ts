import type { ServerResponse } from 'node:http';
import { anthropicEvent, anthropicMessage } from '../anthropic-events.js';
import { bedrockEvent, bedrockException } from '../bedrock-frames.js';

type Fields = Readonly<Record<string, unknown>>;

/** Tokens of an answer: all of the prompt, those of it that were cached or were written to a cache, and the answer's. */
export interface Figures {
  readonly prompt: unknown;
  readonly read: unknown;
  readonly written: unknown;
  readonly output: unknown;
}

/** A stream in its parts, which its server may send, leave out or repeat. */
export interface WireStream {
  /** Before the content. */
  readonly head: readonly Buffer[];
  readonly content: readonly Buffer[];
  /** With the usage. */
  readonly end: readonly Buffer[];
}

/** One wire protocol in plain pieces, for what no strict provider would send. */
export interface Wire {
  readonly name: string;
  /** USD for a million tokens: prompt, cached, written to a cache, answer; as in the price list. */
  readonly prices: readonly [number, number, number, number];
  params(origin: string): Fields & { readonly model: string };
  readonly type: string;
  /** @param usage `undefined`: none */
  whole(usage: Figures | undefined): object;
  stream(usage: Figures | undefined): WireStream;
  /** An event that says nothing. */
  readonly empty: Buffer;
  /** The error that a stream ends with. */
  readonly error: Buffer;
  /** An error in the place of an answer. */
  readonly errorBody: object;
}

const TEXTS = ['one ', 'two ', 'three ', 'four ', 'five '];
const bytes = (text: string): Buffer => Buffer.from(text);
const less = (total: unknown, ...parts: unknown[]): unknown =>
  typeof total === 'number' && parts.every((part) => typeof part === 'number')
    ? parts.reduce((left: number, part) => left - part, total)
    : total;

function claudeUsage({ prompt, read, written, output }: Figures): Fields {
  return {
    input_tokens: less(prompt, read, written),
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
    output_tokens: output,
  };
}

export const ANTHROPIC_WIRE: Wire = {
  name: 'anthropic',
  prices: [3, 0.3, 3.75, 15],
  params: (origin) => ({ model: 'anthropic/claude-sonnet-4-5', api_base: origin, api_key: 'k' }),
  type: 'text/event-stream',
  whole: (usage) => ({ ...anthropicMessage([{ type: 'text', text: TEXTS.join('') }]), usage: usage && claudeUsage(usage) }),
  stream(usage) {
    const message = anthropicMessage([]);
    const figures = usage && claudeUsage(usage);
    const event = (data: Fields): Buffer => bytes(anthropicEvent(data));
    const start = {
      ...message,
      content: [],
      stop_reason: null,
      usage: figures && { ...figures, output_tokens: typeof usage?.output === 'number' ? Math.min(usage.output, 1) : null },
    };
    return {
      head: [event({ type: 'message_start', message: start }), event({ type: 'ping' })],
      content: [
        event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
        ...TEXTS.map((text) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
        event({ type: 'content_block_stop', index: 0 }),
      ],
      // Cumulative: the figures of the prompt come again.
      end: [
        event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: figures }),
        event({ type: 'message_stop' }),
      ],
    };
  },
  empty: bytes(anthropicEvent({ type: 'ping' })),
  error: bytes(anthropicEvent({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })),
  errorBody: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
};

function converseUsage({ prompt, read, written, output }: Figures): Fields {
  return {
    inputTokens: less(prompt, read, written),
    cacheReadInputTokens: read,
    cacheWriteInputTokens: written,
    outputTokens: output,
    totalTokens: typeof prompt === 'number' && typeof output === 'number' ? prompt + output : output,
  };
}

export const BEDROCK_WIRE: Wire = {
  name: 'bedrock',
  prices: [3, 0.3, 3.75, 15],
  params: (origin) => ({
    model: 'bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0',
    api_base: origin,
    api_key: 'k',
    aws_region_name: 'us-east-1',
  }),
  type: 'application/vnd.amazon.eventstream',
  whole: (usage) => ({
    output: { message: { role: 'assistant', content: [{ text: TEXTS.join('') }] } },
    stopReason: 'end_turn',
    usage: usage && converseUsage(usage),
  }),
  stream: (usage) => ({
    head: [bedrockEvent('messageStart', { role: 'assistant' })],
    content: [
      ...TEXTS.map((text) => bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })),
      bedrockEvent('contentBlockStop', { contentBlockIndex: 0 }),
    ],
    end: [bedrockEvent('messageStop', { stopReason: 'end_turn' }), bedrockEvent('metadata', { usage: usage && converseUsage(usage) })],
  }),
  empty: bedrockEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: '' } }),
  error: bedrockException('throttlingException', 'Overloaded'),
  errorBody: { __type: 'ThrottlingException', message: 'Overloaded' },
};

const gemini = (parts: readonly object[], usage?: Figures, more: object = {}): object => ({
  candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
  usageMetadata: usage && {
    promptTokenCount: usage.prompt,
    cachedContentTokenCount: usage.read,
    candidatesTokenCount: usage.output,
    totalTokenCount: usage.output,
  },
});
const data = (value: object): Buffer => bytes(`data: ${JSON.stringify(value)}\r\n\r\n`);

export const GEMINI_WIRE: Wire = {
  name: 'gemini',
  prices: [0.3, 0.03, 0, 2.5],
  params: (origin) => ({ model: 'gemini/gemini-2.5-flash', api_base: `${origin}/v1beta`, api_key: 'k' }),
  type: 'text/event-stream',
  whole: (usage) => gemini([{ text: TEXTS.join('') }], usage, { finishReason: 'STOP' }),
  stream: (usage) => ({
    head: [],
    content: TEXTS.map((text) => data(gemini([{ text }]))),
    end: [data(gemini([{ text: '' }], usage, { finishReason: 'STOP' }))],
  }),
  empty: data({ candidates: [] }),
  error: data({ error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } }),
  errorBody: { error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } },
};

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'gpt-4o',
  error: null,
  incomplete_details: null,
  tools: [],
  metadata: {},
};
const PART = { type: 'output_text', text: TEXTS.join(''), annotations: [] };
const ITEM = { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [PART] };
const responseOf = (usage: Figures | undefined, status = 'completed', output: readonly object[] = [ITEM]): object => ({
  ...RESPONSE,
  status,
  output,
  usage: usage && {
    input_tokens: usage.prompt,
    input_tokens_details: { cached_tokens: usage.read },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: typeof usage.prompt === 'number' && typeof usage.output === 'number' ? usage.prompt + usage.output : usage.output,
  },
});
const named = (event: Fields): Buffer => bytes(`event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`);
const at = { item_id: 'msg_1', output_index: 0, content_index: 0 };

/** OpenAI's Responses, also below chat. */
export const RESPONSES_WIRE: Wire = {
  name: 'responses',
  prices: [2.5, 1.25, 0, 10],
  params: (origin) => ({ model: 'openai/responses/gpt-4o', api_base: `${origin}/v1`, api_key: 'k' }),
  type: 'text/event-stream',
  whole: (usage) => responseOf(usage),
  stream: (usage) => ({
    head: [named({ type: 'response.created', response: responseOf(undefined, 'in_progress', []) })],
    content: [
      named({ type: 'response.output_item.added', output_index: 0, item: { ...ITEM, status: 'in_progress', content: [] } }),
      named({ type: 'response.content_part.added', ...at, part: { ...PART, text: '' } }),
      ...TEXTS.map((delta) => named({ type: 'response.output_text.delta', ...at, delta })),
      named({ type: 'response.output_text.done', ...at, text: PART.text }),
      named({ type: 'response.output_item.done', output_index: 0, item: ITEM }),
    ],
    end: [named({ type: 'response.completed', response: responseOf(usage) })],
  }),
  empty: named({ type: 'response.in_progress', response: responseOf(undefined, 'in_progress', []) }),
  error: named({
    type: 'response.failed',
    response: { ...RESPONSE, status: 'failed', output: [], usage: null, error: { code: 'server_error', message: 'Overloaded' } },
  }),
  errorBody: { error: { message: 'Overloaded', type: 'server_error', code: 503 } },
};

export const WIRES = [ANTHROPIC_WIRE, BEDROCK_WIRE, GEMINI_WIRE, RESPONSES_WIRE] as const;

/** Whether a request asks for a stream, by its path or its body. */
export function asksForStream(path: string, body: Fields): boolean {
  return body.stream === true || path.endsWith('/converse-stream') || path.includes(':streamGenerateContent');
}

/** Answers with these parts of a stream. */
export function sendParts(response: ServerResponse, type: string, parts: readonly Buffer[]): void {
  response.writeHead(200, { 'content-type': type }).end(Buffer.concat(parts));
}

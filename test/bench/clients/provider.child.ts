// One answer, whole and as a stream of 50 parts, in the words of each protocol.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventStreamCodec } from '@smithy/eventstream-codec';

type Json = Readonly<Record<string, unknown>>;

const WORDS = Array.from({ length: 50 }, (_, at) => `word number ${at} `);
const TEXT = WORDS.join('');
const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

const chunk = (choices: unknown[], more: Json = {}): string =>
  data({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'gpt-4o', choices, ...more });
const openAiUsage = { prompt_tokens: 60, completion_tokens: 150, total_tokens: 210 };
const OPENAI = {
  type: 'text/event-stream',
  whole: JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: TEXT, refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage: openAiUsage,
  }),
  parts: [
    ...WORDS.map((content) => chunk([{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }])),
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) + chunk([], { usage: openAiUsage }) + 'data: [DONE]\n\n',
  ],
};

const named = (value: Json): string => `event: ${String(value.type)}\n${data(value)}`;
const message = {
  id: 'msg_bench',
  type: 'message',
  role: 'assistant',
  model: 'claude-opus-4-8',
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 60, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 150 },
};
const ANTHROPIC = {
  type: 'text/event-stream',
  whole: JSON.stringify({ ...message, content: [{ type: 'text', text: TEXT }] }),
  parts: [
    named({ type: 'message_start', message: { ...message, content: [], stop_reason: null } }) +
      named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...WORDS.map((text) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    named({ type: 'content_block_stop', index: 0 }) +
      named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 150 } }) +
      named({ type: 'message_stop' }),
  ],
};

const candidate = (text: string, more: Json = {}): Json => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...more }],
  usageMetadata: { promptTokenCount: 60, candidatesTokenCount: 150, totalTokenCount: 210 },
  modelVersion: 'gemini-2.5-flash',
  responseId: 'bench',
});
const GEMINI = {
  type: 'text/event-stream',
  whole: JSON.stringify(candidate(TEXT, { finishReason: 'STOP' })),
  parts: WORDS.map((text, at) => data(candidate(text, at === WORDS.length - 1 ? { finishReason: 'STOP' } : {}))),
};

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => new Uint8Array(Buffer.from(text)),
);
const frame = (name: string, body: Json): Buffer => {
  const header = (value: string) => ({ type: 'string' as const, value });
  const headers = { ':message-type': header('event'), ':event-type': header(name), ':content-type': header('application/json') };
  return Buffer.from(codec.encode({ headers, body: new Uint8Array(Buffer.from(JSON.stringify(body))) }));
};
const bedrockUsage = { inputTokens: 60, outputTokens: 150, totalTokens: 210 };
const BEDROCK = {
  type: 'application/vnd.amazon.eventstream',
  whole: JSON.stringify({
    output: { message: { role: 'assistant', content: [{ text: TEXT }] } },
    stopReason: 'end_turn',
    usage: bedrockUsage,
    metrics: { latencyMs: 1 },
  }),
  parts: [
    frame('messageStart', { role: 'assistant' }),
    ...WORDS.map((text) => frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })),
    Buffer.concat([
      frame('contentBlockStop', { contentBlockIndex: 0 }),
      frame('messageStop', { stopReason: 'end_turn' }),
      frame('metadata', { usage: bedrockUsage, metrics: { latencyMs: 1 } }),
    ]),
  ],
};

function protocolOf(path: string): typeof OPENAI | typeof BEDROCK {
  if (path.includes('/converse')) return BEDROCK;
  if (path.includes('enerateContent')) return GEMINI;
  return path.endsWith('/messages') ? ANTHROPIC : OPENAI;
}

const server = createServer((request: IncomingMessage, response) => {
  const received: Buffer[] = [];
  request.on('data', (part: Buffer) => received.push(part));
  request.on('end', () => {
    const path = request.url ?? '';
    const { stream } = JSON.parse(Buffer.concat(received).toString()) as { readonly stream?: boolean };
    const { type, whole, parts } = protocolOf(path);
    if (stream !== true && !path.includes('tream')) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(whole) }).end(whole);
      return;
    }
    response.writeHead(200, { 'content-type': type });
    // One write an event, as providers have it: not all of them in one packet.
    let at = 0;
    const next = (): void => {
      if (at === parts.length) return void response.end();
      response.write(parts[at++]);
      setImmediate(next);
    };
    next();
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());

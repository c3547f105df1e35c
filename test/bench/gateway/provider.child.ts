// The provider behind each gateway: fixed answers, and streams whose chunks carry their send time.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const content = 'The quick brown fox jumps over the lazy dog, and nobody knows where it went. '.repeat(4);
const ANSWER = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 60, completion_tokens: 72, total_tokens: 132 },
    system_fingerprint: 'fp_bench',
  }),
);

function event(choices: unknown[], more: object = {}): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'gpt-4o', choices, ...more })}\n\n`;
}

/**
 * A chunk with its send time, by the system clock. Has a usage field if requested, like OpenAI's.
 */
const chunk = (more: object): string => event([{ index: 0, delta: { content: `${process.hrtime.bigint()} ` }, finish_reason: null }], more);

function stream(response: ServerResponse, chunks: number, gapMs: number, asksForUsage: boolean): void {
  const place = asksForUsage ? { usage: null } : {};
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let left = chunks;
  const timer = setInterval(() => {
    if (left-- > 0) return void response.write(chunk(place));
    clearInterval(timer);
    if (asksForUsage) response.write(event([], { usage: { prompt_tokens: 60, completion_tokens: chunks, total_tokens: 60 + chunks } }));
    response.end('data: [DONE]\n\n');
  }, gapMs);
  response.once('close', () => clearInterval(timer));
}

interface Asked {
  readonly stream?: boolean;
  readonly max_tokens?: number;
  readonly stream_options?: { readonly include_usage?: boolean };
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    // LiteLLM asks for other things at its start.
    if (request.method !== 'POST') return void response.writeHead(404).end();
    const body = JSON.parse(Buffer.concat(parts).toString()) as Asked;
    if (body.stream === true) stream(response, body.max_tokens ?? 50, 10, body.stream_options?.include_usage === true);
    else response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());

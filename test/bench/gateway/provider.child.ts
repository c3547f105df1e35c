// The provider behind each gateway: fixed answers, and streams whose chunks carry their send time.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const SENTENCE = 'The quick brown fox jumps over the lazy dog, and nobody knows where it went. ';
const answers = new Map<number, Buffer>();

function answerOf(bytes: number): Buffer {
  const known = answers.get(bytes);
  if (known !== undefined) return known;
  const content = SENTENCE.repeat(Math.ceil(bytes / SENTENCE.length));
  const answer = Buffer.from(
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
  answers.set(bytes, answer);
  return answer;
}

function event(choices: unknown[], more: object = {}): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'gpt-4o', choices, ...more })}\n\n`;
}

/**
 * A chunk with its send time, by the system clock. Has a usage field if requested, like OpenAI's.
 */
const chunk = (more: object): string => event([{ index: 0, delta: { content: `${process.hrtime.bigint()} ` }, finish_reason: null }], more);

async function stream(response: ServerResponse, chunks: number, gapMs: number, asksForUsage: boolean): Promise<void> {
  const place = asksForUsage ? { usage: null } : {};
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (gapMs > 0) await inTime(response, chunks, gapMs, place);
  else
    for (let left = chunks; left > 0 && !response.destroyed; left--) {
      if (!response.write(chunk(place))) await once(response, 'drain');
    }
  if (asksForUsage) response.write(event([], { usage: { prompt_tokens: 60, completion_tokens: chunks, total_tokens: 60 + chunks } }));
  response.end('data: [DONE]\n\n');
}

function inTime(response: ServerResponse, chunks: number, gapMs: number, place: object): Promise<void> {
  return new Promise((resolve) => {
    let left = chunks;
    const end = (): void => {
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(() => {
      if (left-- > 0) response.write(chunk(place));
      else end();
    }, gapMs);
    response.once('close', end);
  });
}

interface Asked {
  readonly stream?: boolean;
  readonly max_tokens?: number;
  /** `gap`: ms between chunks. `answer`: bytes. */
  readonly user?: string;
  readonly stream_options?: { readonly include_usage?: boolean };
}

/** Long ones are not read: they ask for a short answer. */
function read(bytes: Buffer): Asked {
  return bytes.length > 64 * 1024 ? {} : (JSON.parse(bytes.toString()) as Asked);
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    // LiteLLM asks for other things at its start.
    if (request.method !== 'POST') return void response.writeHead(404).end();
    const body = read(Buffer.concat(parts));
    const { gap = '10', answer = '300' } = Object.fromEntries(new URLSearchParams(body.user));
    if (body.stream === true) {
      void stream(response, body.max_tokens ?? 50, Number(gap), body.stream_options?.include_usage === true);
      return;
    }
    const bytes = answerOf(Number(answer));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { scripted } from './llm-client-providers.js';

/** A request that arrived, with its bytes. */
export interface Arrived {
  readonly method: string;
  /** With its query, behind `/v1`. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A 1 by 1 pixel. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const SOUND = Buffer.from([0xff, 0xfb, 0x90, 0x00, 0x0a, 0x0a, 0x0d, 0x0a, 0x00, 0x00]);

/** Answers OpenAI's images, audio, moderations, files and batches, and keeps what was asked. */
export class OpenAIProvider {
  readonly arrived: Arrived[] = [];
  private constructor(readonly name: string) {}
  apiBase = '';
  /** In place of the usual answer. */
  answer: ((request: Arrived, response: ServerResponse) => boolean) | undefined = undefined;

  static async start(name: string): Promise<OpenAIProvider> {
    const provider = new OpenAIProvider(name);
    provider.apiBase = await scripted((request, response) => void provider.serve(request, response));
    return provider;
  }

  get latest(): Arrived {
    return this.arrived[this.arrived.length - 1];
  }

  /** The form that arrived last, as JavaScript reads it. */
  latestForm(): Promise<FormData> {
    const { body, headers } = this.latest;
    return new Response(body, { headers: { 'content-type': headers['content-type'] ?? '' } }).formData();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = (request.url ?? '').replace(/^\/v1/, '');
    const arrived = { method: request.method ?? '', path, headers: request.headers, body: Buffer.concat(parts) };
    this.arrived.push(arrived);
    if (this.answer?.(arrived, response) === true) return;
    const [route] = path.split('?');
    const found = ANSWERS.find(([method, pattern]) => method === arrived.method && pattern.test(route));
    if (found === undefined) json(response, { error: { message: 'unknown url', type: 'invalid_request_error', code: 'unknown_url' } }, 404);
    else found[2](response, arrived);
  }
}

type Answer = readonly [method: string, path: RegExp, answer: (response: ServerResponse, request: Arrived) => void];

const USAGE = { input_tokens: 5, output_tokens: 7, total_tokens: 12 };
const file = { id: 'file-1', object: 'file', bytes: 3, created_at: 1, filename: 'a.jsonl', purpose: 'batch', status: 'processed' };
const batch = { id: 'batch_1', object: 'batch', endpoint: '/v1/chat/completions', input_file_id: 'file-1', status: 'validating' };

const ANSWERS: readonly Answer[] = [
  ['POST', /^\/images\//, (response) => json(response, { created: 1, data: [{ b64_json: PIXEL }], usage: USAGE })],
  ['POST', /^\/audio\/speech$/, (response) => bytes(response, SOUND, 'audio/mpeg')],
  [
    'POST',
    /^\/audio\/(?:transcriptions|translations)$/,
    (response, { body }) => {
      if (body.includes('\r\n\r\nvtt\r\n')) bytes(response, Buffer.from('WEBVTT\n\nHello'), 'text/vtt');
      else json(response, { text: 'Hello', usage: { type: 'tokens', ...USAGE } });
    },
  ],
  ['POST', /^\/moderations$/, (response) => json(response, { id: 'modr-1', model: 'm', results: [{ flagged: false, categories: {} }] })],
  ['POST', /^\/rerank$/, (response) => json(response, { results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 9 } })],
  ['POST', /^\/files$/, (response) => json(response, file)],
  ['GET', /^\/files$/, (response) => json(response, { object: 'list', data: [file], has_more: false })],
  ['GET', /^\/files\/[^/]+$/, (response) => json(response, file)],
  ['DELETE', /^\/files\/[^/]+$/, (response) => json(response, { id: 'file-1', object: 'file', deleted: true })],
  ['GET', /^\/files\/[^/]+\/content$/, (response) => bytes(response, Buffer.from('{"a":1}\n'), 'text/html')],
  ['POST', /^\/batches(?:\/[^/]+\/cancel)?$/, (response) => json(response, batch)],
  ['GET', /^\/batches$/, (response) => json(response, { object: 'list', data: [batch], has_more: false })],
  ['GET', /^\/batches\/[^/]+$/, (response) => json(response, batch)],
];

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function bytes(response: ServerResponse, body: Buffer, type: string): void {
  response.writeHead(200, { 'content-type': type }).end(body);
}

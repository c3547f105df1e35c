import type { ReceivedRequest } from '../received-request.js';
import type { Reply, RenderedReply } from './wire-protocol.js';

/** A picture of 1 by 1 pixel, in base64. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
/** The start of an MP3. */
export const SOUND = Buffer.from([0xff, 0xfb, 0x90, 0x00, 0x0a, 0x0a, 0x0d, 0x0a, 0x00, 0x00]);

const FILE = { id: 'file-1', object: 'file', bytes: 3, created_at: 1, filename: 'a.jsonl', purpose: 'batch', status: 'processed' };
const BATCH = { id: 'batch_1', object: 'batch', endpoint: '/v1/chat/completions', input_file_id: 'file-1', status: 'validating' };

/** Answers of one path. */
interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly answer: (request: ReceivedRequest, reply: Reply) => RenderedReply;
}

const list = (data: readonly object[]): RenderedReply => ({ json: { object: 'list', data, has_more: false } });
const route = (method: string, path: RegExp, answer: Route['answer']): Route => ({ method, path, answer });

const ROUTES: readonly Route[] = [
  route('GET', /\/models$/, () => list([])),
  route('POST', /\/images\/\w+$/, (_, reply) => ({ json: { created: 1, data: [{ b64_json: PIXEL }], usage: usageOf(reply) } })),
  route('POST', /\/audio\/speech$/, () => ({ bytes: SOUND, type: 'audio/mpeg' })),
  route('POST', /\/audio\/(?:transcriptions|translations)$/, transcript),
  route('POST', /\/moderations$/, () => ({ json: { id: 'modr-1', model: 'm', results: [{ flagged: false, categories: {} }] } })),
  route('POST', /\/rerank$/, (_, { usage }) => ({
    json: { results: [{ index: 1, relevance_score: 0.9 }], usage: usage && { total_tokens: usage.promptTokens } },
  })),
  route('POST', /\/files$/, () => ({ json: FILE })),
  route('GET', /\/files$/, () => list([FILE])),
  route('GET', /\/files\/[^/]+$/, () => ({ json: FILE })),
  route('DELETE', /\/files\/[^/]+$/, () => ({ json: { id: 'file-1', object: 'file', deleted: true } })),
  route('GET', /\/files\/[^/]+\/content$/, () => ({ bytes: Buffer.from('{"a":1}\n'), type: 'text/html' })),
  route('POST', /\/batches(?:\/[^/]+\/cancel)?$/, () => ({ json: BATCH })),
  route('GET', /\/batches$/, () => list([BATCH])),
  route('GET', /\/batches\/[^/]+$/, () => ({ json: BATCH })),
];

/** Images, audio, moderations, rerank, files and batches; `undefined` for any other path. */
export function otherAnswer(request: ReceivedRequest, reply: Reply): RenderedReply | undefined {
  const found = ROUTES.find(({ method, path }) => method === request.method && path.test(request.path));
  return found?.answer(request, reply);
}

function transcript({ bytes }: ReceivedRequest, reply: Reply): RenderedReply {
  const text = reply.text ?? '';
  if (bytes.includes('\r\n\r\nvtt\r\n')) return { bytes: Buffer.from(`WEBVTT\n\n${text}`), type: 'text/vtt' };
  return { json: { text, usage: { type: 'tokens', ...usageOf(reply) } } };
}

function usageOf({ usage }: Reply): object | undefined {
  if (usage === undefined) return undefined;
  const { promptTokens, completionTokens } = usage;
  return { input_tokens: promptTokens, output_tokens: completionTokens, total_tokens: promptTokens + completionTokens };
}

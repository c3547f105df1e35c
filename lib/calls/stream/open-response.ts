import type { NodeResponse } from '../../common/response-over.js';
import { factHeaders, type AnswerTarget, type CallFacts } from '../answer/llm-answer.js';

type ResponseHeaders = Record<string, number | string | string[] | undefined>;

/** Node's response, as far as a stream needs it. */
export type Writable = NodeResponse & {
  writeHead(status: number, headers: ResponseHeaders): unknown;
  write(bytes: Buffer | string): boolean;
  end(): unknown;
  destroy(): unknown;
};

/** Keeps Express's compression from buffering events; nginx reads a header of its own. */
const NOT_GATHERED = 'no-cache, no-transform';

/**
 * Sends the head of a streamed answer, and returns the response to write to.
 * @throws Error if the request was answered already, for example by a time-out middleware.
 */
export function openResponse(target: AnswerTarget, call: CallFacts, contentType: string): Writable {
  // Headers that the app set stay. Fastify keeps a copy of its own.
  const headers = (target.getHeaders?.() ?? {}) as ResponseHeaders;
  target.hijack?.();
  const response = (target.raw ?? target) as Writable;
  headers['cache-control'] ??= NOT_GATHERED;
  headers['x-accel-buffering'] ??= 'no';
  Object.assign(headers, factHeaders(call));
  headers['content-type'] = contentType;
  response.writeHead(200, headers);
  return response;
}

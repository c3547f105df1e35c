import { HttpException } from '@nestjs/common';
import { InvalidArgumentError, RequestCancelledError } from '../common/errors.js';
import type { OpenAIErrorBody } from '../common/provider-error.js';
import { googleError } from '../apis/generate-content/errors.js';
import { messagesError } from '../apis/messages/errors.js';

/** An API of clients, for the shape of its errors. */
export type ClientApi = 'openai' | 'anthropic' | 'google';

/** The response to a client for an error. */
export interface ErrorAnswer {
  readonly status: number;
  readonly error: OpenAIErrorBody;
  /** Whether the operator has to look into it. */
  readonly isUnexpected: boolean;
}

/** The body of an error in the shape of the client's API. */
export function errorBody({ status, error }: ErrorAnswer, api: ClientApi, requestId?: string): object {
  if (api === 'openai') return { error };
  return api === 'anthropic' ? messagesError(status, error, requestId) : googleError(status, error);
}

/** An error of the gateway itself, in OpenAI's format. */
export function gatewayError(status: number, code: string | null, message: string): HttpException {
  return new HttpException({ error: { message, type: 'invalid_request_error', param: null, code } }, status);
}

export function bodyTooLarge(bytes: number): HttpException {
  return gatewayError(413, 'request_too_large', `The request is too large: the body must have at most ${bytes} bytes.`);
}

/** The answer to an error of any kind: of this package, of the app's guards, of the framework. */
export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof InvalidArgumentError) {
    const { message, path, code } = error;
    return answer(400, { message, param: path, code: code.toLowerCase() });
  }
  if (error instanceof HttpException) return answerToHttp(error);
  // The client has disconnected: the status is only for a proxy's log.
  if (error instanceof RequestCancelledError) return answer(499, { message: error.message, code: 'request_cancelled' });
  const { code, statusCode } = (error ?? {}) as { readonly code?: unknown; readonly statusCode?: unknown };
  if (code === 'POOL_TIMEOUT') return answer(503, { message: 'All connections to providers are in use.', code: 'pool_timeout' });
  if (code === 'POOL_CLOSED') return answer(503, { message: 'The server is shutting down.', code: 'pool_closed' });
  // An error of the framework, such as Fastify's for a body that is not JSON.
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return answer(statusCode, { message: (error as Error).message, code: statusCode === 413 ? 'request_too_large' : null });
  }
  const message = 'The server had an error while processing your request.';
  return { ...answer(500, { message }), isUnexpected: true };
}

function answerToHttp(error: HttpException): ErrorAnswer {
  const status = error.getStatus();
  const body = error.getResponse();
  // Errors of limits, router and providers already have OpenAI's format.
  if (typeof body === 'object' && 'error' in body && typeof body.error === 'object' && body.error !== null) {
    return { status, error: body.error as OpenAIErrorBody, isUnexpected: false };
  }
  const { message } = body as { readonly message?: unknown };
  const words = typeof message === 'string' ? message : Array.isArray(message) ? message.join('; ') : error.message;
  return answer(status, { message: words, code: CODES[status] ?? null });
}

/** As OpenAI names them, for errors of the app's guards. */
const CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 413: 'request_too_large', 429: 'rate_limit_exceeded' };

function answer(status: number, error: { readonly message: string; readonly param?: string; readonly code?: string | null }): ErrorAnswer {
  const { message, param = null, code = null } = error;
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  return { status, error: { message, type, param, code }, isUnexpected: false };
}

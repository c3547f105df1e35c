import { type Fields, fieldsOf, jsonIn, listOf, nonEmptyString } from '../../common/objects.js';
import { errorIn as errorInAny, hasError } from '../openai/errors.js';
import type { StatedError } from '../protocol.js';

export { hasError };

/** Google answers a wrong key with 400. */
const WRONG_KEY = /^API key (?:not valid|expired)/;
/** A prompt that is too long: its message has one of each. */
const TOO_LONG = [/token count/, /exceeds the maximum|only supports/];
const RETRY_INFO = /google\.rpc\.RetryInfo$/;
const SECONDS = /^(\d{1,9}(?:\.\d{1,9})?)s$/;
const UNAUTHENTICATED = 401;

/**
 * The error that a body states: `{ error: { code, message, status, details } }` of Google, also in
 * a list, or any other. `code` becomes Google's name of the status (`RESOURCE_EXHAUSTED`).
 */
export function errorIn(body: string): StatedError {
  const error = googleErrorIn(body);
  if (error === undefined) return errorInAny(body);
  const { message, status: name } = error;
  const details = listOf(error.details).map(fieldsOf);
  const words = nonEmptyString(message);
  const isWrongKey = details.some(({ reason }) => reason === 'API_KEY_INVALID') || (words !== undefined && WRONG_KEY.test(words));
  const isTooLong = words !== undefined && TOO_LONG.every((pattern) => pattern.test(words));
  return {
    message: words,
    code: isTooLong ? 'context_length_exceeded' : nonEmptyString(name),
    status: isWrongKey ? UNAUTHENTICATED : statusOf(error.code),
    retryAfterMs: retryAfterIn(details),
  };
}

/** An error instead of an answer, in OpenAI's format; `errorIn` reads it back. */
export function openAIErrorIn(body: string): object {
  const { message, code, status = 500, retryAfterMs } = errorIn(body);
  const details = retryAfterMs === undefined ? [] : [{ '@type': 'google.rpc.RetryInfo', retryDelay: `${retryAfterMs / 1000}s` }];
  return {
    error: {
      message: message ?? 'The provider failed without an error message.',
      type: status < 500 ? 'invalid_request_error' : 'server_error',
      param: null,
      code: String(status),
      status: code ?? 'UNKNOWN',
      ...(details.length > 0 && { details }),
    },
  };
}

/** `undefined`: the body has no error of Google's. */
function googleErrorIn(body: string): Fields | undefined {
  const parsed = jsonIn(body);
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  const error = fieldsOf(fieldsOf(first).error);
  return typeof error.status === 'string' || Array.isArray(error.details) ? error : undefined;
}

function statusOf(code: unknown): number | undefined {
  const status = Number(code);
  return Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined;
}

function retryAfterIn(details: readonly Fields[]): number | undefined {
  const delay = details.find((detail) => RETRY_INFO.test(String(detail['@type'])))?.retryDelay;
  const seconds = typeof delay === 'string' ? SECONDS.exec(delay)?.[1] : undefined;
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}

import { type Fields, fieldsOf, isObject, jsonIn } from '../../common/objects.js';
import { errorIn as errorInWords, hasError } from '../openai/errors.js';
import type { StatedError } from '../protocol.js';

/** The statuses of Anthropic's errors: in a stream they have only their type. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};
/** Anthropic's state of the conversation is at fault; the client sends it again. */
const THREAD = /^thread_/;
/** Longer details are dropped. */
const LONGEST_DETAILS = 4096;
/** Matches messages that prompt and reply together are too long. */
const TOO_LONG = /exceed context limit|prompt is too long/;

/** The error in a body or an event, `{ type: "error", error: { type, message, details } }`. */
export function errorIn(body: string): StatedError {
  const stated = errorInWords(body);
  const { type, message } = stated;
  const status = typeof type === 'string' && Object.hasOwn(STATUSES, type) ? STATUSES[type] : undefined;
  const details = detailsIn(body);
  const isOfThread = THREAD.test(String(details?.error_code));
  const code =
    stated.code ??
    (isOfThread ? String(details?.error_code) : undefined) ??
    (message !== undefined && TOO_LONG.test(message) ? 'context_length_exceeded' : undefined);
  return { ...stated, code, ...(status !== undefined && { status }), ...(details !== undefined && { details }) };
}

function detailsIn(body: string): Fields | undefined {
  if (!body.includes('"details"')) return undefined;
  const { details } = fieldsOf(fieldsOf(jsonIn(body)).error);
  return isObject(details) && JSON.stringify(details).length <= LONGEST_DETAILS ? details : undefined;
}

/** Whether this is a type of Anthropic's. */
export function isErrorType(type: string | null): type is string {
  return type !== null && Object.hasOwn(STATUSES, type);
}

export { hasError };

import type { OpenAIErrorBody } from '../../common/provider-error.js';

/** An error as Anthropic's clients read it. */
export interface MessagesErrorBody {
  readonly type: 'error';
  readonly error: {
    readonly type: string;
    readonly message: string;
    /** Its `error_code` tells the SDK's message threads what to do. */
    readonly details?: Readonly<Record<string, unknown>>;
  };
  readonly request_id: string | null;
}

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};
const OWN_TYPES: ReadonlySet<string> = new Set([...Object.values(TYPES), 'api_error']);
/** Anthropic's message, which makes Claude Code shorten its conversation. */
const TOO_LONG = 'prompt is too long';

/**
 * Converts an error from OpenAI's format to Anthropic's.
 * @param status of the HTTP response, or the equivalent for a stream
 * @param requestId for the client's support; `null` without one
 */
export function messagesError(
  status: number,
  error: Partial<OpenAIErrorBody> | null | undefined,
  requestId: string | null = null,
): MessagesErrorBody {
  const { message = 'The request failed.', code, details } = error ?? {};
  const text = code === 'context_length_exceeded' && !message.toLowerCase().includes(TOO_LONG) ? `${TOO_LONG}: ${message}` : message;
  const body = { type: errorType(status, error?.type), message: text };
  return { type: 'error', error: details === undefined ? body : { ...body, details }, request_id: requestId };
}

/** Anthropic's error type is more specific than a status. */
function errorType(status: number, type: string | null | undefined): string {
  if (typeof type === 'string' && OWN_TYPES.has(type) && type !== 'invalid_request_error') return type;
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

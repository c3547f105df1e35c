import type { OpenAIErrorBody } from '../../common/provider-error.js';

/** An error as Google's clients read it. */
export interface GoogleErrorBody {
  readonly error: {
    /** The HTTP status. */
    readonly code: number;
    readonly message: string;
    /** Google's name of the status: `RESOURCE_EXHAUSTED`. */
    readonly status: string;
    readonly details?: readonly object[];
  };
}

const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';

/**
 * Converts an error from OpenAI's format to Google's. Its code and parameter are in `details`.
 * @param status of the HTTP response, or the equivalent for a stream
 */
export function googleError(status: number, error: Partial<OpenAIErrorBody> | null | undefined): GoogleErrorBody {
  const { message = 'The request failed.', code, param } = error ?? {};
  const named = typeof code === 'string' && code !== '' && !/^\d+$/.test(code) ? code : undefined;
  const metadata = typeof param === 'string' && param !== '' ? { metadata: { param } } : {};
  const details = named === undefined ? [] : [{ '@type': ERROR_INFO, reason: named.toUpperCase(), ...metadata }];
  return {
    error: {
      code: status,
      message,
      status: STATUSES[status] ?? (status >= 500 ? 'INTERNAL' : 'FAILED_PRECONDITION'),
      ...(details.length > 0 && { details }),
    },
  };
}

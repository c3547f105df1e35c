import { UnsupportedRequestError } from '../../common/http-errors.js';

/**
 * Anthropic stores the conversation of a `thread`, and requests contain only new messages. At other
 * providers the model would get only these; Anthropic's own error makes its SDK send everything.
 * @throws UnsupportedRequestError for a request with a thread
 */
export function refuseThread(thread: unknown, provider: string): void {
  if (thread === undefined || thread === null) return;
  throw new UnsupportedRequestError({
    param: 'thread',
    provider,
    reason: `${provider} does not store conversations`,
    remedy: 'send the whole conversation without thread',
    details: { error_code: 'thread_unsupported_request' },
  });
}

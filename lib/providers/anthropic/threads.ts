import { UnsupportedRequestError } from '../../common/http-errors.js';

/**
 * Anthropic keeps the conversation of a `thread`, and requests have only what is new. Where it is
 * not kept, the model would get a part of it: Anthropic's own error makes its SDK send all of it.
 * @throws UnsupportedRequestError for a request with a thread
 */
export function refuseThread(thread: unknown, provider: string): void {
  if (thread === undefined || thread === null) return;
  throw new UnsupportedRequestError({
    param: 'thread',
    provider,
    reason: `${provider} keeps no conversation`,
    mend: 'send the whole conversation without thread',
    details: { error_code: 'thread_unsupported_request' },
  });
}

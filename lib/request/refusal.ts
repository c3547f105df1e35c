import type * as WebSockets from '@nestjs/websockets';
import type { RateLimitExceededError } from '../common/http-errors.js';
import { loadOptionalPackage } from '../common/optional-package.js';

/**
 * A refusal as clients of each protocol can read it. HTTP: the error itself, which Nest makes a response of. GraphQL: the same with `extensions` (`code`,
 * `retryAfterMs`, the status), which servers pass on. WebSockets: a `WsException`, as of any other error Nest says "Internal server error", and writes a
 * stack to the log each time; the client gets the event `exception` with `{ status: 'error', message, error, retryAfterMs }`.
 */
export function refusalFor(protocol: string, error: RateLimitExceededError): Error {
  if (protocol === 'graphql') return Object.assign(error, { extensions: extensionsOf(error) });
  return protocol === 'ws' ? webSocketError(error) : error;
}

function extensionsOf(error: RateLimitExceededError): object {
  const { code, limitName, exceeded, limit, retryAfterMs } = error;
  return { code, limitName, exceeded, limit, retryAfterMs, http: { status: error.getStatus() } };
}

function webSocketError(error: RateLimitExceededError): Error {
  const { WsException } = loadOptionalPackage(
    '@nestjs/websockets',
    'refusing a message of a WebSocket',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where there are WebSockets: an optional peer
    () => require('@nestjs/websockets') as typeof WebSockets,
  );
  const { message, retryAfterMs } = error;
  const exception = new WsException({ status: 'error', message, ...(error.getResponse() as object), retryAfterMs });
  return Object.assign(exception, { cause: error });
}

import type * as WebSockets from '@nestjs/websockets';
import type { RateLimitExceededError } from '../../common/http-errors.js';
import { loadOptionalPackage } from '../../common/optional-package.js';

/** Of messages: made of what the client is sent. */
type MessageException = new (error: object) => Error;

/**
 * A refusal as clients of each protocol can read it. HTTP: the error itself, which Nest makes a response of. GraphQL: the same with `extensions` (`code`,
 * `retryAfterMs`, the status), which servers pass on. WebSockets and messages between services: a `WsException` or `RpcException`, as of any other error Nest
 * says "Internal server error"; the client gets `{ status: 'error', message, error, retryAfterMs }`, over WebSockets as the event `exception`.
 */
export function refusalFor(protocol: string, error: RateLimitExceededError): Error {
  if (protocol === 'graphql') return Object.assign(error, { extensions: extensionsOf(error) });
  if (protocol === 'ws') return messageError(error, webSocketException());
  if (protocol === 'rpc') return messageError(error, serviceException());
  return error;
}

function extensionsOf(error: RateLimitExceededError): object {
  const { code, limitName, exceeded, limit, retryAfterMs } = error;
  return { code, limitName, exceeded, limit, retryAfterMs, http: { status: error.getStatus() } };
}

function messageError(error: RateLimitExceededError, Exception: MessageException): Error {
  const { message, retryAfterMs } = error;
  const exception = new Exception({ status: 'error', message, ...(error.getResponse() as object), retryAfterMs });
  return Object.assign(exception, { cause: error });
}

function webSocketException(): MessageException {
  const { WsException } = loadOptionalPackage(
    '@nestjs/websockets',
    'refusing a message of a WebSocket',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where there are WebSockets: an optional peer
    () => require('@nestjs/websockets') as typeof WebSockets,
  );
  return WsException;
}

function serviceException(): MessageException {
  const { RpcException } = loadOptionalPackage(
    '@nestjs/microservices',
    'refusing a message of another service',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only where there are messages: an optional peer
    () => require('@nestjs/microservices') as { readonly RpcException: MessageException },
  );
  return RpcException;
}

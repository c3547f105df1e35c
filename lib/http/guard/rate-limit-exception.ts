import type { HttpException } from '@nestjs/common';
import type * as WebSockets from '@nestjs/websockets';
import type { RateLimitExceededError } from '../../common/http-errors.js';
import { loadOptionalPackage } from '../../common/optional-package.js';

/** `WsException` or `RpcException`, created with the data for the client. */
type MessageException = new (error: object) => Error;

/**
 * An error in the form that clients of a transport can read. HTTP: the error itself. GraphQL: the
 * same with `extensions`. Messages: a `WsException` or `RpcException` of `{ status, message, error,
 * retryAfterMs }`, because Nest answers "Internal server error" to any other.
 */
export function transportError(transport: string, error: HttpException): Error {
  if (transport === 'graphql') return Object.assign(error, { extensions: extensionsOf(error) });
  if (transport === 'ws') return messageError(error, webSocketException());
  if (transport === 'rpc') return messageError(error, serviceException());
  return error;
}

function extensionsOf(error: HttpException): object {
  const { code, limitName, exceeded, limit, retryAfterMs } = error as Partial<RateLimitExceededError>;
  return { code, limitName, exceeded, limit, retryAfterMs, http: { status: error.getStatus() } };
}

function messageError(error: HttpException, Exception: MessageException): Error {
  const { message, retryAfterMs } = error as HttpException & Partial<RateLimitExceededError>;
  const exception = new Exception({ status: 'error', message, ...(error.getResponse() as object), retryAfterMs });
  return Object.assign(exception, { cause: error });
}

function webSocketException(): MessageException {
  const { WsException } = loadOptionalPackage(
    '@nestjs/websockets',
    'rejecting a WebSocket message',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer, loaded where it is used
    () => require('@nestjs/websockets') as typeof WebSockets,
  );
  return WsException;
}

function serviceException(): MessageException {
  const { RpcException } = loadOptionalPackage(
    '@nestjs/microservices',
    'rejecting a microservice message',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer, loaded where it is used
    () => require('@nestjs/microservices') as { readonly RpcException: MessageException },
  );
  return RpcException;
}

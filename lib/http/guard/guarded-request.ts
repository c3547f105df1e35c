import type { ExecutionContext } from '@nestjs/common';
import type { Identifiable } from './client-key.js';
import type { HttpResponse } from '../response-end.js';

/** A request as the guard sees it. */
export interface LimitedRequest extends Identifiable {
  readonly body?: unknown;
}

/** What a guard limits, and where it says so. */
export interface RequestResponse {
  readonly request: LimitedRequest;
  /** Absent where there is none to put headers on and to wait for the end of: WebSockets. */
  readonly response?: HttpResponse;
}

/** A request on its way through the guard. */
export interface GuardedRequest extends RequestResponse {
  readonly context: ExecutionContext;
}

/** Nest's GraphQL drivers make the first two, mercurius alone the last. */
interface GraphQLContext {
  readonly req?: LimitedRequest;
  readonly res?: HttpResponse;
  readonly reply?: HttpResponse & { readonly request?: LimitedRequest };
}

/** Of what WebSocket clients are known to have. */
interface WebSocketClient {
  readonly handshake?: { readonly headers?: Identifiable['headers']; readonly address?: string };
  readonly _socket?: { readonly remoteAddress?: string };
}

/** Request and response of HTTP, GraphQL, WebSockets and messages between services. */
export function requestResponseOf(context: ExecutionContext): RequestResponse {
  const type = context.getType<'http' | 'graphql' | 'ws' | 'rpc'>();
  if (type === 'http') return { request: context.getArgByIndex(0), response: context.getArgByIndex(1) };
  if (type === 'graphql') {
    const graphql = context.getArgByIndex<GraphQLContext | undefined>(2);
    return { request: graphql?.req ?? graphql?.reply?.request ?? {}, response: graphql?.res ?? graphql?.reply };
  }
  // Of a message between services, all that is known is what its sender wrote: an address in it is anybody's.
  if (type !== 'ws') return { request: { body: context.getArgByIndex<unknown>(0) } };
  const [client, body] = [context.getArgByIndex<WebSocketClient | undefined>(0), context.getArgByIndex<unknown>(1)];
  // `socket.io` tells of the handshake, `ws` of the socket.
  return { request: { headers: client?.handshake?.headers, ip: client?.handshake?.address ?? client?._socket?.remoteAddress, body } };
}

/** A request that notices when a field is asked for that it does not have (yet): its body, or the user that a later guard finds. */
export class WatchedFields {
  readonly request: LimitedRequest;
  missed = false;

  constructor(request: LimitedRequest) {
    this.request = new Proxy(request, {
      get: (target, field) => {
        const value: unknown = Reflect.get(target, field, target);
        if (value === undefined || value === null) this.missed = true;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

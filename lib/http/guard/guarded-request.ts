import type { ExecutionContext } from '@nestjs/common';
import type { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import type { Reservation } from '../../rate-limit/reservation.js';
import type { RateLimitDecision } from '../../rate-limit/store.js';
import { BodyBoundsError } from '../body/json-bounds.js';
import { excessOf, type JsonExcess } from '../body/json-shape.js';
import type { PriceOf } from '../answer-usage.js';
import { RequestContext, type HttpResponse } from '../request-context.js';
import { modelOf } from '../token-estimate/requested-tier.js';
import type { Identifiable } from './client-key.js';
import { setHeaders } from '../response-headers.js';
import { budgetDenialHeaders, retryAfterHeaders } from '../retry-after-headers.js';
import { rateLimitHeaders } from './limit-headers.js';
import type { LimitQuotas } from './quotas.js';
import { transportError } from './rate-limit-exception.js';

/** A decision of the guard. */
export interface GuardDecision extends RateLimitDecision {
  /** When to retry if money is held and the queue has an estimate. */
  readonly heldRetryMs?: number;
}

/** The parts of a request that the guard reads. */
export interface LimitedRequest extends Identifiable {
  readonly body?: unknown;
}

/** A request, and the response that gets its headers. */
export interface RequestResponse {
  readonly request: LimitedRequest;
  /** Absent for messages (WebSockets, microservices), which have no headers and no end. */
  readonly response?: HttpResponse | undefined;
}

/** The context of GraphQL drivers: Nest's make the first two, mercurius alone makes `reply`. */
interface GraphQLContext {
  readonly req?: LimitedRequest;
  readonly res?: HttpResponse;
  readonly reply?: HttpResponse & { readonly request?: LimitedRequest };
}

/** A client of `socket.io` has a `handshake`, one of `ws` a `_socket`. */
interface WebSocketClient {
  readonly handshake?: { readonly headers?: Identifiable['headers']; readonly address?: string };
  readonly _socket?: { readonly remoteAddress?: string };
}

/** One request in the guard, on any transport. */
export class GuardedRequest implements RequestResponse {
  readonly request: LimitedRequest;
  readonly response: HttpResponse | undefined;
  /** Facts about the request that all guards share. */
  readonly state: RequestContext;

  constructor(
    readonly context: ExecutionContext,
    { request, response }: RequestResponse,
  ) {
    this.request = request;
    this.response = response;
    this.state = RequestContext.of(request);
    // The messages of a connection can share one of the app's objects, but each has its own body.
    if (response === undefined) this.state.isLarge = undefined;
  }

  /** Whether another guard, or another field of the query, holds money for it already. */
  get holdsMoney(): boolean {
    return this.holder().hold.holdsMoney;
  }

  /** Sets the headers of a decision; without `all` only those that say when to retry. */
  setHeaders(limits: LimitQuotas, decision: GuardDecision, all: boolean): void {
    const { response } = this;
    if (response === undefined) return;
    if (all && decision.standings.length > 0) setHeaders(response, rateLimitHeaders(limits, decision));
    if (decision.allowed) return;
    const { budget, heldRetryMs, retryAfterMs } = decision;
    if (budget !== undefined) setHeaders(response, budgetDenialHeaders({ reason: budget.reason, retryAfterMs: heldRetryMs }));
    else if (retryAfterMs !== Infinity) setHeaders(response, retryAfterHeaders(retryAfterMs));
  }

  /**
   * Settles the reservation when the response ends; that of a message when usage is reported.
   * @param readsUsage Whether the usage of its answer counts, not only a reported one.
   */
  settleAtEnd(limiter: RateLimiterService, reservation: Reservation, readsUsage: boolean, priceOf?: PriceOf): void {
    const { response } = this;
    const holder = response === undefined ? this.holder() : this.state;
    if (priceOf !== undefined) holder.model = modelOf(this.request.body);
    holder.hold.add(limiter, reservation, priceOf);
    if (response === undefined) holder.hold.end(false);
    else holder.settleWith(response, readsUsage);
  }

  /** Each WebSocket message is a request, and so is a GraphQL operation with all its fields. */
  private holder(): RequestContext {
    const { request, response, context, state } = this;
    const { body } = request;
    const isMessage = response === undefined && context.getType<string>() !== 'graphql';
    return isMessage && typeof body === 'object' && body !== null ? RequestContext.of(body) : state;
  }
}

/** Finds request and response in the context of HTTP, GraphQL, WebSockets and microservices. */
export function requestResponseOf(context: ExecutionContext): RequestResponse {
  const type = context.getType<'http' | 'graphql' | 'ws' | 'rpc'>();
  if (type === 'http') return { request: context.getArgByIndex(0), response: context.getArgByIndex(1) };
  if (type === 'graphql') {
    const graphql = context.getArgByIndex<GraphQLContext | undefined>(2);
    return { request: graphql?.req ?? graphql?.reply?.request ?? {}, response: graphql?.res ?? graphql?.reply };
  }
  // The sender of a microservice message controls its content, so an address in it proves nothing.
  if (type !== 'ws') return { request: { body: context.getArgByIndex<unknown>(0) } };
  const [client, body] = [context.getArgByIndex<WebSocketClient | undefined>(0), context.getArgByIndex<unknown>(1)];
  return { request: { headers: client?.handshake?.headers, ip: client?.handshake?.address ?? client?._socket?.remoteAddress, body } };
}

/** By body: guarded fields of one GraphQL query share it. */
const excesses = new WeakMap<object, JsonExcess | null>();

/**
 * Checks a body before it is counted. HTTP bodies are bounded while they arrive (`boundJsonHook`);
 * those of other transports are parsed before the guard sees them.
 *
 * @throws BodyBoundsError in the form of the transport.
 */
export function checkMessageBounds(body: unknown, context: ExecutionContext): void {
  const type = context.getType();
  if (type === 'http' || typeof body !== 'object' || body === null) return;
  let excess = excesses.get(body);
  if (excess === undefined) excesses.set(body, (excess = excessOf(body) ?? null));
  if (excess !== null) throw transportError(type, new BodyBoundsError(excess));
}

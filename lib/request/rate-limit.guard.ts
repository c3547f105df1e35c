import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { InvalidArgumentError } from '../common/errors.js';
import { RateLimitExceededError } from '../common/http-errors.js';
import { LARGEST_AMOUNT } from '../rate-limit/rate-limit.arguments.js';
import type { RateLimitDecision, RateLimitScope } from '../rate-limit/rate-limit.store.js';
import { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { Reservation } from '../rate-limit/reservation.js';
import { TokenCounterService } from '../token-counter/token-counter.service.js';
import { clientKey, type Identifiable } from './client-key.js';
import { setRateLimitHeaders, setRetryAfter } from './rate-limit.headers.js';
import { refusalFor } from './refusal.js';
import { RequestContext } from './request-context.js';
import { endWithResponse, watchUsage, type HttpResponse } from './response-end.js';
import { partOf, routeLimits, type RouteLimit, type RouteLimits } from './route-limits.js';
import { asksToSkip } from './skip-if.js';
import { estimateTokens } from './token-estimate.js';

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

type Eventually<T> = T | Promise<T>;

/** On the context of a call, which Nest gives to all of its guards: those that have let it pass. */
const PASSED = Symbol('passed rate limits');
type Passed = ExecutionContext & { [PASSED]?: RateLimitGuard | RateLimitGuard[] };

/**
 * Refuses requests that are over a limit: of `@RateLimit` on the route, else of the options. For a controller (`@UseGuards(RateLimitGuard)`) or, as
 * `APP_GUARD`, for all. Behind the guard that checks who asks: the default key trusts the API key it is shown.
 *
 * Tokens are reserved before the handler runs and settled when its response is over: by the `usage` of a JSON answer or of `reportUsage`; a failure gives them back.
 *
 * HTTP on Express and Fastify, GraphQL, WebSockets and messages between services; override `getRequestResponse` for anything else.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly routes = new WeakMap<object, WeakMap<object, { readonly limits: RouteLimits | null }>>();

  constructor(
    protected readonly limiter: RateLimiterService,
    protected readonly tokenCounter: TokenCounterService,
  ) {}

  canActivate(context: ExecutionContext): Eventually<boolean> {
    const route = this.routeOf(context);
    if (route === null || this.hasPassed(context)) return true;
    const { skipIf } = this.limiter.options;
    const skips = skipIf !== undefined && asksToSkip('rateLimit.skipIf', skipIf, context);
    if (isPromise(skips)) return skips.then((late) => late || this.limit(route, context));
    return skips || this.limit(route, context);
  }

  /** Who is counted, where a rule names no `key`. Default: the hashed API key, else the client's address. */
  protected getKey(request: LimitedRequest, _context: ExecutionContext): Eventually<string> {
    return clientKey(request);
  }

  /** How many tokens to reserve, where a rule does not say. Default: the prompt of an OpenAI-style body, counted, and the reply it allows. */
  protected getTokens(request: LimitedRequest, _context: ExecutionContext, tokensPerMinute: number): Eventually<number> {
    return estimateTokens(request.body, this.tokenCounter, tokensPerMinute, RequestContext.of(request));
  }

  /** What a refusal throws. Default: `error` itself, a 429 in OpenAI's shape; with `extensions` for GraphQL, as a `WsException` or `RpcException` for messages. */
  protected throwRateLimitException(context: ExecutionContext, error: RateLimitExceededError): Eventually<never> {
    throw refusalFor(context.getType(), error);
  }

  /** Where request and response are. */
  protected getRequestResponse(context: ExecutionContext): RequestResponse {
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

  private limit(route: RouteLimits, context: ExecutionContext): Eventually<boolean> {
    const { request, response } = this.getRequestResponse(context);
    const keys = this.keysOf(route, request, context);
    if (isPromise(keys)) return keys.then((known) => this.askFor(route, known, request, response, context));
    return this.askFor(route, keys, request, response, context);
  }

  /** Who stands twice on a route, as `APP_GUARD` and on its controller, takes once. */
  private hasPassed(context: Passed): boolean {
    const passed = context[PASSED];
    if (passed === undefined) return false;
    return [passed].flat().some(({ constructor, limiter }) => constructor === this.constructor && limiter === this.limiter);
  }

  private mark(context: Passed): void {
    const passed = context[PASSED];
    context[PASSED] = passed === undefined ? this : [passed, this].flat();
  }

  private routeOf(context: ExecutionContext): RouteLimits | null {
    const type = context.getClass();
    const handler = context.getHandler();
    let known = this.routes.get(type);
    if (known === undefined) this.routes.set(type, (known = new WeakMap()));
    let route = known.get(handler);
    if (route === undefined) known.set(handler, (route = { limits: routeLimits({ type, handler }, this.limiter) }));
    return route.limits;
  }

  /** One for each limit; `false` where it does not apply. */
  private keysOf({ limits }: RouteLimits, request: LimitedRequest, context: ExecutionContext): Eventually<readonly (string | false)[]> {
    const keys: Eventually<string | false>[] = [];
    let areLate = false;
    for (const { key } of limits) {
      const known = this.keyOf(key, request, context);
      if (isPromise(known)) {
        areLate = true;
        handled(known);
      }
      keys.push(known);
    }
    return areLate ? Promise.all(keys.map((key) => Promise.resolve(key))) : (keys as readonly (string | false)[]);
  }

  private keyOf(key: RouteLimit['key'], request: LimitedRequest, context: ExecutionContext): Eventually<string | false> {
    if (key === undefined) return this.getKey(request, context);
    const given = key(request, context);
    if (isPromise(given)) return given.then((late) => keyName(late) ?? this.getKey(request, context));
    return keyName(given) ?? this.getKey(request, context);
  }

  private tokensOf({ tokens, tokensPerMinute }: RouteLimits, request: LimitedRequest, context: ExecutionContext): Eventually<number> {
    if (tokensPerMinute === undefined) return 0;
    if (tokens === undefined) return this.getTokens(request, context, tokensPerMinute);
    return typeof tokens === 'number' ? tokens : tokens(request, context);
  }

  private askFor(
    route: RouteLimits,
    keys: readonly (string | false)[],
    request: LimitedRequest,
    response: HttpResponse | undefined,
    context: ExecutionContext,
  ): Eventually<boolean> {
    const part = partOf(route, keys);
    if (part === undefined) return true;
    const scopes: RateLimitScope[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (key !== false) scopes.push({ limit: route.limits[i].limit, key });
    }
    const cost = typeof part.cost === 'number' ? part.cost : part.cost(request, context);
    if (isPromise(cost)) handled(cost);
    const tokens = this.tokensOf(part, request, context);
    if (isPromise(cost) || isPromise(tokens)) {
      const both = Promise.all([Promise.resolve(cost), Promise.resolve(tokens)]);
      return both.then((known) => this.ask(part, request, response, context, scopes, ...known));
    }
    return this.ask(part, request, response, context, scopes, cost, tokens);
  }

  private ask(
    route: RouteLimits,
    request: LimitedRequest,
    response: HttpResponse | undefined,
    context: ExecutionContext,
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
  ): Eventually<boolean> {
    const taken = { scopes, tokens: checkAmount('tokens', tokens) };
    if (route.hasConcurrency && response === undefined) {
      throw new InvalidArgumentError('@RateLimit.maxConcurrent', undefined, 'must not be set where there is no response to wait for');
    }
    const decision = this.limiter.decide(scopes, checkAmount('cost', cost), taken.tokens);
    if (decision instanceof Promise) return decision.then((late) => this.conclude(route, request, response, context, taken, late));
    return this.conclude(route, request, response, context, taken, decision);
  }

  private conclude(
    route: RouteLimits,
    request: LimitedRequest,
    response: HttpResponse | undefined,
    context: ExecutionContext,
    taken: { readonly scopes: readonly RateLimitScope[]; readonly tokens: number },
    decision: RateLimitDecision,
  ): Eventually<boolean> {
    if (response !== undefined && this.limiter.options.headers && decision.standings.length > 0)
      setRateLimitHeaders(response, route, decision);
    if (!decision.allowed) return this.refuse(route, response, context, decision);
    this.mark(context);
    if (route.tokensPerMinute !== undefined || route.hasConcurrency)
      this.hold(request, response, context, taken, Reservation.of(decision, taken));
    return true;
  }

  private hold(
    request: LimitedRequest,
    response: HttpResponse | undefined,
    context: ExecutionContext,
    { scopes, tokens }: { readonly scopes: readonly RateLimitScope[]; readonly tokens: number },
    reservation: Reservation,
  ): void {
    const { body } = request;
    // Of a WebSocket only the message belongs to this request alone; its reservation stands until usage is reported.
    const owner = response === undefined && typeof body === 'object' && body !== null ? body : request;
    const field = context.getType<string>() === 'graphql' ? context.getArgByIndex<unknown>(3) : undefined;
    const isField = typeof field === 'object' && field !== null;
    const requestContext = isField ? RequestContext.ofField(field, owner) : RequestContext.of(owner);
    const isFirst = requestContext.hold(this.limiter, reservation, scopes);
    if (response === undefined) requestContext.end(false);
    else {
      // Without a prompt nothing is asked for: a stored answer that is only looked up has its usage, too.
      if (tokens > 0 && requestContext.watch()) watchUsage(response, requestContext);
      if (isFirst) endWithResponse(response, requestContext);
    }
  }

  private refuse(
    route: RouteLimits,
    response: HttpResponse | undefined,
    context: ExecutionContext,
    { scope, exceeded, retryAfterMs, standings }: RateLimitDecision,
  ): Eventually<never> {
    const { limit, label } = route.limits[scope];
    const wait = retryAfterMs === Infinity ? undefined : retryAfterMs;
    if (response !== undefined && wait !== undefined) setRetryAfter(response, wait);
    const figure =
      exceeded === 'tokens' ? limit.tokensPerMinute : exceeded === 'concurrency' ? limit.maxConcurrent : standings[scope]?.limit;
    return this.throwRateLimitException(
      context,
      new RateLimitExceededError({ limitName: label, exceeded, limit: figure, retryAfterMs: wait }),
    );
  }
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

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined | null)?.then === 'function';
}

/** Where the next function of the app throws, nobody waits for this one any more: unheard, its failure would end the process. */
function handled(late: Promise<unknown>): void {
  late.then(undefined, () => {});
}

/** What a rule's function gave, as a key; `undefined` for nothing. */
function keyName(key: unknown): string | false | undefined {
  if (typeof key === 'string' && key !== '') return key;
  if (key === undefined || key === null || key === '') return undefined;
  if (key === false) return false;
  if (typeof key === 'number') return String(key);
  throw new InvalidArgumentError('@RateLimit.key', key, 'must give a string, a number, false or nothing');
}

/** What functions of the app give is not to be trusted with the counters. */
function checkAmount(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= LARGEST_AMOUNT) return value;
  throw new InvalidArgumentError(`@RateLimit.${name}`, value, 'must give a whole number from 0 to 2^31');
}

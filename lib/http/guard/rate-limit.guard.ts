import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { InvalidArgumentError } from '../../common/errors.js';
import { RateLimitExceededError } from '../../common/http-errors.js';
import { LARGEST_AMOUNT } from '../../rate-limit/arguments.js';
import type { RateLimitDecision, RateLimitScope } from '../../rate-limit/store.js';
import { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { Reservation } from '../../rate-limit/reservation.js';
import { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { isLarge } from '../body/body-size.js';
import { clientKey } from './client-key.js';
import { handled, isPromise, then, type Eventually } from '../eventually.js';
import { requestResponseOf, WatchedFields, type GuardedRequest, type LimitedRequest, type RequestResponse } from './guarded-request.js';
import { setRateLimitHeaders, setRetryAfter } from './headers.js';
import { refusalFor } from './rate-limit-exception.js';
import { RequestContext } from '../request-context.js';
import { endWithResponse, watchUsage } from '../response-end.js';
import { applicableOf, routeLimits, type ApplicableLimits, type RouteLimit, type RouteLimits } from './route-limits.js';
import { asksToSkip } from './skip-if.js';
import { estimateTokens, estimateTokensAsync } from '../token-estimate/token-estimate.js';

interface Taken {
  readonly scopes: readonly RateLimitScope[];
  readonly tokens: number;
}

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
    return then(this.isSkipped(context), (isSkipped) => isSkipped || this.limit(route, this.guardedOf(context)));
  }

  /**
   * Throws what `canActivate` would for a client that is over a limit already. Takes nothing and needs no body: `rateLimitPrecheck` calls it before one is read.
   * A limit whose rule needs the body is left to `canActivate`.
   */
  async precheck(context: ExecutionContext): Promise<void> {
    const route = this.routeOf(context);
    if (route === null) return;
    const guarded = this.guardedOf(context);
    const applicable = await this.foreseeable(route, guarded);
    if (applicable !== undefined) await this.denyEarly(applicable, guarded, await this.foreseenCost(applicable.route, guarded));
  }

  /** Who is counted, where a rule names no `key`. Default: the hashed API key, else the client's address. */
  protected getKey(request: LimitedRequest, _context: ExecutionContext): Eventually<string> {
    return clientKey(request);
  }

  /**
   * How many tokens to reserve, where a rule does not say. Default: the prompt of an OpenAI-style body, counted, and the reply it allows. Counting may stop above
   * `tokensLeft`, which is what the limits have left for a large body: any result above it is taken for "more than that".
   */
  protected getTokens(
    request: LimitedRequest,
    _context: ExecutionContext,
    tokensPerMinute: number,
    tokensLeft?: number,
  ): Eventually<number> {
    const context = { counter: this.tokenCounter, tokensPerMinute, memory: RequestContext.of(request) };
    return isLarge(request) ? estimateTokensAsync(request.body, context, tokensLeft) : estimateTokens(request.body, context);
  }

  /** What a refusal throws. Default: `error` itself, a 429 in OpenAI's shape; with `extensions` for GraphQL, as a `WsException` or `RpcException` for messages. */
  protected throwRateLimitException(context: ExecutionContext, error: RateLimitExceededError): Eventually<never> {
    throw refusalFor(context.getType(), error);
  }

  /** Where request and response are. */
  protected getRequestResponse(context: ExecutionContext): RequestResponse {
    return requestResponseOf(context);
  }

  private guardedOf(context: ExecutionContext): GuardedRequest {
    const { request, response } = this.getRequestResponse(context);
    return { request, response, context };
  }

  private isSkipped(context: ExecutionContext): Eventually<boolean> {
    const { skipIf } = this.limiter.options;
    return skipIf !== undefined && asksToSkip('rateLimit.skipIf', skipIf, context);
  }

  private limit(route: RouteLimits, guarded: GuardedRequest): Eventually<boolean> {
    return then(this.keysOf(route, guarded), (keys) => {
      const applicable = applicableOf(route, keys);
      return applicable === undefined || this.decide(applicable, guarded);
    });
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
  private keysOf({ limits }: RouteLimits, { request, context }: GuardedRequest): Eventually<readonly (string | false)[]> {
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
    return then(key(request, context), (given) => keyName(given) ?? this.getKey(request, context));
  }

  private costOf({ cost }: RouteLimits, { request, context }: GuardedRequest): Eventually<number> {
    return typeof cost === 'number' ? cost : cost(request, context);
  }

  private tokensOf(route: RouteLimits, { request, context }: GuardedRequest, tokensLeft?: number): Eventually<number> {
    const { tokens, tokensPerMinute } = route;
    if (tokensPerMinute === undefined) return 0;
    if (tokens === undefined) return this.getTokens(request, context, tokensPerMinute, tokensLeft);
    return typeof tokens === 'number' ? tokens : tokens(request, context);
  }

  /** The limits of a request whose body is not there yet. A rule that fails, or asks for a field that is missing, does not apply. */
  private async foreseeable(route: RouteLimits, { request, context }: GuardedRequest): Promise<ApplicableLimits | undefined> {
    const keys = route.limits.map(async ({ key }): Promise<string | false> => {
      const watched = new WatchedFields(request);
      try {
        const found = !(await this.isSkipped(context)) && (await this.keyOf(key, watched.request, context));
        return watched.missed ? false : found;
      } catch {
        return false;
      }
    });
    return applicableOf(route, await Promise.all(keys));
  }

  private decide(applicable: ApplicableLimits, guarded: GuardedRequest): Eventually<boolean> {
    const { route } = applicable;
    if (route.hasConcurrency && guarded.response === undefined) {
      throw new InvalidArgumentError('@RateLimit.maxConcurrent', undefined, 'must not be set where there is no response to wait for');
    }
    if (route.tokensPerMinute !== undefined && isLarge(guarded.request)) return this.decideOnLarge(applicable, guarded);
    const cost = this.costOf(route, guarded);
    if (isPromise(cost)) handled(cost);
    const tokens = this.tokensOf(route, guarded);
    if (isPromise(tokens)) handled(tokens);
    return then(cost, (known) => then(tokens, (counted) => this.take(applicable, guarded, known, counted)));
  }

  /** Of a large body the request limits are asked first, and its tokens are counted only as far as the token limits have any left. */
  private async decideOnLarge(applicable: ApplicableLimits, guarded: GuardedRequest): Promise<boolean> {
    const { route } = applicable;
    const cost = await this.costOf(route, guarded);
    const left = await this.denyEarly(applicable, guarded, cost);
    let tokens = await this.tokensOf(route, guarded, left);
    if (tokens > left) {
      await this.denyEarly(applicable, guarded, cost, checkAmount('tokens', tokens));
      // Others have used less than they had reserved meanwhile.
      tokens = await this.tokensOf(route, guarded);
    }
    return this.take(applicable, guarded, cost, tokens);
  }

  /** Throws the rejection of a request that is over a limit already; else gives the tokens that the limits have left. Takes nothing. */
  private async denyEarly(
    applicable: ApplicableLimits,
    guarded: GuardedRequest,
    cost: number,
    tokens = applicable.route.tokens === undefined && applicable.route.tokensPerMinute !== undefined ? 1 : 0,
  ): Promise<number> {
    const decision = await this.limiter.precheck(applicable.scopes, checkAmount('cost', cost), tokens);
    this.setHeaders(applicable.route, guarded, decision);
    if (!decision.allowed) await this.refuse(applicable.route, guarded, decision);
    return Math.min(...decision.standings.map(({ remainingTokens }) => remainingTokens ?? Infinity));
  }

  private async foreseenCost(route: RouteLimits, guarded: GuardedRequest): Promise<number> {
    try {
      return checkAmount('cost', await this.costOf(route, guarded));
    } catch {
      // It needs the body.
      return 0;
    }
  }

  private take(applicable: ApplicableLimits, guarded: GuardedRequest, cost: number, tokens: number): Eventually<boolean> {
    const { scopes } = applicable;
    const taken = { scopes, tokens: checkAmount('tokens', tokens) };
    const decision = this.limiter.decide(scopes, checkAmount('cost', cost), taken.tokens);
    return then(decision, (decided) => this.conclude(applicable.route, guarded, taken, decided));
  }

  private conclude(route: RouteLimits, guarded: GuardedRequest, taken: Taken, decision: RateLimitDecision): Eventually<boolean> {
    this.setHeaders(route, guarded, decision);
    if (!decision.allowed) return this.refuse(route, guarded, decision);
    this.mark(guarded.context);
    if (route.tokensPerMinute !== undefined || route.hasConcurrency) this.hold(guarded, taken, Reservation.of(decision, taken));
    return true;
  }

  private setHeaders(route: RouteLimits, { response }: GuardedRequest, decision: RateLimitDecision): void {
    if (response !== undefined && this.limiter.options.headers && decision.standings.length > 0)
      setRateLimitHeaders(response, route, decision);
  }

  private hold({ request, response, context }: GuardedRequest, { scopes, tokens }: Taken, reservation: Reservation): void {
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
    { response, context }: GuardedRequest,
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

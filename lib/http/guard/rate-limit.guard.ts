import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { RateLimitExceededError } from '../../common/http-errors.js';
import { lazy } from '../../common/lazy.js';
import { usdOf } from '../../common/nano-usd.js';
import { checkUsd } from '../../rate-limit/arguments.js';
import { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { Reservation } from '../../rate-limit/reservation.js';
import { tightestBudget } from '../../rate-limit/budget/tightest-budget.js';
import { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { isLarge, jsonBodyOf } from '../body/body-object.js';
import type { JsonBody, Soon } from '../body/json-body.js';
import { RequestContext } from '../request-context.js';
import { budgetKeyOf, expectedOutputs, leastOutput, medianOutput } from '../request-hold.js';
import { priceByBody } from '../token-estimate/requested-tier.js';
import { estimateNanoUsd, estimateTokens } from '../token-estimate/token-estimate.js';
import { LEAST_OUTPUT } from '../token-estimate/worst-cost.js';
import type * as BudgetQueues from './budget-queue.js';
import type { BudgetQueue, Decided } from './budget-queue.js';
import { scopesOfModels } from '../named-models.js';
import { clientKey } from './client-key.js';
import {
  checkMessageBounds,
  GuardedRequest,
  requestResponseOf,
  type GuardDecision,
  type LimitedRequest,
  type RequestResponse,
} from './guarded-request.js';
import { transportError } from './rate-limit-exception.js';
import type { FromRequest } from '../decorators.js';
import { checkAmount, RouteTable, type ApplicableLimits, type DefaultKey, type RouteLimits } from './route-limits.js';
import { shouldSkip } from './skip-if.js';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps whose requests wait load it
const budgetQueues = lazy(() => require('./budget-queue.js') as typeof BudgetQueues);

/** Amounts that a request asks for. */
interface Asked {
  readonly cost: number;
  readonly tokens: number;
  readonly nano: number;
  /** The charge if this process dies; `undefined`: all that is held. */
  readonly expected?: number;
}

/** The name that the limits of all principals count under. */
const OWN_LIMIT_NAME = 'api-key';

/** The guards that have counted a request, kept on its context: Nest hands it to all of them. */
const COUNTED_BY = Symbol('counted by');
type CountedContext = ExecutionContext & { [COUNTED_BY]?: RateLimitGuard[] };

/**
 * Rejects requests that exceed a rate limit: the limits of `@RateLimit` on the route, otherwise
 * those of the module options. For HTTP, GraphQL, WebSockets and microservice messages.
 *
 * Use it on a controller (`@UseGuards(RateLimitGuard)`) or as `APP_GUARD`, after the guard that
 * authenticates. The default key is that of the principal (`ApiKeyGuard`), whose own limits apply
 * in addition to those of the route. Without a principal, the guard uses the API key of the request
 * unchecked.
 *
 * Tokens are reserved before the handler runs and settled when the response ends, with the `usage`
 * of a JSON answer or of `reportUsage`; the tokens of a failed request are released.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly routes: RouteTable;
  /** `undefined`: requests do not wait for budgets. */
  private readonly waiting: BudgetQueue | undefined;
  private readonly defaultKey: DefaultKey = ({ request, context }) => this.getKey(request, context);

  constructor(
    protected readonly limiter: RateLimiterService,
    protected readonly tokenCounter: TokenCounterService,
  ) {
    this.routes = new RouteTable(limiter);
    this.waiting = limiter.options.budgets.queue === undefined ? undefined : budgetQueues().BudgetQueue.of(limiter);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rules = this.routes.of(context);
    const countedBy = (context as CountedContext)[COUNTED_BY];
    if (rules === null || (countedBy !== undefined && this.isAmong(countedBy))) return true;
    const { skipIf } = this.limiter.options;
    if (skipIf !== undefined && (await shouldSkip('rateLimit.skipIf', skipIf, context))) return true;

    // Awaits only what takes time: most requests are decided at once.
    const request = new GuardedRequest(context, this.getRequestResponse(context));
    const key = rules.hasOneKey ? this.getKey(request.request, context) : undefined;
    const applicable =
      key === undefined
        ? await rules.applicableTo(request, this.defaultKey)
        : rules.underKey(typeof key === 'string' ? key : await key, request);
    const limits = this.withOwn(request, rules, applicable);
    if (limits === undefined) return true;

    const { route } = limits;
    const { countsTokens, countsMoney } = route;
    const cost = typeof route.cost === 'number' ? route.cost : await costOf(route.cost, request);
    // A caller over a limit must not cause the work of counting a long prompt: limits are checked
    // first, and counting stops when no tokens are left.
    const isCounted = countsTokens || countsMoney;
    const isLong = isCounted && (request.state.isLarge ??= isLarge(request.request));
    const tokensLeft = isLong ? await this.peek(request, limits, cost) : undefined;
    const estimated = countsTokens ? this.tokensOf(request, limits, tokensLeft) : 0;
    let tokens = estimated instanceof Promise ? await estimated : estimated;
    if (tokensLeft !== undefined && tokens > tokensLeft) {
      await this.peek(request, limits, cost, tokens);
      // Other requests may have returned tokens since the first peek.
      tokens = await this.tokensOf(request, limits);
    }

    const pricing = countsMoney ? this.nanoUsdOf(request, limits) : 0;
    const nano = pricing instanceof Promise ? await pricing : pricing;
    const settlesCrashes = countsMoney && this.limiter.store.settlesCrashes === true;
    const expected = settlesCrashes ? await this.usualNanoUsdOf(request, limits) : undefined;
    const asked = { cost, tokens, nano, expected };
    // The request's own hold is released only when it ends.
    const waits = countsMoney && this.waiting !== undefined && !request.holdsMoney;
    const deciding = waits ? this.waitToTake(this.waiting, request, limits, asked) : this.tryToTake(request, limits, asked);
    const decided = deciding instanceof Promise ? await deciding : deciding;
    // The client has left while it waited.
    if (decided === undefined) return false;
    const { decision, nano: heldNano } = decided;
    this.limiter.counted(limits.scopes, decision);
    request.setHeaders(route, decision, this.limiter.options.headers);
    if (!decision.allowed) return this.reject(request, limits, decision, { tokens, nano });

    ((context as CountedContext)[COUNTED_BY] ??= []).push(this);
    if (!route.reserves) return true;
    const reservation = new Reservation(decision, { scopes: limits.scopes, tokens, nanoUsd: heldNano });
    const priceOf = countsMoney ? priceByBody(this.tokenCounter, request.request.body) : undefined;
    // A request without a prompt can retrieve a stored answer, whose usage is not its own.
    request.settleAtEnd(this.limiter, reservation, tokens > 0 || countsMoney, priceOf);
    return true;
  }

  /**
   * Rejects a client that is already over a limit before its body is read (`rateLimitPrecheck`).
   * Charges nothing, and leaves limits whose rule needs the body to `canActivate`.
   */
  async precheck(context: ExecutionContext): Promise<void> {
    const route = this.routes.of(context);
    const { skipIf } = this.limiter.options;
    if (route === null || (skipIf !== undefined && (await shouldSkip('rateLimit.skipIf', skipIf, context).catch(() => true)))) return;
    const request = new GuardedRequest(context, this.getRequestResponse(context));
    const limits = this.withOwn(request, route, await route.knownWithoutBody(request, this.defaultKey));
    if (limits === undefined) return;
    const { cost } = limits.route;
    await this.peek(request, limits, typeof cost === 'number' ? cost : await costOf(cost, request).catch(() => 0));
  }

  /**
   * Returns the key for limits whose rule sets none. Default: that of the principal if a guard has
   * authenticated the request, otherwise the hashed API key, otherwise the address.
   */
  protected getKey(request: LimitedRequest, _context: ExecutionContext): string | Promise<string> {
    return RequestContext.of(request).principal?.limitKey ?? clientKey(request);
  }

  /**
   * Returns the tokens to reserve if no rule sets them. Default: the counted prompt of an
   * OpenAI-style body, plus the reply that the body allows. `tokensLeft` (large bodies only) is the
   * remaining limit; counting can stop above it, because the request is then denied in any case.
   */
  protected getTokens(
    request: LimitedRequest,
    context: ExecutionContext,
    tokensPerMinute: number,
    tokensLeft?: number,
  ): number | Promise<number> {
    const { body } = request;
    const memory = RequestContext.of(request);
    const isLong = (memory.isLarge ??= isLarge(request));
    if (isLong) checkMessageBounds(body, context);
    const estimate = (json: JsonBody | undefined): Soon<number> => {
      const counted: unknown = json?.promptFields ?? body;
      if (typeof counted === 'object' && counted !== null) {
        // Assigned by name: V8 allocates a function expression that is assigned to a field in the
        // old generation, and the whole request with it.
        const learn = (promptTokens: number): void => this.tokenCounter.learnPrompt(counted, promptTokens);
        memory.learnPrompt = learn;
      }
      const counting = { counter: this.tokenCounter, tokensPerMinute, isLarge: isLong, memory, json };
      const estimated = estimateTokens(body, counting, tokensLeft);
      if (estimated instanceof Promise) return estimated.then((tokens) => (memory.estimated = { tokens, tokensPerMinute }).tokens);
      memory.estimated = { tokens: estimated, tokensPerMinute };
      return estimated;
    };
    const json = jsonBodyOf(body);
    return json instanceof Promise ? json.then(estimate) : estimate(json);
  }

  /**
   * Returns the USD to hold in budgets if no rule sets them: the maximum cost of the request.
   * Default: by the prices of the body's `model`; `undefined` if its price is unknown.
   */
  protected async getUsd(request: LimitedRequest, context: ExecutionContext): Promise<number | undefined> {
    const nano = await this.mostNanoUsd(request, RequestContext.of(request), context);
    return nano === undefined ? undefined : usdOf(nano);
  }

  /**
   * Throws the error of a rejected request. Default: `error` itself, a 429 in OpenAI's format; with
   * `extensions` for GraphQL; as a `WsException` or `RpcException` for messages.
   */
  protected throwRateLimitException(context: ExecutionContext, error: RateLimitExceededError): Promise<never> {
    throw transportError(context.getType(), error);
  }

  /** Returns the request and the response. Override it for other transports. */
  protected getRequestResponse(context: ExecutionContext): RequestResponse {
    return requestResponseOf(context);
  }

  /** The limits of a route together with a shared one, those of the principal and of others. */
  private withOwn(
    { state, request }: GuardedRequest,
    rules: RouteLimits,
    applicable: ApplicableLimits | undefined,
  ): ApplicableLimits | undefined {
    const { principal, shared, customer } = state;
    const own = principal?.limits;
    const others = principal?.scopes;
    const ofModels = principal?.modelScopes;
    if (shared === undefined && own === undefined && (others ?? ofModels ?? customer) === undefined) return applicable;
    let { route, scopes } = applicable ?? { route: rules.withoutLimits, scopes: [] };
    if (shared !== undefined) {
      route = route.with(shared.limit, () => shared.limit, false);
      scopes = [...scopes, shared];
    }
    if (own !== undefined && principal !== undefined) {
      route = route.with(own, () => this.limiter.limitOf({ limit: OWN_LIMIT_NAME, limits: own }), true);
      scopes = [...scopes, { limit: route.limits[route.limits.length - 1].limit, key: principal.limitKey }];
    }
    const inAddition = [...(others ?? []), ...(customer ?? []), ...(ofModels === undefined ? [] : scopesOfModels(request.body, ofModels))];
    for (const { name, key, limits } of inAddition) {
      if (limits === undefined) continue;
      route = route.with(limits, () => this.limiter.limitOf({ limit: name, limits }), false);
      scopes = [...scopes, { limit: route.limits[route.limits.length - 1].limit, key }];
    }
    return scopes.length === 0 ? applicable : { route, scopes };
  }

  /** A guard that is registered both globally and on the controller counts a request once. */
  private isAmong(guards: readonly RateLimitGuard[]): boolean {
    return guards.some(({ constructor, limiter }) => constructor === this.constructor && limiter === this.limiter);
  }

  private tokensOf({ request, context }: GuardedRequest, { route }: ApplicableLimits, tokensLeft?: number): Soon<number> {
    const { tokens = this.getTokens(request, context, route.tokensPerMinute ?? Infinity, tokensLeft) } = route;
    if (typeof tokens === 'number') return checkAmount('tokens', tokens);
    const pending = Promise.resolve(typeof tokens === 'function' ? tokens(request, context) : tokens);
    return pending.then((amount) => checkAmount('tokens', amount));
  }

  /**
   * Waits for money that requests in flight hold. Returns `undefined` if the client disconnects.
   */
  private waitToTake(waiting: BudgetQueue, request: GuardedRequest, limits: ApplicableLimits, asked: Asked): Promise<Decided | undefined> {
    const { scopes } = limits;
    const decide = (): Soon<Decided> => this.tryToTake(request, limits, asked);
    const giveBack = ({ decision, nano }: Decided): void =>
      this.limiter.settle(new Reservation(decision, { scopes, tokens: asked.tokens, nanoUsd: nano }), { tokens: 0, usd: 0 });
    return waiting.take(request, { scopes, nano: asked.nano, decide, giveBack });
  }

  /** A denial by a budget is tried again with less, if `clampOutput` is set. */
  private tryToTake(request: GuardedRequest, limits: ApplicableLimits, asked: Asked): Soon<Decided> {
    const { cost, tokens, nano, expected } = asked;
    const decision = this.limiter.store.check(limits.scopes, cost, tokens, nano, expected);
    if (decision instanceof Promise) return decision.then((made) => this.orLess(request, limits, asked, made));
    return decision.budget === undefined ? { decision, nano } : this.orLess(request, limits, asked, decision);
  }

  private orLess(request: GuardedRequest, limits: ApplicableLimits, asked: Asked, decision: GuardDecision): Soon<Decided> {
    const isClamped = decision.budget !== undefined && this.limiter.options.budgets.clampOutput;
    return isClamped ? this.takeLess(request, limits, asked, decision) : { decision, nano: asked.nano };
  }

  /**
   * Takes less money than requested: half of what budgets have left, but at least the cost of a
   * usual answer. A denial describes the lowered request.
   */
  private async takeLess(
    request: GuardedRequest,
    limits: ApplicableLimits,
    { cost, tokens, nano, expected }: Asked,
    decision: GuardDecision,
  ): Promise<Decided> {
    const least = await this.leastNanoUsd(request, limits);
    if (least === undefined) return { decision, nano };
    const taken = async (less: number): Promise<Decided> => ({
      decision: await this.limiter.store.check(limits.scopes, cost, tokens, less, expected),
      nano: less,
    });
    const left = Math.min(
      ...decision.standings.flatMap(({ budgets }) => (budgets === undefined ? [] : [tightestBudget(budgets).leftNanoUsd])),
    );
    const lowered = await taken(Math.min(nano, Math.max(least.usual, Math.floor(left / 2))));
    const { budget } = lowered.decision;
    // No request in flight will return money: the rest of the budget pays for shorter answers.
    const isRest = budget !== undefined && budget.reason !== 'budget_held' && left >= least.shortest && left < lowered.nano;
    return isRest ? taken(left) : lowered;
  }

  /** The most that a request may cost, by the prices of the body's `model`. */
  private mostNanoUsd(request: LimitedRequest, state: RequestContext, context: ExecutionContext): Soon<number | undefined> {
    if ((state.isLarge ??= isLarge(request))) checkMessageBounds(request.body, context);
    return this.estimate(request, state, state.outputOf);
  }

  private estimate(
    request: LimitedRequest,
    memory: RequestContext,
    outputOf?: (model: string) => number | undefined,
    isUsual = false,
  ): Soon<number | undefined> {
    const { body } = request;
    const counting = { counter: this.tokenCounter, isLarge: (memory.isLarge ??= isLarge(request)), memory, outputOf, isUsual };
    const json = jsonBodyOf(body);
    if (json === undefined) return estimateNanoUsd(body, counting);
    return Promise.resolve(json).then((written) => estimateNanoUsd(body, { ...counting, json: written }));
  }

  /** Costs of a usual and of the shortest answer; `undefined` if the request is not lowered. */
  private async leastNanoUsd(
    { request, state }: GuardedRequest,
    { route, scopes }: ApplicableLimits,
  ): Promise<{ readonly usual: number; readonly shortest: number } | undefined> {
    if (route.usd !== undefined) return undefined;
    const shortest = (await this.estimate(request, state, () => LEAST_OUTPUT)) ?? 0;
    if (shortest === 0) return undefined;
    const usual = await this.estimate(request, state, (model) => leastOutput(this.limiter, budgetKeyOf(scopes), model));
    return { usual: usual ?? shortest, shortest };
  }

  /** At least 1: a request of unknown cost must not pass a budget that is spent. */
  private nanoUsdOf(guarded: GuardedRequest, { route, scopes }: ApplicableLimits): Soon<number> {
    const { request, context, state } = guarded;
    const { reserve, unpricedNanoUsd = 0 } = this.limiter.options.budgets;
    if (reserve === 'expected') {
      // Assigned by name, so that V8 does not allocate it in the old generation.
      const expected = (model: string): number | undefined => expectedOutputs(this.limiter).expected(budgetKeyOf(scopes), model);
      state.outputOf = expected;
    }
    // Compared on each request: a subclass can assign it as a field, which its constructor sets
    // later.
    const isOwn = route.usd !== undefined || this.getUsd !== RateLimitGuard.prototype.getUsd;
    const nano = isOwn ? this.ownNanoUsdOf(guarded, route) : this.mostNanoUsd(request, state, context);
    if (nano instanceof Promise) return nano.then((found) => Math.max(1, found ?? unpricedNanoUsd));
    return Math.max(1, nano ?? unpricedNanoUsd);
  }

  /** Returns the cost that the app's own rule sets for the request; `undefined` without a rule. */
  private async ownNanoUsdOf({ request, context }: GuardedRequest, route: RouteLimits): Promise<number | undefined> {
    const { usd = await this.getUsd(request, context) } = route;
    const value = typeof usd === 'function' ? await usd(request, context) : usd;
    return value === undefined ? undefined : checkUsd('@RateLimit.usd', value, 0);
  }

  /** The cost with an answer of usual length; `undefined` if that is unknown. */
  private usualNanoUsdOf({ request, state }: GuardedRequest, { route, scopes }: ApplicableLimits): Soon<number | undefined> {
    if (route.usd !== undefined) return undefined;
    return this.estimate(request, state, (model) => medianOutput(this.limiter, budgetKeyOf(scopes), model), true);
  }

  /** Rejects a request that is over a limit and cannot wait; otherwise returns the tokens left. */
  private async peek(request: GuardedRequest, limits: ApplicableLimits, cost: number, counted?: number): Promise<number> {
    const { limiter } = this;
    const tokens = counted ?? limits.route.leastTokens;
    const decision = await limiter.store.peek(limits.scopes, cost, tokens, limits.route.leastNanoUsd);
    const mayWait = !decision.allowed && this.waiting?.hasRoomFor(request, decision) === true;
    if (!mayWait) request.setHeaders(limits.route, decision, limiter.options.headers);
    if (!decision.allowed && !mayWait) await this.reject(request, limits, limiter.counted(limits.scopes, decision), { tokens: counted });
    // The standing includes this request.
    return tokens + Math.min(...decision.standings.map(({ remainingTokens }) => remainingTokens ?? Infinity));
  }

  private reject(
    request: GuardedRequest,
    { route }: ApplicableLimits,
    decision: GuardDecision,
    estimated: { readonly tokens?: number; readonly nano?: number },
  ): Promise<never> {
    return this.throwRateLimitException(request.context, route.errorOf(decision, estimated));
  }
}

/** Requests that a request counts as, by the function of a rule. */
async function costOf(cost: FromRequest<number>, { request, context }: GuardedRequest): Promise<number> {
  return checkAmount('cost', await cost(request, context));
}

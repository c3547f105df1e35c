import { IncomingMessage } from 'node:http';
import { checkNumber, checkObject, refuseArgument } from '../common/options.js';
import { LARGEST_AMOUNT } from '../rate-limit/arguments.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { BudgetExceededError, RateLimitExceededError } from '../common/http-errors.js';
import { LARGEST_USD, nanoUsd, usdOf } from '../common/nano-usd.js';
import { Reservation } from '../rate-limit/reservation.js';
import type { RateLimitScope } from '../rate-limit/store.js';
import { usageFrom, usedTokens, type AnswerUsage, type Usage } from './answer-usage.js';
import { budgetRefusal, HELD_RETRY_MS } from './budget-refusal.js';
import { ExpectedOutputs } from './token-estimate/expected-output.js';
import { LEAST_OUTPUT } from './token-estimate/worst-cost.js';
import type { Principal } from './principal.js';
import { tellReportedCost } from './reported-costs.js';
import { RequestMoney, SpendingTally, type CallCost, type PriceOf } from './request-money.js';
import type { BodyFacts } from './token-estimate/body-facts.js';

/** Field of HTTP requests: a WeakMap would keep a context until the next full collection. */
const CONTEXT = Symbol('request context');
/** Others may be frozen, or copied with all of their fields. */
const contexts = new WeakMap<object, RequestContext>();

interface Message {
  [CONTEXT]?: RequestContext;
}

/** A reservation of a request, and the one made before it. */
interface Held {
  readonly limiter: RateLimiterService;
  readonly reservation: Reservation;
  readonly before: Held | undefined;
}

/** Tokens of attempts whose prompt was sent and not answered. */
export interface LostTokens {
  readonly tokens: number;
  /** Whether one of the prompts was not counted: then its reservation is not returned. */
  readonly isUncounted: boolean;
}

/** Why more money is not held for a call. */
export interface CoverDenial {
  readonly error: RateLimitExceededError;
  /** What could be held for it instead. */
  readonly leftNanoUsd: number;
  /** The part of it that the request already holds. */
  readonly ownNanoUsd: number;
}

const NOTHING_LOST: LostTokens = { tokens: 0, isUncounted: false };

/**
 * State of one request: its counted prompt, its reservations, and the usage that settles them.
 *
 * Usage arrives from a JSON answer (`watchUsage`), from `reportUsage`, and from calls of
 * `LlmClient` (`endCall`); the larger of report and calls is settled once the response and all
 * calls have ended.
 */
export class RequestContext {
  /** Output that is expected of a model, while its guard estimates the cost. */
  outputOf: ((model: string) => number | undefined) | undefined = undefined;
  /** The model that its body names. */
  model: string | undefined = undefined;
  /** Who sends it; `undefined` until a guard has authenticated it. */
  principal: Principal | undefined = undefined;
  /** Whether the gateway has already checked its host, origin and key. */
  isAdmitted = false;
  /** A limit of many requests together: `RateLimitGuard` applies it beside those of the route. */
  shared: RateLimitScope | undefined = undefined;
  /** Tokens of its prompt, as its guard has counted them. */
  promptTokens: number | undefined = undefined;
  /** Facts about a small body, for a call that sends it unchanged. */
  facts: BodyFacts | undefined = undefined;
  /** Tokens that its body was estimated to use, as they were reserved for it. */
  estimated: { readonly tokens: number; readonly tokensPerMinute: number } | undefined = undefined;
  /** Takes the prompt tokens that a provider reports for the counted body. */
  learnPrompt: ((promptTokens: number) => void) | undefined = undefined;
  private reported: number | undefined = undefined;
  private spent: number | undefined = undefined;
  /** Lost tokens of calls that report no usage: settled on top of what is known. */
  private surplus = 0;
  private isUncounted = false;
  private callsInFlight = 0;
  private isOver = false;
  private hasFailed = false;
  private isWatched = false;
  private held: Held | undefined = undefined;
  /** Cost of the client's own calls for the request, in nano-USD. */
  private callsNanoUsd = 0;
  /** The cost that the program has stated, in nano-USD. */
  private statedNanoUsd: number | undefined = undefined;
  /** Where a reservation holds money. */
  private money: RequestMoney | undefined = undefined;
  private tally: SpendingTally | undefined = undefined;
  private isEndAwaited = false;

  /** The context of a request; Express's, Fastify's and Node's request objects share it. */
  static of(request: object): RequestContext {
    const key = ownerOf(request);
    if (key instanceof IncomingMessage) return ((key as Message)[CONTEXT] ??= new RequestContext());
    let context = contexts.get(key);
    if (context === undefined) contexts.set(key, (context = new RequestContext()));
    return context;
  }

  /** The context of a request, if it has one. */
  static find(request: object): RequestContext | undefined {
    const key = ownerOf(request);
    return key instanceof IncomingMessage ? (key as Message)[CONTEXT] : contexts.get(key);
  }

  /** Who sends a request; makes no context for a request that has none. */
  static principalOf(request: object): Principal | undefined {
    return RequestContext.find(request)?.principal;
  }

  /**
   * Settles the reservation at the end of the request. Returns `true` for the first one of a
   * request that has not ended: the caller then waits for the response to end.
   */
  hold(limiter: RateLimiterService, reservation: Reservation): boolean {
    const isFirst = this.held === undefined;
    if (Reservation.holdsMoney(reservation)) this.money ??= new RequestMoney();
    this.held = { limiter, reservation, before: this.held };
    if (!this.isOver) return isFirst;
    // A later guard or GraphQL field still runs after the client has disconnected; no second end will come.
    this.end(this.hasFailed);
    return false;
  }

  /** Returns `true` once: the caller then watches the answer for its usage. */
  watch(): boolean {
    return !this.isWatched && (this.isWatched = true);
  }

  /** Returns `true` once: the caller then waits for the response to end. */
  awaitEnd(): boolean {
    return !this.isEndAwaited && (this.isEndAwaited = true);
  }

  /**
   * Tells `spend` what the request has cost in nano-USD, once that is known, for a caller whom no
   * budget limits. Returns `true` for the first one of a request.
   */
  countSpending(spend: (nanoUsd: number) => void, priceOf: PriceOf): boolean {
    if (this.tally !== undefined) return false;
    this.tally = new SpendingTally(spend, priceOf);
    return true;
  }

  /** Whether the request has money held in budgets. */
  get holdsMoney(): boolean {
    return this.money !== undefined;
  }

  /**
   * Tells when money or tokens of its limiters are freed, by any request, until the returned
   * function is called.
   */
  whenFreed(listener: () => void): () => void {
    const stops: (() => void)[] = [];
    for (let { held } = this; held !== undefined; held = held.before) stops.push(held.limiter.whenFreed(listener));
    return () => stops.forEach((stop) => stop());
  }

  /** Output tokens that a model is expected to write for this request; `undefined`: not known. */
  expectedOutput(model: string): number | undefined {
    const { held } = this;
    if (held?.limiter.options.budgets.reserve !== 'expected') return undefined;
    return expectedOutputs(held.limiter).expected(budgetKeyOf(Reservation.scopesOf(held.reservation)), model);
  }

  /** A model has written so many tokens for this request. */
  learnOutput(model: string, tokens: number): void {
    const { held } = this;
    if (held === undefined) return;
    const { limiter, reservation } = held;
    const { reserve, clampOutput } = limiter.options.budgets;
    const needsMedian = this.money !== undefined && (clampOutput || limiter.store.settlesCrashes === true);
    if (reserve !== 'expected' && !needsMedian) return;
    const outputs = expectedOutputs(limiter);
    outputs.learn(budgetKeyOf(Reservation.scopesOf(reservation)), model, tokens);
    if (needsMedian) outputs.learn(ALL_KEYS, model, tokens);
  }

  /**
   * Median output tokens of a model's answers, if the store settles the holds of dead processes at
   * their expected cost; `undefined`: no answer is known yet.
   */
  medianOutput(model: string): number | undefined {
    const { held } = this;
    if (held?.limiter.store.settlesCrashes !== true) return undefined;
    return medianOutput(held.limiter, budgetKeyOf(Reservation.scopesOf(held.reservation)), model);
  }

  /** Output tokens below which a call is not lowered while other calls may return money. */
  leastOutput(model: string): number {
    const { held } = this;
    return held === undefined ? LEAST_OUTPUT : leastOutput(held.limiter, budgetKeyOf(Reservation.scopesOf(held.reservation)), model);
  }

  /** Whether a call may be sent with less output than it asks for. */
  get clampsOutput(): boolean {
    return this.held?.limiter.options.budgets.clampOutput === true;
  }

  /** Whether more than the sum of a usage is of interest. */
  get readsUsage(): boolean {
    return this.holdsMoney || this.tally !== undefined || this.learnPrompt !== undefined;
  }

  /** Prices usage that is reported without a cost. */
  set priceOf(priceOf: PriceOf) {
    if (this.money !== undefined) this.money.priceOf ??= priceOf;
  }

  /** Cost in nano-USD of a call without a known price; `undefined`: it is not made. */
  get unpricedNanoUsd(): number | undefined {
    return this.held?.limiter.options.budgets.unpricedNanoUsd;
  }

  /**
   * Holds `nano` more for a call, beside what other calls of the request have spent or hold.
   * Returns the error of a budget that denies it, or of a store that cannot decide; then nothing
   * more is held for the call.
   * @param expected Charge if this process dies. Default: all of it.
   */
  async cover(nano: number, expected = nano): Promise<CoverDenial | undefined> {
    const { money } = this;
    if (money === undefined) return undefined;
    // Before anything is awaited: calls of one request may begin together.
    money.covered += nano;
    money.expected += expected;
    const total = (money.spent ?? 0) + money.covered;
    for (const { limiter, reservation, ownNanoUsd: own } of this.budgeted()) {
      const foreseen = limiter.store.settlesCrashes === true ? (money.spent ?? 0) + money.expected : undefined;
      const denial = await limiter.raise(reservation, total - own + Reservation.nanoUsdOf(reservation), foreseen);
      if (denial === undefined) continue;
      money.covered -= nano;
      money.expected -= expected;
      // 503 where the store cannot be asked.
      if ('outage' in denial)
        return {
          error: new RateLimitExceededError({ limitName: denial.limitName, retryAfterMs: HELD_RETRY_MS }),
          leftNanoUsd: 0,
          ownNanoUsd: 0,
        };
      const { limitNanoUsd, spentNanoUsd, heldNanoUsd } = denial.standing;
      const most = own + Math.max(0, limitNanoUsd - spentNanoUsd - heldNanoUsd);
      const others = { ...denial, standing: { ...denial.standing, heldNanoUsd: Math.max(0, heldNanoUsd - own) } };
      const [leftNanoUsd, ownNanoUsd] = [most, own].map((amount) => Math.max(0, amount - (total - nano)));
      return { error: new BudgetExceededError(budgetRefusal(denial.limitName, others, total)), leftNanoUsd, ownNanoUsd };
    }
    return undefined;
  }

  /** One reservation for each set of budgets, and what all reservations hold in that set. */
  private budgeted(): readonly { readonly limiter: RateLimiterService; readonly reservation: Reservation; readonly ownNanoUsd: number }[] {
    const sets = new Map<string, { limiter: RateLimiterService; reservation: Reservation; ownNanoUsd: number }>();
    for (let { held } = this; held !== undefined; held = held.before) {
      const { limiter, reservation } = held;
      if (!Reservation.holdsMoney(reservation)) continue;
      const counters = countersOf(reservation);
      const nanoUsd = Reservation.nanoUsdOf(reservation);
      const known = sets.get(counters);
      if (known === undefined) sets.set(counters, { limiter, reservation, ownNanoUsd: nanoUsd });
      else known.ownNanoUsd += nanoUsd;
    }
    return [...sets.values()];
  }

  /** Counts a call of the request that a limit denied after the guard had allowed the request. */
  countDenial({ exceeded }: RateLimitExceededError): void {
    if (exceeded !== undefined) this.held?.limiter.deniedLater(exceeded);
  }

  /**
   * Reserves `tokens` more for a call whose body asks for more than that of the request. Returns
   * the error of a limit that denies it.
   */
  async reserveMore(tokens: number): Promise<RateLimitExceededError | undefined> {
    const counters = new Set<string>();
    for (let { held } = this; held !== undefined; held = held.before) {
      const { limiter, reservation } = held;
      const own = countersOf(reservation);
      if (Reservation.tokensOf(reservation) === 0 || counters.has(own)) continue;
      counters.add(own);
      const denial = await limiter.reserveMore(reservation, tokens);
      if (denial === undefined) continue;
      const { limit, retryAfterMs, outage } = denial;
      if (outage !== undefined) return new RateLimitExceededError({ limitName: limit.name, retryAfterMs: HELD_RETRY_MS });
      return new RateLimitExceededError({
        limitName: limit.name,
        exceeded: 'tokens',
        limit: limit.tokensPerMinute,
        estimatedTokens: tokens,
        retryAfterMs: retryAfterMs === Infinity ? undefined : retryAfterMs,
      });
    }
    return undefined;
  }

  /**
   * Sets the tokens used so far, and their cost in nano-USD where the program knows it; the last
   * report counts. After the end it settles at once.
   */
  report(tokens: number, usage?: AnswerUsage, nano?: number): void {
    this.reported = bounded(tokens);
    this.statedNanoUsd = nano ?? this.statedNanoUsd;
    if (usage !== undefined) this.learnPrompt?.(usage.promptTokens);
    this.tally?.money.report(usage, nano);
    const { money } = this;
    if (money !== undefined) {
      money.report(usage, nano);
      // A call of `LlmClient` has learnt it already.
      if (usage !== undefined && money.spent === undefined && this.model !== undefined)
        this.learnOutput(this.model, usage.completionTokens);
    }
    this.settleIfOver();
  }

  /** Begins a call of a model; its usage is added. */
  beginCall(): void {
    this.callsInFlight += 1;
  }

  /** Ends it. `tokens`: the usage of its answer; `undefined` if unknown. */
  endCall(tokens: number | undefined, lost = NOTHING_LOST, cost?: CallCost): void {
    this.callsInFlight -= 1;
    this.pay(cost);
    this.isUncounted ||= lost.isUncounted;
    if (tokens !== undefined) this.spent = bounded((this.spent ?? 0) + tokens + lost.tokens);
    else this.surplus = bounded(this.surplus + lost.tokens);
    this.settleIfOver();
  }

  /**
   * Ends the request. Known usage is settled. Without it a failure has used only the prompts that
   * were sent; otherwise the reservation stands: a client that left may have had its answer made.
   */
  end(failed: boolean): void {
    this.isOver = true;
    this.hasFailed = failed;
    for (let { held } = this; held !== undefined; held = held.before) held.limiter.release(held.reservation);
    this.settle();
  }

  settleIfOver(): void {
    if (this.isOver) this.settle();
  }

  private pay(cost: CallCost | undefined): void {
    if (cost === undefined) return;
    this.callsNanoUsd += cost.nanoUsd;
    this.money?.pay(cost);
    this.tally?.money.pay(cost);
  }

  /** The larger of both: a report may cover some of the calls, or tokens of no call. */
  private get used(): number | undefined {
    const { reported, spent } = this;
    return reported === undefined && spent === undefined ? undefined : Math.max(reported ?? 0, spent ?? 0);
  }

  private settle(): void {
    if (this.callsInFlight > 0) return;
    this.reportStated();
    const known = this.used ?? (this.hasFailed && !this.isUncounted ? 0 : undefined);
    const paid = this.money?.used ?? (known === 0 && this.hasFailed ? 0 : undefined);
    this.held = this.settleBy(known === undefined ? undefined : bounded(known + this.surplus), paid);
    this.money?.clear();
    this.tally?.settle();
    // The context may live on: a WebSocket sends many messages, each with a reservation of its own.
    this.reported = this.spent = undefined;
    this.surplus = 0;
    this.isUncounted = false;
  }

  /** Reports the cost that the program has stated, beyond that of the client's own calls. */
  private reportStated(): void {
    const { statedNanoUsd = 0, callsNanoUsd, model, principal, held } = this;
    this.callsNanoUsd = 0;
    if (held === undefined) return;
    this.statedNanoUsd = undefined;
    const nanoUsd = statedNanoUsd - callsNanoUsd;
    if (nanoUsd > 0) tellReportedCost(held.limiter, { model, team: principal?.team, nanoUsd });
  }

  /** Settles what can be settled; returns the reservations that stand until usage is reported. */
  private settleBy(used: number | undefined, nano: number | undefined): Held | undefined {
    const isOnly = this.held?.before === undefined;
    /** Settled counters: guards and GraphQL fields may share some, and usage counts once. */
    const settled = new Set<string>();
    let standing: Held | undefined;
    for (let { held } = this; held !== undefined; held = held.before) {
      const { limiter, reservation } = held;
      const counters = isOnly ? '' : countersOf(reservation);
      const isFirst = !settled.has(counters);
      settled.add(counters);
      const reserved = this.surplus > 0 ? Reservation.tokensOf(reservation) + this.surplus : undefined;
      if (used !== undefined || (nano !== undefined && Reservation.holdsMoney(reservation)))
        limiter.settle(reservation, isFirst ? usageOf(used ?? reserved, nano) : usageOf(0, 0));
      // Failed attempts come on top of what was reserved for the answer.
      else if (reserved !== undefined && isFirst) limiter.settle(reservation, reserved);
      else {
        limiter.charge(reservation);
        standing = { ...held, before: standing };
      }
    }
    return standing;
  }
}

/** What the answers of a limiter's keys are expected to be. */
const outputs = new WeakMap<RateLimiterService, ExpectedOutputs>();

/** The expected outputs of a limiter, learnt from what its requests report. */
export function expectedOutputs(limiter: RateLimiterService): ExpectedOutputs {
  let known = outputs.get(limiter);
  if (known === undefined) outputs.set(limiter, (known = new ExpectedOutputs()));
  return known;
}

/** Name for the outputs of all keys together; keys of callers are never empty. */
const ALL_KEYS = '';

/** Median output tokens of a model's answers: to a key or, before its first one, to any. */
export function medianOutput(limiter: RateLimiterService, key: string, model: string): number | undefined {
  const outputs = expectedOutputs(limiter);
  return outputs.median(key, model) ?? outputs.median(ALL_KEYS, model);
}

/** The median output of a model's answers, at least the minimum for lowered requests. */
export function leastOutput(limiter: RateLimiterService, key: string, model: string): number {
  return Math.max(LEAST_OUTPUT, medianOutput(limiter, key, model) ?? 0);
}

/** The key of the first budget: by it outputs are learnt. */
export function budgetKeyOf(scopes: readonly RateLimitScope[]): string {
  return scopes.find(({ limit }) => limit.budgets !== undefined)?.key ?? '';
}

/** The object that Express's, Fastify's and Node's requests have in common. */
function ownerOf(request: object): object {
  const { raw } = request as { readonly raw?: unknown };
  return typeof raw === 'object' && raw !== null ? raw : request;
}

/** The counters of a reservation, as text. */
function countersOf(reservation: Reservation): string {
  return JSON.stringify(Reservation.scopesOf(reservation).map(({ limit, key }) => [limit.name, key]));
}

/** Money that is not known stays as it was held. */
function usageOf(tokens: number | undefined, nano: number | undefined): { readonly tokens?: number; readonly usd?: number } {
  return { tokens, usd: nano === undefined ? undefined : usdOf(nano) };
}

function bounded(tokens: number): number {
  return Math.min(Math.max(0, Math.ceil(tokens)), LARGEST_AMOUNT);
}

/**
 * Reports the tokens that a request has used. They settle its reservation under `tokensPerMinute`
 * when the response ends. For handlers that stream: with the `usage` of the last chunk, or
 * repeatedly with the total so far. A JSON answer with a `usage` needs no report.
 *
 * @param request The handler's request; for WebSockets the message (an object); for GraphQL the
 * request of the operation, from the context.
 * @param costUsd What it has cost, in USD, from 0 to 4 million: for budgets, and for the cost
 * metrics of `LlmClient` under the body's `model`. A repeated report replaces the one before.
 * Default: for budgets by the prices of that model; metrics count no cost.
 * @example
 * for await (const chunk of stream) if (chunk.usage) reportUsage(request, chunk.usage);
 */
export function reportUsage(request: object, usage: Usage | number, costUsd?: number): void {
  checkObject('request', request, refuseArgument);
  const nano = costUsd === undefined ? undefined : nanoUsd(checkNumber('costUsd', costUsd, { min: 0, max: LARGEST_USD }, refuseArgument));
  const tokens = typeof usage === 'number' ? usage : usedTokens(usage);
  if (tokens === undefined || !(tokens >= 0)) return;
  const context = RequestContext.of(request);
  if (nano !== undefined) context.model ??= modelOf(request);
  context.report(tokens, context.readsUsage ? usageFrom(usage) : undefined, nano);
}

/**
 * Who sends a request, as `ApiKeyGuard` or `setPrincipal` has said; `undefined` if neither has.
 *
 * @param request The request of Express or Fastify, or Node's own.
 */
export function principalOf(request: object): Principal | undefined {
  return RequestContext.principalOf(checkObject('request', request, refuseArgument));
}

/**
 * Says who sends a request, for guards of the app that authenticate by other means than
 * `ApiKeyGuard`: `RateLimitGuard` counts the request under `limitKey` and applies `limits`, and the
 * gateway lists and calls the models of `mayCall`. Never take any of it from the body.
 *
 * @param request The request of Express or Fastify, or Node's own.
 */
export function setPrincipal(request: object, principal: Principal): void {
  RequestContext.of(checkObject('request', request, refuseArgument)).principal = principal;
}

/** The model that the body of an HTTP request names. */
function modelOf(request: object): string | undefined {
  const { model } = ((request as { readonly body?: unknown }).body ?? {}) as { readonly model?: unknown };
  return typeof model === 'string' ? model : undefined;
}

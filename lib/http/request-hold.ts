import { BudgetExceededError, RateLimitExceededError } from '../common/http-errors.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { Reservation } from '../rate-limit/reservation.js';
import type { Extension, RateLimitScope } from '../rate-limit/store.js';
import type { AnswerUsage, PriceOf } from './answer-usage.js';
import { budgetRefusal, HELD_RETRY_MS } from './budget-denial.js';
import { boundedTokens, countersOf, RequestUsage, settleReservations, type HeldReservation } from './budget-settlement.js';
import { reportAppCost } from './app-costs.js';
import type { Principal } from './principal.js';
import { ExpectedOutputs } from './token-estimate/expected-output.js';
import { LEAST_OUTPUT } from './token-estimate/worst-cost.js';

/** Money held for one attempt, in nano-USD. */
export interface AttemptHold {
  /** The most that the attempt can cost. */
  readonly nanoUsd: number;
  /** Amount that is charged if this process dies. */
  readonly expectedNanoUsd: number;
}

/** Why no more money is held for an attempt. */
export interface HoldDenial {
  readonly error: RateLimitExceededError;
  /** The most that could be held for it instead. */
  readonly leftNanoUsd: number;
  /** The part of it that the request already holds. */
  readonly ownNanoUsd: number;
}

/** Tokens of attempts whose prompt was sent and not answered. */
export interface LostTokens {
  readonly tokens: number;
  /** Whether one of the prompts was not counted: then its reservation is not returned. */
  readonly isUncounted: boolean;
}

/** The request that holds it. */
interface HoldingRequest {
  readonly model: string | undefined;
  readonly principal: Principal | undefined;
  /** Receives the prompt tokens that a provider reports for the counted body. */
  readonly learnPrompt: ((promptTokens: number) => void) | undefined;
}

const NOTHING_LOST: LostTokens = { tokens: 0, isUncounted: false };

/**
 * Everything that one request holds, tokens and money alike.
 *
 * ```text
 * guard      add      reserves what the whole request may use
 * attempt    hold     raises the reservations to spent + held, or is denied
 * attempt    settle   replaces its hold by its cost       release: it has cost nothing
 * handler    report   usage or cost of an answer
 * response   end      settles the reservations, once no call is in flight any more
 * ```
 *
 * Reports and calls can describe the same tokens, so the larger of both is settled, not the sum.
 * Without any usage a failed request returns its reservation; otherwise the reservation stays
 * charged, because a client that disconnected may have been answered.
 */
export class RequestHold {
  /** Whether money is held in budgets. */
  holdsMoney = false;
  private held: HeldReservation[] = [];
  /** Settled at the end of the request. */
  private settled: readonly HeldReservation[] = [];
  /** Set while a call runs that began after that end: resolves to the denial of a limit. */
  private reopening: Promise<HoldDenial | undefined> | undefined = undefined;
  private callsInFlight = 0;
  private isOver = false;
  private hasFailed = false;
  private usage = new RequestUsage();
  /** Money held for attempts that have not ended, in nano-USD. */
  private open = 0;
  private openExpected = 0;
  private priceOf: PriceOf | undefined = undefined;
  /** Receives the cost of the request once. */
  private onSpend: ((nanoUsd: number) => void) | undefined = undefined;
  private isSpendCounted = false;
  private isSpendKnown = false;

  constructor(private readonly request: HoldingRequest) {}

  /**
   * Adds a reservation, which is settled at the end of the request.
   * @param priceOf Prices usage that is reported without a cost.
   */
  add(limiter: RateLimiterService, reservation: Reservation, priceOf?: PriceOf): void {
    const holdsMoney = Reservation.holdsMoney(reservation);
    this.held.push({ limiter, reservation, holdsMoney });
    this.holdsMoney ||= holdsMoney;
    if (priceOf !== undefined) this.priceOf = priceOf;
    // A later guard or GraphQL field still runs after the client has disconnected; the request does
    // not end twice.
    if (this.isOver) this.end(this.hasFailed);
  }

  /** Passes the cost of the request to `onSpend` once it is known. The first caller counts it. */
  countSpend(onSpend: (nanoUsd: number) => void, priceOf: PriceOf): void {
    if (this.isSpendCounted) return;
    this.isSpendCounted = true;
    this.onSpend = onSpend;
    this.priceOf ??= priceOf;
  }

  /** Whether the details of a usage matter, not only its sum. */
  get readsUsage(): boolean {
    return this.holdsMoney || this.onSpend !== undefined || this.request.learnPrompt !== undefined;
  }

  /**
   * Holds `nanoUsd` for an attempt, on top of what other attempts of the request have cost or
   * hold. If a budget denies that, or a store cannot decide, nothing is held.
   * @param expected Amount that is charged if this process dies. Default: all of it.
   */
  async hold(nanoUsd: number, expected = nanoUsd): Promise<AttemptHold | HoldDenial> {
    const denied = this.reopening === undefined ? undefined : await this.reopening;
    if (denied !== undefined) return denied;
    const before = (this.usage.spent ?? 0) + this.open;
    const hold = { nanoUsd, expectedNanoUsd: expected };
    // Before anything is awaited: attempts of one request can begin together.
    this.open += nanoUsd;
    this.openExpected += expected;
    let isHeld = false;
    try {
      for (const { limiter, reservation, othersNanoUsd } of this.budgeted()) {
        const foreseen = limiter.store.settlesCrashes === true ? (this.usage.spent ?? 0) + this.openExpected : undefined;
        const raising = limiter.raise(reservation, before + nanoUsd - othersNanoUsd, foreseen);
        const denial = raising instanceof Promise ? await raising : raising;
        if (denial !== undefined) return denialOf(denial, Reservation.nanoUsdOf(reservation) + othersNanoUsd, { before, nanoUsd });
      }
      isHeld = true;
      return hold;
    } finally {
      if (!isHeld) this.release(hold);
    }
  }

  /**
   * An attempt has ended: its cost replaces its hold.
   * @param nanoUsd `undefined`: no price is known, so `unpricedUsd` counts in budgets
   */
  settle(hold: AttemptHold | undefined, nanoUsd: number | undefined): void {
    if (hold !== undefined) this.release(hold);
    const cost = nanoUsd ?? (hold === undefined ? undefined : (this.unpricedNanoUsd ?? 0));
    if (cost !== undefined) this.usage.spent = (this.usage.spent ?? 0) + cost;
  }

  /** An attempt has ended and cost nothing. */
  release(hold: AttemptHold | undefined): void {
    if (hold === undefined) return;
    this.open -= hold.nanoUsd;
    this.openExpected -= hold.expectedNanoUsd;
  }

  /**
   * Reserves `tokens` more for a call whose body asks for more than that of the request. Returns
   * the error of a limit that denies it.
   */
  async holdTokens(tokens: number): Promise<RateLimitExceededError | undefined> {
    const counters = new Set<string>();
    for (const { limiter, reservation } of this.held) {
      const own = countersOf(reservation);
      if (Reservation.tokensOf(reservation) === 0 || counters.has(own)) continue;
      counters.add(own);
      const denial = await limiter.reserveMore(reservation, tokens);
      if (denial === undefined) continue;
      const { limit, retryAfterMs, outage } = denial;
      if (outage !== undefined) return unavailable(limit.name);
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

  /** Counts a call of the request that a limit denied after the guard had allowed the request. */
  countDenial({ exceeded }: RateLimitExceededError): void {
    if (exceeded !== undefined) this.latest?.limiter.deniedLater(exceeded);
  }

  /**
   * Sets the tokens used so far, and their cost if the app knows it; the last report counts. After
   * the end of the request it settles at once.
   */
  report(tokens: number, usage?: AnswerUsage, nanoUsd?: number): void {
    const { request, usage: known } = this;
    known.reportedTokens = boundedTokens(tokens);
    known.reportedCost = nanoUsd ?? known.reportedCost;
    if (usage !== undefined) {
      request.learnPrompt?.(usage.promptTokens);
      known.pricedCost = this.priceOf?.(usage) ?? known.pricedCost;
      // `LlmClient` has already reported it for its calls.
      if (this.holdsMoney && known.spent === undefined && request.model !== undefined)
        this.learnOutput(request.model, usage.completionTokens);
    }
    if (this.isOver) this.settleIfIdle();
  }

  /** A call of a model begins; its usage is added. */
  beginCall(): void {
    this.callsInFlight += 1;
    if (!this.isOver || this.held.length > 0 || this.settled.length === 0 || this.reopening !== undefined) return;
    this.reopening = this.reopen();
    // `hold` passes the failure on; a call without a budget continues without its limits.
    this.reopening.catch(() => undefined);
  }

  /**
   * A call ends after its attempts.
   * @param tokens The usage of its answer; `undefined` if unknown
   * @param isPriced Whether the cost of all of its attempts is known
   */
  endCall(tokens: number | undefined, lost = NOTHING_LOST, isPriced = false): void {
    const { usage } = this;
    this.callsInFlight -= 1;
    if (isPriced || this.holdsMoney) usage.spent ??= 0;
    usage.isUncounted ||= lost.isUncounted;
    if (tokens !== undefined) usage.usedTokens = boundedTokens((usage.usedTokens ?? 0) + tokens + lost.tokens);
    else usage.lostTokens = boundedTokens(usage.lostTokens + lost.tokens);
    if (!this.isOver) return;
    if (this.reopening === undefined) this.settleIfIdle();
    else void this.reopening.catch(() => undefined).then(() => this.settleIfIdle());
  }

  /** The response has ended, or the handling of a message. */
  end(hasFailed: boolean): void {
    this.isOver = true;
    this.hasFailed = hasFailed;
    if (this.callsInFlight > 0) for (const { limiter, reservation } of this.held) limiter.release(reservation);
    else this.settleIfIdle();
  }

  /** Calls `listener` when its limiters have more room, for any request, until it is stopped. */
  whenFreed(listener: () => void): () => void {
    const stops = this.held.map(({ limiter }) => limiter.whenFreed(listener));
    return () => stops.forEach((stop) => stop());
  }

  /** Cost of an attempt without a known price; `undefined`: no attempt is made. */
  get unpricedNanoUsd(): number | undefined {
    return this.latest?.limiter.options.budgets.unpricedNanoUsd;
  }

  /** Whether an attempt can be sent with less output than the request asks for. */
  get clampsOutput(): boolean {
    return this.latest?.limiter.options.budgets.clampOutput === true;
  }

  /** Output tokens that a model is expected to write for this request; `undefined`: not known. */
  expectedOutput(model: string): number | undefined {
    const { latest } = this;
    if (latest?.limiter.options.budgets.reserve !== 'expected') return undefined;
    return expectedOutputs(latest.limiter).expected(keyOf(latest), model);
  }

  /** A model has written so many tokens for this request. */
  learnOutput(model: string, tokens: number): void {
    const { latest } = this;
    if (latest === undefined) return;
    const { limiter } = latest;
    const { reserve, clampOutput } = limiter.options.budgets;
    const needsMedian = this.holdsMoney && (clampOutput || limiter.store.settlesCrashes === true);
    if (reserve !== 'expected' && !needsMedian) return;
    const outputs = expectedOutputs(limiter);
    outputs.learn(keyOf(latest), model, tokens);
    if (needsMedian) outputs.learn(ALL_KEYS, model, tokens);
  }

  /**
   * Median output tokens of a model's answers, if the store settles the holds of dead processes at
   * their expected cost; `undefined`: no answer is known yet.
   */
  medianOutput(model: string): number | undefined {
    const { latest } = this;
    if (latest?.limiter.store.settlesCrashes !== true) return undefined;
    return medianOutput(latest.limiter, keyOf(latest), model);
  }

  /** Output tokens below which a call is not lowered while other calls may return money. */
  leastOutput(model: string): number {
    const { latest } = this;
    return latest === undefined ? LEAST_OUTPUT : leastOutput(latest.limiter, keyOf(latest), model);
  }

  /** The last reservation; after the end of the request, the last one that was settled. */
  private get latest(): HeldReservation | undefined {
    return this.held.at(-1) ?? this.settled.at(-1);
  }

  /**
   * One reservation for each set of budgets, which is raised, and the holds of the others in that
   * set, because guards and GraphQL fields can share one.
   */
  private budgeted(): readonly (HeldReservation & { readonly othersNanoUsd: number })[] {
    const sets = new Map<string, HeldReservation & { othersNanoUsd: number }>();
    for (const each of this.held) {
      if (!each.holdsMoney) continue;
      const counters = this.held.length === 1 ? '' : countersOf(each.reservation);
      const known = sets.get(counters);
      if (known === undefined) sets.set(counters, { ...each, othersNanoUsd: 0 });
      else known.othersNanoUsd += Reservation.nanoUsdOf(each.reservation);
    }
    return [...sets.values()];
  }

  /**
   * Reserves nothing yet under the limits of a request that was settled, for a call that begins
   * later: a message can make several calls, and a handler can continue after its response. The
   * call does not count as another request.
   */
  private async reopen(): Promise<HoldDenial | undefined> {
    const reopened: HeldReservation[] = [];
    this.isSpendKnown = false;
    for (const { limiter, reservation, holdsMoney } of this.settled) {
      const scopes = Reservation.scopesOf(reservation);
      const decision = await limiter.store.check(scopes, 0, 0, 0);
      const { allowed, budget, scope, retryAfterMs } = decision;
      if (!allowed) {
        for (const each of reopened) each.limiter.settleHeld(each.reservation, 0, 0);
        const { name } = scopes[scope].limit;
        const error =
          budget === undefined
            ? new RateLimitExceededError({ limitName: name, retryAfterMs: retryAfterMs === Infinity ? undefined : retryAfterMs })
            : new BudgetExceededError(budgetRefusal(name, budget));
        return { error, leftNanoUsd: 0, ownNanoUsd: 0 };
      }
      reopened.push({ limiter, reservation: new Reservation(decision, { scopes, tokens: 0, nanoUsd: 0 }), holdsMoney });
    }
    this.held.push(...reopened);
    return undefined;
  }

  /** Settles the reservations, unless calls are in flight. */
  private settleIfIdle(): void {
    if (this.callsInFlight > 0) return;
    const { usage, held } = this;
    const ownCost = (usage.reportedCost ?? 0) - (usage.spent ?? 0);
    if (ownCost > 0) this.reportAppCost(ownCost);
    const used = usage.settled(this.hasFailed);
    this.held = [];
    if (this.isOver && held.length > 0) this.settled = held;
    this.held.push(...settleReservations(held, used));
    const { knownNanoUsd: cost } = used;
    if (cost !== undefined && !this.isSpendKnown) {
      if (cost > 0) this.onSpend?.(cost);
      this.isSpendKnown = true;
    }
    this.reopening = undefined;
    // The context can be used again: a WebSocket sends many messages, each with its own
    // reservation.
    this.usage = new RequestUsage();
  }

  /** Reports the cost that the app has stated, beyond that of the client's own calls. */
  private reportAppCost(nanoUsd: number): void {
    const latest = this.held.at(-1);
    const { model, principal } = this.request;
    if (latest !== undefined) reportAppCost(latest.limiter, { model, team: principal?.team, nanoUsd });
  }
}

/** Expected outputs of a limiter's keys. */
const outputs = new WeakMap<RateLimiterService, ExpectedOutputs>();

/** The expected outputs of a limiter, learned from the reports of its requests. */
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

/** The key of the first budget: outputs are learned by it. */
export function budgetKeyOf(scopes: readonly RateLimitScope[]): string {
  return scopes.find(({ limit }) => limit.budgets !== undefined)?.key ?? '';
}

function keyOf({ reservation }: HeldReservation): string {
  return budgetKeyOf(Reservation.scopesOf(reservation));
}

/** @param own the request's hold in the budgets that deny more */
function denialOf(denial: NonNullable<Extension>, own: number, { before, nanoUsd }: { before: number; nanoUsd: number }): HoldDenial {
  if ('outage' in denial) return { error: unavailable(denial.limitName), leftNanoUsd: 0, ownNanoUsd: 0 };
  const { limitNanoUsd, spentNanoUsd, heldNanoUsd } = denial.standing;
  const most = own + Math.max(0, limitNanoUsd - spentNanoUsd - heldNanoUsd);
  const others = { ...denial, standing: { ...denial.standing, heldNanoUsd: Math.max(0, heldNanoUsd - own) } };
  return {
    error: new BudgetExceededError(budgetRefusal(denial.limitName, others, before + nanoUsd)),
    leftNanoUsd: Math.max(0, most - before),
    ownNanoUsd: Math.max(0, own - before),
  };
}

/** 503: the store cannot be asked. */
function unavailable(limitName: string): RateLimitExceededError {
  return new RateLimitExceededError({ limitName, retryAfterMs: HELD_RETRY_MS });
}

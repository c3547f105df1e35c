import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { FastLiteLLMError, InvalidArgumentError } from '../common/errors.js';
import { ownField } from '../common/objects.js';
import { checkArray, checkInteger, checkObject, refuseArgument } from '../common/options.js';
import type { LogSink } from '../common/log-sink.js';
import type { CallRecorder } from '../common/recorder.js';
import { burstClock } from '../common/clock.js';
import { usdOf, type BudgetPeriod } from '../common/nano-usd.js';
import { visibleText } from '../common/visible-text.js';
import { type EngineChoice, engineHealth } from '../engine/engine-choice.js';
import {
  checkAmount,
  checkUsd,
  LARGEST_AMOUNT,
  LimitTable,
  type ActualUsage,
  type CheckOptions,
  type LimitChoice,
  type ScopeList,
} from './arguments.js';
import type { RateLimitEngine } from './engine/engine.js';
import { selfTest } from './engine/self-test.js';
import type { RateLimit, RateLimits } from './limits.js';
import { MemoryRateLimitStore } from './memory/memory-store.js';
import type { BudgetAlert } from './budget/budget-settings.js';
import { BudgetCounts, shownStanding } from './metrics/budget-counts.js';
import { DecisionCounts } from './metrics/counts.js';
import { LimitWatch } from './metrics/near-limits.js';
import { checkStore, type ResolvedRateLimitOptions } from './rate-limit.options.js';
import { Reservation, reservedTokens, type RateLimitResult, type Taken } from './reservation.js';
import type { BudgetChange, Extension, RateLimitDecision, RateLimitScope, RateLimitStore, Settled, TokenDenial } from './store.js';

/** The result of `getStats`. */
export interface RateLimitStats {
  readonly totalChecks: number;
  readonly allowedCount: number;
  readonly deniedCount: number;
  /** Number of keys in the store; absent if the store would have to query a server. */
  readonly keys?: number;
  /** The requested keys, in the format of `peek`. */
  readonly details?: Readonly<Record<string, RateLimitResult>>;
}

/** One budget of a key, in USD. */
export interface BudgetReport {
  readonly period: BudgetPeriod;
  readonly limitUsd: number;
  /** Settled spend in the current window. */
  readonly spentUsd: number;
  /** Held by calls that have not been settled. */
  readonly heldUsd: number;
  /** Settled since the key was first seen, over all windows. */
  readonly totalUsd: number;
  /** When the whole window has ended; absent for `usdTotal`. */
  readonly resetsAt?: Date;
}

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1_000;

/** Selects one budget of a limit. */
export interface BudgetChoice extends LimitChoice {
  /** Required if the limit has several. */
  readonly period?: BudgetReport['period'];
}

/** The amounts that calls in flight hold in the budgets of a key. */
export interface BudgetHoldsReport {
  readonly count: number;
  /**
   * Up to 20 holds, oldest first. A hold that is older than any possible call was never settled.
   */
  readonly oldest: readonly { readonly usd: number; readonly ageMs: number }[];
}

/** A page of `listBudgets`. */
export interface BudgetListOptions {
  /** Only keys under this limit. Default: all limits in the options, not those of rules. */
  readonly limit?: string;
  /**
   * The limits of the rule with this name, because the options do not contain the limits of routes.
   */
  readonly limits?: RateLimits;
  /** Approximate number of keys in a page, up to 1,000. Default 100. */
  readonly count?: number;
  /** `cursor` of the previous page. */
  readonly cursor?: string;
}

/** A page of `listCrashSettlements`. */
export interface CrashListOptions {
  /** Approximate number of keys to examine for a page, up to 1,000. Default 100. */
  readonly count?: number;
  /** `cursor` of the previous page. */
  readonly cursor?: string;
}

/** Identifies the settlement of a hold whose process died. */
export interface CrashChoice {
  /** Name of the limit. */
  readonly limit: string;
  /** The key, or its name in `listCrashSettlements`. */
  readonly key: string;
  readonly id: string;
}

/** A settlement for a dead process, in USD. */
export interface CrashReport extends CrashChoice {
  /** The highest possible cost of the call. */
  readonly heldUsd: number;
  /** The charged amount. */
  readonly chargedUsd: number;
  /** When the call began. */
  readonly takenAt: Date;
}

/** Settlements for dead processes; a page can be empty and still have a cursor. */
export interface CrashPage {
  readonly settlements: readonly CrashReport[];
  /** For the next page; absent after the last. */
  readonly cursor?: string;
}

/** Keys that have spent or hold money, in arbitrary order. */
export interface BudgetPage {
  readonly keys: readonly { readonly limit: string; readonly key: string; readonly budgets: readonly BudgetReport[] }[];
  /** For the next page; absent after the last. */
  readonly cursor?: string;
}

/** Amounts that a caller asks for. */
interface Asked {
  readonly scopes: readonly RateLimitScope[];
  readonly cost: number;
  readonly tokens: number;
  readonly nanoUsd: number;
  /** Charge if this process dies; `undefined`: all that is held. */
  readonly expectedNanoUsd: number | undefined;
}

/** A store in memory decides at once, any other with a promise. */
type MaybePromise<T> = T | Promise<T>;

/**
 * Decides which requests are allowed, and counts them. Methods without `Async` need a synchronous
 * store such as the one in memory; with any other they throw (`STORE_ANSWERS_LATER`). All methods
 * throw `InvalidArgumentError` on invalid arguments.
 *
 * @example
 * const { allowed, retryAfterMs } = limiter.check('user_123');
 * const reservation = limiter.reserve(['key:a1', { key: 'team:7', limit: 'team' }], { tokens: 900 });
 * if (reservation.allowed) limiter.settle(reservation, usage.total_tokens);
 * const paid = limiter.reserve('key:a1', { usd: 0.02 });
 * if (paid.allowed) limiter.settle(paid, { usd: 0.0061 });
 */
export class RateLimiterService implements Capability {
  readonly capability = 'rate_limiting';
  /** The store of the counters. */
  readonly store: RateLimitStore;
  /**
   * Whether limits can have budgets.
   * @internal
   */
  readonly keepsBudgets: boolean;

  private readonly table: LimitTable;
  private readonly memory: MemoryRateLimitStore;
  private readonly counts = new DecisionCounts();
  private readonly budgetCounts: BudgetCounts;
  private limitWatch: LimitWatch | null = null;
  private readonly freedListeners = new Set<(scopes: readonly RateLimitScope[]) => void>();
  private readonly moreMetrics: (() => readonly MetricSample[])[] = [];

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<RateLimitEngine>,
    readonly options: ResolvedRateLimitOptions,
    /** Monotonic milliseconds. */
    now: () => number = burstClock(),
    /** @internal For what waits for this limiter. */
    readonly recorder?: CallRecorder,
    /** Where a store says that it cannot decide. */
    private readonly log?: LogSink,
  ) {
    const { sharedAs, maxKeys, budgets } = options;
    const { alertAt, snapshotFile } = budgets;
    this.memory = new MemoryRateLimitStore(choice, { now, name: sharedAs, maxKeys, alertAt, snapshotFile, log }, recorder);
    const { store = this.memory } = options;
    this.store = typeof store === 'function' ? checkStore('rateLimit.store', store(this.memory, log)) : store;
    this.budgetCounts = new BudgetCounts(budgets);
    const noBudgets = whyNoBudgets(this.store, sharedAs);
    this.keepsBudgets = noBudgets === undefined;
    this.table = new LimitTable(options, noBudgets);
  }

  /** Calls `listener` for each mark in `budgets.alertAt` that a budget crosses. @internal */
  whenBudgetCrosses(listener: (alert: BudgetAlert) => void): void {
    this.budgetCounts.whenCrossed(listener);
  }

  /** Reports that a soft budget is spent, like other budgets. @internal */
  reportSoftBudget(alert: BudgetAlert): void {
    this.budgetCounts.report(alert);
  }

  /** Charges requests and tokens if all limits allow them. `release(key)` frees a slot. */
  check(key: string, options: CheckOptions = {}): RateLimitResult {
    return this.reserve(checkKey('key', key), options);
  }

  /** The same as `check`, for every store. */
  async checkAsync(key: string, options: CheckOptions = {}): Promise<RateLimitResult> {
    return this.take(checkKey('key', key), options);
  }

  /** Returns `check(…).allowed`; charges like `check`. */
  isAllowed(key: string, options: CheckOptions = {}): boolean {
    this.checkSynchronous();
    return (this.decideOn(this.asked(checkKey('key', key), options)) as RateLimitDecision).allowed;
  }

  /** Returns how many requests are allowed right now. Charges nothing. */
  getRemaining(key: string, options: LimitChoice = {}): number {
    checkObject('options', options, refuseArgument);
    return this.peek(key, { ...options, cost: 0, tokens: 0 }).remainingRequests;
  }

  /** Returns what `check` would return. Charges nothing. */
  peek(keys: ScopeList, options: CheckOptions = {}): RateLimitResult {
    this.checkSynchronous();
    return this.look(keys, options) as Reservation;
  }

  /** The same as `peek`, for every store. */
  async peekAsync(keys: ScopeList, options: CheckOptions = {}): Promise<RateLimitResult> {
    return this.look(keys, options);
  }

  /**
   * Charges requests, tokens and slots to all keys, or to none. Pass the reservation to `settle`
   * when the actual usage is known; otherwise it stays charged.
   */
  reserve(keys: ScopeList, options: CheckOptions = {}): Reservation {
    this.checkSynchronous();
    return this.take(keys, options) as Reservation;
  }

  /** The same as `reserve`, for every store. */
  async reserveAsync(keys: ScopeList, options: CheckOptions = {}): Promise<Reservation> {
    return this.take(keys, options);
  }

  /**
   * Replaces the reserved tokens with the used ones (0 releases all) and the hold with the cost,
   * and frees the slots. A number means tokens; the whole hold is then spent. Settling twice, or
   * settling a denial, does nothing. Does not wait for the store.
   */
  settle(reservation: Reservation, actual: number | ActualUsage): void {
    ignoreFailure(this.settleUsage(reservation, actual));
  }

  /**
   * `settle` for checked amounts: tokens and nano-USD, by default everything that is held.
   * @internal
   */
  settleHeld(reservation: Reservation, tokens: number | undefined, nanoUsd: number | undefined): void {
    ignoreFailure(this.finish(reservation, tokens, nanoUsd));
  }

  /** Like `settle`, and waits for the store. */
  async settleAsync(reservation: Reservation, actual: number | ActualUsage): Promise<void> {
    await this.settleUsage(reservation, actual);
  }

  /**
   * Lists how the holds of dead processes were settled after `slotTtlMs`: at the expected cost or,
   * if that was unknown, in full. Kept for 7 days. Only over Redis and PostgreSQL.
   */
  async listCrashSettlements(options: CrashListOptions = {}): Promise<CrashPage> {
    const { count = DEFAULT_PAGE, cursor } = checkObject('options', options, refuseArgument) as CrashListOptions;
    checkInteger('count', count, { min: 1, max: LARGEST_PAGE }, refuseArgument);
    if (cursor !== undefined) checkKey('cursor', cursor);
    const page = (await this.store.crashSettlements?.(count, cursor)) ?? { settlements: [] };
    const settlements = page.settlements.map(({ limit, key, id, heldNanoUsd, chargedNanoUsd, takenAtMs }): CrashReport => ({
      limit,
      key,
      id,
      heldUsd: usdOf(heldNanoUsd),
      chargedUsd: usdOf(chargedNanoUsd),
      takenAt: new Date(takenAtMs),
    }));
    return { settlements, cursor: page.cursor };
  }

  /**
   * Corrects a settlement to the cost of the call, in each budget of its limit, and logs it. Each
   * settlement can be corrected once; returns `undefined` if it already was, or is no longer kept.
   */
  async refundCrashSettlement({ limit, key, id }: CrashChoice, usd: number): Promise<{ readonly chargedUsd: number } | undefined> {
    const nano = checkUsd('usd', usd, 0);
    const name = { limit: checkKey('limit', limit), key: checkKey('key', key), id: checkKey('id', id) };
    const charged = await this.store.refundCrash?.(name, nano);
    if (charged === undefined) return undefined;
    const change = `from ${usdOf(charged)} to ${usdOf(nano)} USD`;
    this.log?.log(`Rate limiter: corrected crash settlement ${visibleText(name.id)} ${change} (limit ${visibleText(name.limit)})`);
    return { chargedUsd: usdOf(charged) };
  }

  /**
   * Raises the hold of a reservation to `usd`, before a step that can cost more than expected.
   * Returns whether all budgets allow it; if not, the reservation does not change.
   */
  extend(reservation: Reservation, usd: number): boolean {
    this.checkSynchronous();
    return this.raise(Reservation.checked('reservation', reservation), checkUsd('usd', usd, 0)) === undefined;
  }

  /** The same as `extend`, for every store. */
  async extendAsync(reservation: Reservation, usd: number): Promise<boolean> {
    return (await this.raise(Reservation.checked('reservation', reservation), checkUsd('usd', usd, 0))) === undefined;
  }

  /** Returns the budgets of a key under one limit: day, month, window, total. Charges nothing. */
  getBudgets(key: string, options: LimitChoice = {}): readonly BudgetReport[] {
    this.checkSynchronous();
    return this.budgetsOf(key, options) as readonly BudgetReport[];
  }

  /** The same as `getBudgets`, for every store. */
  async getBudgetsAsync(key: string, options: LimitChoice = {}): Promise<readonly BudgetReport[]> {
    return this.budgetsOf(key, options);
  }

  /** Returns the calls in flight that hold money in the budgets of a key, by age. */
  async getBudgetHolds(key: string, options: LimitChoice = {}): Promise<BudgetHoldsReport> {
    const { count, oldest } = (await this.store.holds?.(this.table.scope(checkKey('key', key), options))) ?? { count: 0, oldest: [] };
    return { count, oldest: oldest.map(({ nanoUsd, ageMs }) => ({ usd: usdOf(nanoUsd), ageMs })) };
  }

  /** Sets the spend of a key in the current window of a budget. `reset` clears everything. */
  async setSpent(key: string, usd: number, options: BudgetChoice = {}): Promise<void> {
    await this.changeBudget(key, options, { kind: 'spent', nanoUsd: checkUsd('usd', usd, 0) });
  }

  /**
   * Adds `usd` to a budget of a key until its current window has ended; to `usdTotal` permanently.
   */
  async raiseBudget(key: string, usd: number, options: BudgetChoice = {}): Promise<void> {
    await this.changeBudget(key, options, { kind: 'raise', nanoUsd: checkUsd('usd', usd, 0) });
  }

  /**
   * Adds to the spend of a key in each budget of a limit, without a decision.
   * @internal
   */
  addSpent(scope: RateLimitScope, nanoUsd: number): MaybePromise<void> {
    const count = scope.limit.budgets?.length ?? 0;
    const add = (budget: number): MaybePromise<void> => this.store.changeBudget?.(scope, { budget, kind: 'added', nanoUsd });
    return count <= 1 ? add(0) : inOrder(count, add);
  }

  /**
   * Returns the keys that have spent or hold money under the limits in the options, page by page.
   * Over Redis this reads the names of all keys with the store's prefix, and a key with characters
   * other than letters, digits and `_.:@-` is shown as `~` and its hash.
   */
  async listBudgets(options: BudgetListOptions = {}): Promise<BudgetPage> {
    const { limit, limits: given, count = DEFAULT_PAGE, cursor } = checkObject('options', options, refuseArgument) as BudgetListOptions;
    const isAll = (limit ?? given) === undefined;
    const named = isAll ? [this.options.limit, ...this.options.named.values()] : [this.table.get({ limit, limits: given })];
    checkInteger('count', count, { min: 1, max: LARGEST_PAGE }, refuseArgument);
    if (cursor !== undefined) checkKey('cursor', cursor);
    const limits = named.filter(({ budgets }) => budgets !== undefined);
    const page = (limits.length > 0 && (await this.store.budgetKeys?.(limits, count, cursor))) || { keys: [] };
    const keys = page.keys.map((each) => ({ limit: each.limit.name, key: each.key, budgets: each.budgets.map(shownStanding) }));
    return { keys, cursor: page.cursor };
  }

  /**
   * Raises the hold of a reservation to `nanoUsd`; returns the denial of a budget.
   * @param expectedNanoUsd Charge if this process dies. Default: the whole hold.
   * @internal
   */
  raise(reservation: Reservation, nanoUsd: number, expectedNanoUsd?: number): MaybePromise<Extension> {
    const taken = Reservation.takenBy(reservation);
    if (taken === undefined || taken.isSettled || this.store.extend === undefined) return undefined;
    const { nanoUsd: held } = taken;
    if (nanoUsd <= held && expectedNanoUsd === undefined) return undefined;
    return whenKnown(this.store.extend(taken, Math.max(nanoUsd, held), expectedNanoUsd), (denial) => {
      if (denial === undefined) taken.nanoUsd = Math.max(nanoUsd, held);
      return denial;
    });
  }

  /**
   * Reserves more tokens for a request in flight; returns the denial of a limit.
   * @internal
   */
  reserveMore(reservation: Reservation, tokens: number): MaybePromise<TokenDenial | undefined> {
    const taken = Reservation.takenBy(reservation);
    if (taken === undefined || taken.isSettled || this.store.reserveMore === undefined || tokens <= 0) return undefined;
    return whenKnown(this.store.reserveMore(taken, tokens), (more) => {
      // A request that exceeds the limit by itself would also be denied the next time.
      if ('limit' in more) {
        const isTooMuch = reservedTokens(taken) + tokens > (more.limit.tokensPerMinute ?? Infinity);
        return isTooMuch ? { ...more, retryAfterMs: Infinity } : more;
      }
      if (more.tokens === 0) return undefined;
      if (!taken.isSettled) taken.more = [...taken.more, more];
      else ignoreFailure(this.store.settle({ scopes: taken.scopes, outage: taken.outage, ...more }, 0));
      return undefined;
    });
  }

  /**
   * Counts the money of a reservation as spent; a later `settle` corrects that.
   * @internal
   */
  charge(reservation: Reservation): void {
    const taken = Reservation.takenBy(reservation);
    if (taken === undefined || taken.isSettled || !Reservation.holdsMoney(reservation)) return;
    ignoreFailure(this.pay(taken, reservedTokens(taken), taken.nanoUsd, true));
  }

  /**
   * Frees the slots of a reservation, once, or those of a `check` by its key. Tokens stay charged.
   */
  release(held: Reservation | string, options: LimitChoice = {}): void {
    ignoreFailure(this.free(held, options));
  }

  /** Like `release`, and waits for the store. */
  async releaseAsync(held: Reservation | string, options: LimitChoice = {}): Promise<void> {
    await this.free(held, options);
  }

  /** Clears the counters of a key under one limit. */
  reset(key: string, options: LimitChoice = {}): void {
    ignoreFailure(this.forget(key, options));
  }

  /** Like `reset`, and waits for the store. */
  async resetAsync(key: string, options: LimitChoice = {}): Promise<void> {
    await this.forget(key, options);
  }

  /**
   * Returns the number of decisions since the start, and the state of `keys` under the limits in
   * the options.
   */
  getStats(keys: readonly string[] = []): RateLimitStats {
    const { allowed: allowedCount, denied: deniedCount } = this.counts;
    const details = checkArray('keys', keys, checkKey, refuseArgument).map((key) => [key, this.peek(key, { cost: 0 })] as const);
    return {
      totalChecks: allowedCount + deniedCount,
      allowedCount,
      deniedCount,
      keys: this.store.stats().keys,
      ...(details.length > 0 && { details: Object.fromEntries(details) }),
    };
  }

  /** Returns the limits of a name, or the given ones, for callers that decide often. */
  limitOf(choice: LimitChoice): RateLimit {
    return this.table.get(choice);
  }

  /** Returns the store's decision, and counts it. The caller must have checked the arguments. */
  decide(
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nanoUsd = 0,
    expectedNanoUsd?: number,
  ): RateLimitDecision | Promise<RateLimitDecision> {
    const decision = this.store.check(scopes, cost, tokens, nanoUsd, expectedNanoUsd);
    return decision instanceof Promise ? decision.then((made) => this.counted(scopes, made)) : this.counted(scopes, decision);
  }

  /**
   * Returns the limit of this name, or the default one.
   * @throws InvalidArgumentError for an unknown name
   * @internal
   */
  limitNamed(name?: string): RateLimit {
    return this.table.get({ limit: name });
  }

  /**
   * Counts a decision that the caller got from the store.
   * @internal
   */
  counted(scopes: readonly RateLimitScope[], decision: RateLimitDecision): RateLimitDecision {
    this.limitWatch?.saw(scopes, decision);
    if (decision.allowed) this.counts.allowed++;
    else this.counts.deny(decision.exceeded);
    return decision;
  }

  /**
   * Counts a call that a limit denied after its request was allowed, because `LlmClient` knows the
   * price only once it has selected a deployment.
   * @internal
   */
  deniedLater(exceeded: string): void {
    this.counts.deniedLater(exceeded);
  }

  /**
   * Starts to track the keys that are close to their limits, for dashboards.
   * @internal
   */
  watch(): LimitWatch {
    return (this.limitWatch ??= new LimitWatch(this.store));
  }

  /**
   * Calls `listener` when a reservation was settled or an operator has changed a budget, so that
   * denied requests may now be allowed. Returns a function that removes it.
   * @internal
   */
  whenFreed(listener: (scopes: readonly RateLimitScope[]) => void): () => void {
    this.freedListeners.add(listener);
    return () => void this.freedListeners.delete(listener);
  }

  /**
   * Adds the metrics of a queue for this limiter.
   * @internal
   */
  addMetrics(samples: () => readonly MetricSample[]): void {
    this.moreMetrics.push(samples);
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const { keys, evicted } = this.store.stats();
    const sample = samplesOf('rate_limit');
    return [
      ...this.counts.samples(),
      ...(keys === undefined ? [] : [sample('keys', 'Keys in the store.', 'gauge', keys)]),
      ...(evicted === undefined
        ? []
        : [sample('evicted_keys_total', 'Keys evicted before they expired, because maxKeys was reached.', 'counter', evicted)]),
      ...this.budgetCounts.samples(),
      ...this.store.metrics(),
      ...this.moreMetrics.flatMap((samples) => samples()),
    ];
  }

  /** Runs the self-test of the engine in use, and checks the store. */
  health(): CapabilityHealth | Promise<CapabilityHealth> {
    const own: CapabilityHealth = { ...engineHealth(this.choice, selfTest, this.memory.engine), store: this.store.kind };
    return whenKnown(this.store.health(), (store) => (own.status === 'ok' ? { ...own, ...store } : { ...store, ...own }));
  }

  /** Frees memory and connections. Can be called more than once. */
  async close(): Promise<void> {
    await Promise.all([this.memory.close(), this.store !== this.memory && this.store.close()]);
  }

  private take(keys: ScopeList, options: CheckOptions): MaybePromise<Reservation> {
    const asked = this.asked(keys, options);
    const decision = this.decideOn(asked);
    return decision instanceof Promise ? decision.then((made) => new Reservation(made, asked)) : new Reservation(decision, asked);
  }

  private look(keys: ScopeList, options: CheckOptions): MaybePromise<Reservation> {
    const { scopes, cost, tokens, nanoUsd } = this.asked(keys, options);
    return whenKnown(this.store.peek(scopes, cost, tokens, nanoUsd), (decision) => new Reservation(decision));
  }

  private decideOn({ scopes, cost, tokens, nanoUsd, expectedNanoUsd }: Asked): RateLimitDecision | Promise<RateLimitDecision> {
    return this.decide(scopes, cost, tokens, nanoUsd, expectedNanoUsd);
  }

  /** The arguments of a decision, checked. */
  private asked(keys: ScopeList, options: CheckOptions): Asked {
    const scopes = this.table.scopes(keys, options);
    const { tokens, usd, expectedUsd } = options;
    return {
      scopes,
      cost: checkAmount('cost', ownField(options, 'cost'), 1),
      tokens: checkAmount('tokens', tokens, 0),
      nanoUsd: checkUsd('usd', usd, 0),
      expectedNanoUsd: expectedUsd === undefined ? undefined : checkUsd('expectedUsd', expectedUsd, 0),
    };
  }

  private budgetsOf(key: string, options: LimitChoice): MaybePromise<readonly BudgetReport[]> {
    const scope = this.table.scope(checkKey('key', key), options);
    return whenKnown(this.store.peek([scope], 0, 0), ({ standings: [standing] }) => (standing?.budgets ?? []).map(shownStanding));
  }

  private async changeBudget(key: string, choice: BudgetChoice, change: Omit<BudgetChange, 'budget'>): Promise<void> {
    const scope = this.table.scope(checkKey('key', key), choice);
    const { budgets = [] } = scope.limit;
    const { period } = choice;
    const budget = period === undefined && budgets.length === 1 ? 0 : budgets.findIndex((each) => each.period === period);
    if (budget < 0 || this.store.changeBudget === undefined) {
      const periods = budgets.map((each) => each.period).join(', ');
      throw new InvalidArgumentError('period', period, periods === '' ? 'requires a limit with a budget' : `must be one of ${periods}`);
    }
    await this.store.changeBudget(scope, { budget, ...change });
    this.freed([scope]);
  }

  private forget(key: string, options: LimitChoice): MaybePromise<void> {
    const scope = this.table.scope(checkKey('key', key), options);
    return whenKnown(this.store.reset(scope), () => this.freed([scope]));
  }

  private freed(scopes: readonly RateLimitScope[]): void {
    for (const listener of this.freedListeners) listener(scopes);
  }

  private settleUsage(reservation: Reservation, actual: number | ActualUsage): void | Promise<unknown> {
    const { tokens, usd }: ActualUsage = typeof actual === 'number' ? { tokens: actual } : checkObject('actual', actual, refuseArgument);
    if (tokens !== undefined) checkInteger('actualTokens', tokens, { min: 0, max: LARGEST_AMOUNT }, refuseArgument);
    const nanoUsd = usd === undefined ? undefined : checkUsd('actual.usd', usd, 0);
    return this.finish(Reservation.checked('reservation', reservation), tokens, nanoUsd);
  }

  private finish(reservation: Reservation, tokens: number | undefined, nanoUsd: number | undefined): void | Promise<unknown> {
    const taken = Reservation.takenBy(reservation);
    if (taken === undefined) return undefined;
    const { scopes, isSettled, isReleased } = taken;
    taken.isSettled = taken.isReleased = true;
    let [isCounted, hasSlots] = [false, false];
    for (const { limit } of scopes) {
      isCounted ||= limit.tokensPerMinute !== undefined || limit.budgets !== undefined;
      hasSlots ||= limit.maxConcurrent !== undefined;
    }
    const settled = isCounted && !isSettled ? this.pay(taken, tokens ?? reservedTokens(taken), nanoUsd ?? taken.nanoUsd) : undefined;
    const released = hasSlots && !isReleased ? this.store.release(taken) : undefined;
    return settled || released ? Promise.all([settled, released]) : undefined;
  }

  private pay(taken: Taken, tokens: number, nanoUsd: number, isProvisional?: boolean): MaybePromise<void> {
    const { scopes, outage, more } = taken;
    // Each part of the reservation is settled at its own time.
    let left = tokens;
    for (const each of more) {
      const used = Math.min(left, each.tokens);
      left -= used;
      ignoreFailure(this.store.settle({ scopes, outage, ...each }, used));
    }
    const settled = this.store.settle(taken, left, nanoUsd, isProvisional);
    return settled instanceof Promise
      ? settled.then((spendings) => this.paid(taken, spendings, nanoUsd))
      : this.paid(taken, settled, nanoUsd);
  }

  private paid(taken: Taken, spendings: Settled, nanoUsd: number): void {
    if (spendings !== undefined) this.budgetCounts.settled(spendings, nanoUsd - taken.nanoUsd);
    this.freed(taken.scopes);
  }

  private free(held: Reservation | string, options: LimitChoice): void | Promise<void> {
    if (typeof held === 'string') return this.store.release({ scopes: [this.table.scope(held, options)], tokens: 0, atMs: Infinity });
    const taken = Reservation.takenBy(Reservation.checked('held', held));
    if (taken === undefined || taken.isReleased) return undefined;
    taken.isReleased = true;
    return taken.scopes.some(({ limit }) => limit.maxConcurrent !== undefined) ? this.store.release(taken) : undefined;
  }

  private checkSynchronous(): void {
    if (this.store.synchronous === true) return;
    throw new FastLiteLLMError(
      'STORE_ANSWERS_LATER',
      `the ${this.store.kind} store decides asynchronously; call the method whose name ends in Async`,
    );
  }
}

/** Why limits with budgets are refused; `undefined`: they are not. */
async function inOrder(count: number, step: (at: number) => MaybePromise<void>): Promise<void> {
  for (let at = 0; at < count; at++) await step(at);
}

function whyNoBudgets({ kind, keepsBudgets }: RateLimitStore, sharedAs: string | null): string | undefined {
  if (keepsBudgets !== true) return `requires a store with budgets, and the ${kind} store has none`;
  if (kind !== 'memory' || sharedAs === null) return undefined;
  return 'cannot be combined with sharedAs, because budgets are kept per thread; to share budgets, use Redis';
}

function checkKey(path: string, key: unknown): string {
  if (typeof key === 'string') return key;
  throw new InvalidArgumentError(path, key, 'must be a string');
}

function whenKnown<T, R>(value: MaybePromise<T>, next: (value: T) => R): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Does not wait: the store counts its own failures. */
function ignoreFailure(work: unknown): void {
  if (work instanceof Promise) work.catch(() => {});
}

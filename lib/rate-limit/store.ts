import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { SharedRedis } from '../common/redis/client.js';
import type { BudgetDenialReason, BudgetSpending, BudgetStanding } from './budget/account.js';
import type { ExceededLimit, RateLimit } from './limits.js';

/**
 * A limit and a key. All scopes of a request are decided together: all of them are charged, or
 * none.
 */
export interface RateLimitScope {
  readonly limit: RateLimit;
  /** Any string. `limit.name` and this key identify the counters. */
  readonly key: string;
}

/** The state of one scope after a decision. */
export interface RateLimitStanding {
  /**
   * The tightest limit: of the bucket (its burst) or of a window; `Infinity` without request
   * limits.
   */
  readonly limit: number;
  /** Requests that would be allowed now. `Infinity` if requests are not limited. */
  readonly remainingRequests: number;
  /** Tokens that would be allowed now under `tokensPerMinute`. */
  readonly remainingTokens?: number;
  /** Time until the limit is completely free again, if nothing is charged. */
  readonly resetMs: number;
  /** The same for `tokensPerMinute`. */
  readonly tokensResetMs?: number;
  /** Its budgets, in the order of day, month, window, total. */
  readonly budgets?: readonly BudgetStanding[];
}

/** Why a budget denies, and its state. */
export interface BudgetDenial {
  readonly reason: BudgetDenialReason;
  readonly standing: BudgetStanding;
}

/** The decision of a store. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** Index of the scope that denied; if allowed, of the tightest one. */
  readonly scope: number;
  /** The limit that denied. */
  readonly exceeded?: ExceededLimit;
  /**
   * Time until this same request would be allowed; `Infinity` if it never would be. 0 if allowed.
   */
  readonly retryAfterMs: number;
  /** One per scope, in their order. Empty if the store could not decide. */
  readonly standings: readonly RateLimitStanding[];
  /** The store's clock at the decision, for `settle` and `release`. */
  readonly atMs: number;
  /** The store's own handle of the charge, passed back to `settle` and `release`. */
  readonly lease?: string;
  /** The store's own record of the hold, passed back to `settle` and `extend`. */
  readonly hold?: unknown;
  /** Present if `exceeded` is `usd`. */
  readonly budget?: BudgetDenial;
  /** Set if the store could not decide; this is the configured decision. */
  readonly outage?: 'deny' | 'allow' | 'local';
}

/** The charge of an allowed `check`, for `settle` and `release`. */
export interface TakenRateLimit {
  readonly scopes: readonly RateLimitScope[];
  readonly tokens: number;
  readonly more?: readonly MoreTokens[];
  /**
   * `Infinity` if the request can be released only by its key; any request of that key then ends.
   */
  readonly atMs: number;
  readonly lease?: string;
  /** Nano-USD held, including extensions. */
  readonly nanoUsd?: number;
  readonly hold?: unknown;
  readonly outage?: RateLimitDecision['outage'];
}

/**
 * The amounts that a settlement added to budgets; empty if no money was held. A store can omit
 * budgets that have crossed no mark of `rateLimit.budgets.alertAt`.
 */
export type Settled = readonly BudgetSpending[] | void;

/** The store could not decide on an extension, which is denied as configured. */
export interface ExtensionOutage {
  readonly limitName: string;
  readonly outage: 'deny';
}

/** The denial of an extension, or nothing if the hold was raised. */
export type Extension = (BudgetDenial & { readonly limitName: string }) | ExtensionOutage | undefined;

/** Further tokens reserved for the same request. */
export interface MoreTokens {
  readonly tokens: number;
  /** The store's time at which they were charged. */
  readonly atMs: number;
}

/** Why no further tokens were reserved for a request in flight. */
export interface TokenDenial {
  /** The limit that denies; the first one if the store cannot be reached. */
  readonly limit: RateLimit;
  /** `Infinity` if waiting does not help. */
  readonly retryAfterMs: number;
  readonly outage?: 'deny';
}

/** Holds that one answer shows at most. */
export const MOST_SHOWN_HOLDS = 20;

/** Money that calls in flight hold in the budgets of one key. */
export interface HeldMoney {
  readonly count: number;
  /** Up to 20, the oldest first. */
  readonly oldest: readonly { readonly nanoUsd: number; readonly ageMs: number }[];
}

/**
 * A change of one budget without a decision: by an operator, or by a cost for which nothing was
 * held.
 */
export interface BudgetChange {
  /** Index of the budget in those of the limit. */
  readonly budget: number;
  /**
   * `spent`: replaces the spend in the window. `added`: is added to it. `raise`: is added to the
   * limit until the window ends.
   */
  readonly kind: 'spent' | 'added' | 'raise';
  readonly nanoUsd: number;
}

/** A page of the keys that have budgets. */
export interface BudgetKeys {
  /** Keys with one of the requested limits. A store can show a hash instead of a key. */
  readonly keys: readonly { readonly limit: RateLimit; readonly key: string; readonly budgets: readonly BudgetStanding[] }[];
  /** Start of the next page; absent at the end. */
  readonly cursor?: string;
}

/** Identifies the settlement of a hold whose process died, by the store's own names. */
export interface CrashName {
  readonly limit: string;
  readonly key: string;
  readonly id: string;
}

/** The amounts and the time of a settlement. */
export interface CrashSettlement extends CrashName {
  readonly heldNanoUsd: number;
  readonly chargedNanoUsd: number;
  readonly takenAtMs: number;
}

/** A page of the settlements of dead processes. */
export interface CrashSettlements {
  readonly settlements: readonly CrashSettlement[];
  /** Start of the next page; absent at the end. */
  readonly cursor?: string;
}

/** The keys of a store. */
export interface RateLimitStoreStats {
  /** Number of keys in the store; `undefined` if the store would have to query a server. */
  readonly keys?: number;
  /** Keys evicted before they were idle. */
  readonly evicted?: number;
}

/**
 * Stores the counters and decides on requests. The memory store decides synchronously; others can
 * return promises, and use their own clock. Arguments are already checked by the service.
 */
export interface RateLimitStore {
  /** `memory`, `redis`. */
  readonly kind: string;
  /** Whether every method returns its result at once, never a promise. */
  readonly synchronous?: boolean;
  /** Whether the store supports budgets. If not, limits with budgets are rejected. */
  readonly keepsBudgets?: boolean;
  /** Whether it settles the holds of a dead process at their expected cost. */
  readonly settlesCrashes?: boolean;
  /**
   * The connection of a store in Redis, for other data that processes share.
   * @internal
   */
  readonly redis?: SharedRedis;

  /**
   * Decides on all scopes. If allowed, charges `cost` requests, `tokens` and a slot to each scope,
   * and holds `nanoUsd` (default 0) in each budget; if this process dies, `expectedNanoUsd` of that
   * is spent (default: all).
   */
  check(
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nanoUsd?: number,
    expectedNanoUsd?: number,
  ): RateLimitDecision | Promise<RateLimitDecision>;

  /** Returns what `check` would return. Charges nothing. */
  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd?: number): RateLimitDecision | Promise<RateLimitDecision>;

  /**
   * Replaces the reserved tokens with the used ones, at the time of the reservation, and the hold
   * with `actualNanoUsd` (default: the whole hold). Returns the amounts added to budgets. Called
   * once for tokens; after a provisional call, a later one with the same tokens corrects the money.
   */
  settle(taken: TakenRateLimit, actualTokens: number, actualNanoUsd?: number, isProvisional?: boolean): Settled | Promise<Settled>;

  /**
   * Raises the hold to `nanoUsd`; if a budget denies that, nothing changes. `expectedNanoUsd`: as
   * in `check`.
   */
  extend?(taken: TakenRateLimit, nanoUsd: number, expectedNanoUsd?: number): Extension | Promise<Extension>;

  /**
   * Reserves more tokens for a request in flight, in all of its scopes that count tokens or in
   * none; charges no request and no slot. They are settled separately, at their own time.
   */
  reserveMore?(taken: TakenRateLimit, tokens: number): MoreTokens | TokenDenial | Promise<MoreTokens | TokenDenial>;

  /** Changes a budget without a decision. */
  changeBudget?(scope: RateLimitScope, change: BudgetChange): void | Promise<void>;

  /** Returns the amounts that calls in flight hold in the budgets of a key. */
  holds?(scope: RateLimitScope): HeldMoney | Promise<HeldMoney>;

  /**
   * Returns about `count` keys with budgets, starting at `cursor`.
   * @throws InvalidArgumentError for a cursor that the store did not return.
   */
  budgetKeys?(limits: readonly RateLimit[], count: number, cursor?: string): BudgetKeys | Promise<BudgetKeys>;

  /**
   * Returns settlements for dead processes, for about `count` keys, starting at `cursor`.
   * @throws InvalidArgumentError for a cursor that the store did not return.
   */
  crashSettlements?(count: number, cursor?: string): CrashSettlements | Promise<CrashSettlements>;

  /** Corrects one of them, once. Returns the previous charge; `undefined` if it does not exist. */
  refundCrash?(crash: CrashName, nanoUsd: number): number | undefined | Promise<number | undefined>;

  /** Frees the slots under `maxConcurrent`. Called once per reservation. */
  release(taken: TakenRateLimit): void | Promise<void>;

  /** Clears the counters of one key under one limit. */
  reset(scope: RateLimitScope): void | Promise<void>;

  /** Returns the number of keys in the store, and of evicted keys. */
  stats(): RateLimitStoreStats;
  /** Metrics of the store, in addition to those of the service. */
  metrics(): readonly MetricSample[];
  /** Health, if it differs from that of a memory store; the service adds the engine's. */
  health(): Partial<CapabilityHealth> | Promise<Partial<CapabilityHealth>>;
  /** Closes connections and timers. Can be called more than once. */
  close(): void | Promise<void>;
}

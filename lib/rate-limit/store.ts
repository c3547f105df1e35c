import type { CapabilityHealth, MetricSample } from '../common/capability.js';
import type { SharedRedis } from '../common/redis/client.js';
import type { BudgetDenialReason, BudgetSpending, BudgetStanding } from './budget/account.js';
import type { ExceededLimit, RateLimit } from './limits.js';

/** A limit and a key. All scopes of a request are decided together: either all take, or none. */
export interface RateLimitScope {
  readonly limit: RateLimit;
  /** Any string. The counters are those of `limit.name` and this key. */
  readonly key: string;
}

/** What is left in one scope after a decision. */
export interface RateLimitStanding {
  /**
   * The tightest limit, of the bucket (its burst) or of a window; `Infinity` without request
   * limits.
   */
  readonly limit: number;
  /** Requests that would be allowed now. `Infinity` where no requests are counted. */
  readonly remainingRequests: number;
  /** Tokens that would be allowed now, under `tokensPerMinute`. */
  readonly remainingTokens?: number;
  /** Until all of the limit is free again, if nothing is taken. */
  readonly resetMs: number;
  /** The same for `tokensPerMinute`. */
  readonly tokensResetMs?: number;
  /** Its budgets, in the order of day, month, window, total. */
  readonly budgets?: readonly BudgetStanding[];
}

/** Why a budget denies, and how it stands. */
export interface BudgetDenial {
  readonly reason: BudgetDenialReason;
  readonly standing: BudgetStanding;
}

/** The decision of a store. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** Index of the scope that denied; of the tightest one when allowed. */
  readonly scope: number;
  /** The limit that denied. */
  readonly exceeded?: ExceededLimit;
  /** Until this very request would be allowed; `Infinity` if it never would. 0 when allowed. */
  readonly retryAfterMs: number;
  /** One per scope, in their order. Empty when the store could not decide. */
  readonly standings: readonly RateLimitStanding[];
  /** The store's clock at the decision, for `settle` and `release`. */
  readonly atMs: number;
  /** The store's own name for what was taken, handed back with `settle` and `release`. */
  readonly lease?: string;
  /** The store's own record of the money that was held, handed back with `settle` and `extend`. */
  readonly hold?: unknown;
  /** Where `exceeded` is `usd`. */
  readonly budget?: BudgetDenial;
  /** The store could not decide: this is the configured answer. */
  readonly outage?: 'deny' | 'allow' | 'local';
}

/** What an allowed `check` took, for `settle` and `release`. */
export interface TakenRateLimit {
  readonly scopes: readonly RateLimitScope[];
  readonly tokens: number;
  readonly more?: readonly MoreTokens[];
  /** `Infinity` where a request is released by its key alone: then any request of the key ends. */
  readonly atMs: number;
  readonly lease?: string;
  /** Nano-USD held, extensions included. */
  readonly nanoUsd?: number;
  readonly hold?: unknown;
  readonly outage?: RateLimitDecision['outage'];
}

/**
 * What a settlement added to budgets; nothing where no money was held. A store may leave out
 * budgets that have crossed no mark of `rateLimit.budgets.alertAt`.
 */
export type Settled = readonly BudgetSpending[] | void;

/** The store could not decide on an extension, and denies it by its configuration. */
export interface ExtensionOutage {
  readonly limitName: string;
  readonly outage: 'deny';
}

/** The denial of an extension, or nothing where the hold was raised. */
export type Extension = (BudgetDenial & { readonly limitName: string }) | ExtensionOutage | undefined;

/** Tokens that were reserved later, for the same request. */
export interface MoreTokens {
  readonly tokens: number;
  /** The store's clock at the instant that they count at. */
  readonly atMs: number;
}

/** Why no more tokens are reserved for a request in flight. */
export interface TokenDenial {
  /** The limit that denies; the first one where the store cannot be asked. */
  readonly limit: RateLimit;
  /** `Infinity` where no time helps. */
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

/** A change of one budget without a decision: by an operator, or by what nothing was held for. */
export interface BudgetChange {
  /** Place of the budget in those of the limit. */
  readonly budget: number;
  /**
   * `spent`: replaces what was spent in the window. `added`: is added to that. `raise`: is added to
   * the limit until the window is over.
   */
  readonly kind: 'spent' | 'added' | 'raise';
  readonly nanoUsd: number;
}

/** A part of the keys that have budgets. */
export interface BudgetKeys {
  /** Keys whose limit is among those asked for. A store may show a hash in the place of a key. */
  readonly keys: readonly { readonly limit: RateLimit; readonly key: string; readonly budgets: readonly BudgetStanding[] }[];
  /** Start of the next page; absent at the end. */
  readonly cursor?: string;
}

/** The settlement of a hold whose process died, by names of its store. */
export interface CrashName {
  readonly limit: string;
  readonly key: string;
  readonly id: string;
}

/** Its amounts and time. */
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
  /** Keys that are held; `undefined` if the store would have to ask a server. */
  readonly keys?: number;
  /** Keys that were evicted before they were idle. */
  readonly evicted?: number;
}

/**
 * Keeps the counters and decides. A store in memory decides synchronously; any other may return
 * promises and reads its own clock. The service has checked the arguments.
 */
export interface RateLimitStore {
  /** `memory`, `redis`. */
  readonly kind: string;
  /** Whether every method returns its result at once, never a promise. */
  readonly synchronous?: boolean;
  /** Whether it keeps budgets. Without that, limits with budgets are refused. */
  readonly keepsBudgets?: boolean;
  /** Whether it settles the holds of a dead process at their expected cost. */
  readonly settlesCrashes?: boolean;
  /**
   * The connection of a store in Redis, for what else processes share.
   * @internal
   */
  readonly redis?: SharedRedis;

  /**
   * Decides on all scopes. If allowed, takes `cost` requests, `tokens` and a slot of each scope,
   * and holds `nanoUsd` (default 0) in each budget; `expectedNanoUsd` of that are spent if this
   * process dies (default: all).
   */
  check(
    scopes: readonly RateLimitScope[],
    cost: number,
    tokens: number,
    nanoUsd?: number,
    expectedNanoUsd?: number,
  ): RateLimitDecision | Promise<RateLimitDecision>;

  /** Returns what `check` would return. Takes nothing. */
  peek(scopes: readonly RateLimitScope[], cost: number, tokens: number, nanoUsd?: number): RateLimitDecision | Promise<RateLimitDecision>;

  /**
   * Replaces the reserved tokens by those used, at the time of the reservation, and the money held
   * by `actualNanoUsd` (default: all of it is spent). Returns what was added to budgets. Called
   * once for tokens; after a provisional call a later one, with the same tokens, corrects the
   * money.
   */
  settle(taken: TakenRateLimit, actualTokens: number, actualNanoUsd?: number, isProvisional?: boolean): Settled | Promise<Settled>;

  /**
   * Raises the hold to `nanoUsd`; if a budget denies that, nothing changes. `expectedNanoUsd`: as
   * in `check`.
   */
  extend?(taken: TakenRateLimit, nanoUsd: number, expectedNanoUsd?: number): Extension | Promise<Extension>;

  /**
   * Reserves more tokens for a request in flight, in all of its scopes that count tokens or in
   * none; takes no request and no slot. They are settled apart, by their own time.
   */
  reserveMore?(taken: TakenRateLimit, tokens: number): MoreTokens | TokenDenial | Promise<MoreTokens | TokenDenial>;

  /** Changes a budget without a decision. */
  changeBudget?(scope: RateLimitScope, change: BudgetChange): void | Promise<void>;

  /** What calls in flight hold in the budgets of a key. */
  holds?(scope: RateLimitScope): HeldMoney | Promise<HeldMoney>;

  /**
   * Keys with budgets, about `count` from `cursor` on.
   * @throws InvalidArgumentError for a cursor that the store has not made.
   */
  budgetKeys?(limits: readonly RateLimit[], count: number, cursor?: string): BudgetKeys | Promise<BudgetKeys>;

  /**
   * Settlements for dead processes, of about `count` keys from `cursor` on.
   * @throws InvalidArgumentError for a cursor that the store did not return.
   */
  crashSettlements?(count: number, cursor?: string): CrashSettlements | Promise<CrashSettlements>;

  /** Corrects one of them, once. Returns the former charge; `undefined` if there is none. */
  refundCrash?(crash: CrashName, nanoUsd: number): number | undefined | Promise<number | undefined>;

  /** Frees the slots under `maxConcurrent`. Called once per reservation. */
  release(taken: TakenRateLimit): void | Promise<void>;

  /** Forgets one key under one limit. */
  reset(scope: RateLimitScope): void | Promise<void>;

  /** How many keys the store holds and has evicted. */
  stats(): RateLimitStoreStats;
  /** Metrics of the store, beside those of the service. */
  metrics(): readonly MetricSample[];
  /** Health, if it differs from that of a memory store; the service adds the engine. */
  health(): Partial<CapabilityHealth> | Promise<Partial<CapabilityHealth>>;
  /** Closes connections and timers. May be called more than once. */
  close(): void | Promise<void>;
}

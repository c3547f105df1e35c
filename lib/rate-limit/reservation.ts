import { InvalidArgumentError } from '../common/errors.js';
import { usdOf } from '../common/nano-usd.js';
import type { BudgetDenialReason } from './budget/account.js';
import { tightestBudget } from './budget/tightest-budget.js';
import { hasBudgets, type ExceededLimit } from './limits.js';
import type { MoreTokens, RateLimitDecision, RateLimitStanding, TakenRateLimit } from './store.js';

/** The result of `check`. */
export interface RateLimitResult {
  readonly allowed: boolean;
  readonly reason: 'ok' | 'rate_limit_exceeded';
  /**
   * The limit that denied or, if allowed, the tightest one; with several scopes, that of `scope`.
   */
  readonly limit: number;
  readonly remainingRequests: number;
  /** Only with `tokensPerMinute`. */
  readonly remainingTokens?: number;
  /**
   * If denied: the time until this request would be allowed if nothing else is charged. Absent if
   * the request alone exceeds the limit, or waits for a `release`.
   */
  readonly retryAfterMs?: number;
  /** Time until the limit is completely free again, if nothing is charged. */
  readonly resetMs: number;
  /** The limit that denied; `usd` for a budget. */
  readonly exceeded?: ExceededLimit;
  /** Why a budget denied. */
  readonly budgetDenial?: BudgetDenialReason;
  /** Remaining USD of the tightest budget of `scope`. Only with budgets. */
  readonly remainingUsd?: number;
  /** Index of the scope that the figures refer to. */
  readonly scope: number;
  /** Set if the store could not decide; this is the configured decision. */
  readonly outage?: RateLimitDecision['outage'];
}

type Asked = Pick<TakenRateLimit, 'scopes' | 'tokens' | 'nanoUsd'>;

/** The reserved amounts, and their state since. */
export interface Taken extends TakenRateLimit {
  nanoUsd: number;
  more: readonly MoreTokens[];
  isSettled: boolean;
  isReleased: boolean;
}

const NONE: readonly MoreTokens[] = [];

/** All tokens that are reserved until a settlement. */
export function reservedTokens({ tokens, more = NONE }: TakenRateLimit): number {
  return more.length === 0 ? tokens : more.reduce((sum, each) => sum + each.tokens, tokens);
}

/** The result of `reserve`, for `settle` or `release` of the same service. */
export class Reservation implements RateLimitResult {
  readonly allowed: boolean;
  readonly reason: RateLimitResult['reason'];
  readonly limit: number;
  readonly remainingRequests: number;
  readonly remainingTokens?: number;
  readonly retryAfterMs?: number;
  readonly resetMs: number;
  readonly exceeded?: ExceededLimit;
  readonly budgetDenial?: BudgetDenialReason;
  readonly remainingUsd?: number;
  readonly scope: number;
  readonly outage?: RateLimitDecision['outage'];

  // A private field, so that no caller can forge a reservation and return the tokens of another
  // one.
  #taken: Taken | undefined = undefined;

  /** @param asked The requested charge; nothing for a peek. */
  constructor(decision: RateLimitDecision, asked?: Asked) {
    const { allowed, exceeded, standings, retryAfterMs, scope, outage, atMs, lease, hold, budget } = decision;
    const { limit = 0, remainingRequests = 0, remainingTokens, resetMs = 0, budgets }: Partial<RateLimitStanding> = standings[scope] ?? {};
    this.allowed = allowed;
    this.reason = allowed ? 'ok' : 'rate_limit_exceeded';
    this.limit = limit;
    this.remainingRequests = remainingRequests;
    this.remainingTokens = remainingTokens;
    this.retryAfterMs = allowed || retryAfterMs === Infinity ? undefined : retryAfterMs;
    this.resetMs = resetMs;
    this.exceeded = exceeded;
    // Always set, so that reservations with and without a budget have the same shape.
    this.budgetDenial = budget?.reason;
    this.remainingUsd = budgets === undefined ? undefined : usdOf(tightestBudget(budgets).leftNanoUsd);
    this.scope = scope;
    this.outage = outage;
    if (!allowed || asked === undefined) return;
    const { scopes, tokens, nanoUsd = 0 } = asked;
    // Fields are listed, because a spread takes 3 us.
    this.#taken = { scopes, tokens, atMs, lease, hold, nanoUsd, more: NONE, outage, isSettled: false, isReleased: false };
  }

  /** @throws InvalidArgumentError for anything but an original result of `check` or `reserve`. */
  static checked(path: string, value: unknown): Reservation {
    if (typeof value === 'object' && value !== null && #taken in value) return value;
    throw new InvalidArgumentError(path, value, 'must be the Reservation returned by check() or reserve(), not a copy');
  }

  /** Tokens that are reserved until it is settled; 0 for a denial. */
  static tokensOf(reservation: Reservation): number {
    return reservation.#taken === undefined ? 0 : reservedTokens(reservation.#taken);
  }

  /** Nano-USD that are held until it is settled; 0 for a denial. */
  static nanoUsdOf(reservation: Reservation): number {
    return reservation.#taken?.nanoUsd ?? 0;
  }

  /** Whether money is held in a budget. */
  static holdsMoney(reservation: Reservation): boolean {
    return reservation.#taken !== undefined && hasBudgets(reservation.#taken.scopes);
  }

  /** Returns the charged scopes; none for a denial. */
  static scopesOf(reservation: Reservation): TakenRateLimit['scopes'] {
    return reservation.#taken?.scopes ?? [];
  }

  /** Returns the charge; `undefined` for a denial and a peek. */
  static takenBy(reservation: Reservation): Taken | undefined {
    return reservation.#taken;
  }
}

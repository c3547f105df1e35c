import { usdOf } from '../../common/nano-usd.js';
import type { BudgetStanding } from '../budget/account.js';
import type { RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding, RateLimitStore } from '../store.js';

/** A key near its limit. */
export interface NearLimit {
  /** The limit's name. */
  readonly limit: string;
  /** The key itself: hash it before showing it. */
  readonly key: string;
  /** Unit of the tightest of its limits. */
  readonly unit: 'requests' | 'tokens';
  readonly total: number;
  /** Allowed right now. */
  readonly remaining: number;
  /** Until all of the limit is free, without further requests. */
  readonly resetMs: number;
}

/** A key near a budget. Amounts in USD. */
export interface NearBudget {
  /** The limit's name. */
  readonly limit: string;
  /** The key itself: hash it before showing it. */
  readonly key: string;
  readonly period: BudgetStanding['period'];
  readonly limitUsd: number;
  readonly spentUsd: number;
  /** Reserved by calls in flight. */
  readonly heldUsd: number;
  /** Time until the window ends; `Infinity` if it never does. */
  readonly resetMs: number;
}

/** Keys with a larger share of their limit left are not remembered. */
const NEAR_SHARE = 0.9;
const MAX_WATCHED = 128;
const NO_BUDGETS: readonly BudgetStanding[] = [];

/**
 * Remembers the keys that came near their limits, because limiters keep only hashes of keys. Of a
 * request with several scopes the tightest counts.
 */
export class LimitWatch {
  /** By limit and key, the least recent first. */
  private readonly seen = new Map<string, RateLimitScope>();
  /** The same for budgets: these stay for a month where other limits have recovered. */
  private readonly spending = new Map<string, RateLimitScope>();

  constructor(private readonly store: RateLimitStore) {}

  /** Called for every decision. */
  saw(scopes: readonly RateLimitScope[], { allowed, scope, standings }: RateLimitDecision): void {
    // An app's store can name a scope without a standing.
    const standing = standings[scope] as RateLimitStanding | undefined;
    if (standing === undefined) return;
    for (let at = 0; at < standings.length; at++) {
      for (const { limitNanoUsd, spentNanoUsd, heldNanoUsd } of standings[at].budgets ?? NO_BUDGETS)
        if (limitNanoUsd - spentNanoUsd - heldNanoUsd <= NEAR_SHARE * limitNanoUsd) remember(this.spending, scopes[at]);
    }
    const { limit, remainingRequests, remainingTokens = Infinity } = standing;
    const { tokensPerMinute = Infinity } = scopes[scope].limit;
    const isNear =
      (limit !== Infinity && remainingRequests <= NEAR_SHARE * limit) ||
      (tokensPerMinute !== Infinity && remainingTokens <= NEAR_SHARE * tokensPerMinute);
    if (isNear || !allowed) remember(this.seen, scopes[scope]);
  }

  /**
   * Their current state, the nearest first. Takes nothing, and forgets keys that have recovered.
   */
  async nearest(count: number): Promise<readonly NearLimit[]> {
    const stands = await Promise.all([...this.seen].map(([name, scope]) => this.standingOf(name, scope)));
    return stands
      .filter((stand) => stand !== null)
      .sort((a, b) => a.remaining / a.total - b.remaining / b.total)
      .slice(0, count);
  }

  /** The state of the budgets, by the smallest share that is left. */
  async nearestBudgets(count: number): Promise<readonly NearBudget[]> {
    const near = await Promise.all([...this.spending].map(([name, scope]) => this.budgetsOf(name, scope)));
    const shareLeft = ({ limitUsd, spentUsd, heldUsd }: NearBudget): number => (limitUsd - spentUsd - heldUsd) / limitUsd;
    return near
      .flat()
      .sort((a, b) => shareLeft(a) - shareLeft(b))
      .slice(0, count);
  }

  private async budgetsOf(name: string, scope: RateLimitScope): Promise<readonly NearBudget[]> {
    const { standings, atMs } = await this.store.peek([scope], 0, 0);
    // Empty while the store is unavailable.
    if (standings.length === 0) return [];
    const near = (standings[0].budgets ?? []).filter(
      ({ limitNanoUsd, spentNanoUsd, heldNanoUsd }) => shareOf(limitNanoUsd - spentNanoUsd - heldNanoUsd, limitNanoUsd) < 1,
    );
    if (near.length === 0) this.spending.delete(name);
    return near.map((budget) => ({
      limit: scope.limit.name,
      key: scope.key,
      period: budget.period,
      limitUsd: usdOf(budget.limitNanoUsd),
      spentUsd: usdOf(budget.spentNanoUsd),
      heldUsd: usdOf(budget.heldNanoUsd),
      resetMs: Math.max(0, budget.resetsAtMs - atMs),
    }));
  }

  private async standingOf(name: string, scope: RateLimitScope): Promise<NearLimit | null> {
    const { standings } = await this.store.peek([scope], 0, 0);
    // Empty while the store is unavailable.
    if (standings.length === 0) return null;
    const [standing] = standings;
    const { share, ...near } = tightest(scope.limit, standing);
    if (share < 1) return { limit: scope.limit.name, key: scope.key, ...near };
    this.seen.delete(name);
    return null;
  }
}

function remember(seen: Map<string, RateLimitScope>, scope: RateLimitScope): void {
  const name = `${scope.limit.name}\n${scope.key}`;
  seen.delete(name);
  seen.set(name, scope);
  if (seen.size > MAX_WATCHED) seen.delete(seen.keys().next().value as string);
}

function tightest(
  { tokensPerMinute }: RateLimit,
  standing: RateLimitDecision['standings'][number],
): { readonly share: number } & Omit<NearLimit, 'limit' | 'key'> {
  const { limit, remainingRequests, remainingTokens, resetMs, tokensResetMs } = standing;
  const requests = shareOf(remainingRequests, limit);
  const tokens = tokensPerMinute === undefined || remainingTokens === undefined ? 1 : shareOf(remainingTokens, tokensPerMinute);
  if (tokens < requests) {
    return {
      share: tokens,
      unit: 'tokens',
      total: tokensPerMinute as number,
      remaining: remainingTokens as number,
      resetMs: tokensResetMs ?? 0,
    };
  }
  return { share: requests, unit: 'requests', total: limit, remaining: remainingRequests, resetMs };
}

/** A limit of 0 is exhausted, a missing one never. */
function shareOf(remaining: number, total: number): number {
  if (total === Infinity) return 1;
  return total === 0 ? 0 : remaining / total;
}

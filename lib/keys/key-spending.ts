import { InvalidArgumentError, NO_VALUE } from '../common/errors.js';
import { LARGEST_USD } from '../common/nano-usd.js';
import { shownBudget } from '../rate-limit/budget/standings.js';
import type { RateLimit, RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { KEY_LIMIT_NAME, type ApiKeyRecord } from './api-key-record.js';

/** The account of a key that no budget limits: the same as that of `usdTotal`. */
const ALL: RateLimits = { usdTotal: LARGEST_USD };

type SpendingKey = Pick<ApiKeyRecord, 'publicId' | 'limits'>;

/** Whether a budget is among limits. */
function limitsMoney(limits: RateLimits | undefined): boolean {
  const { usdPerDay, usdPerMonth, usdPerWindow, usdTotal } = limits ?? {};
  return (usdPerDay ?? usdPerMonth ?? usdPerWindow ?? usdTotal) !== undefined;
}

const PERIODS = { usdPerDay: 'day', usdPerMonth: 'month', usdPerWindow: 'window', usdTotal: 'total' } as const;

/** The spend of keys in the limiter's store: in their budgets or, without budgets, in total. */
export class KeySpending {
  /** Requests whose cost the store did not take. */
  lost = 0;
  private limit: RateLimit | undefined = undefined;

  constructor(private readonly limiter: RateLimiterService) {}

  /** The budgets of a key, as they stand; none where it has none. */
  async budgetsOf({ publicId, limits }: SpendingKey): Promise<readonly BudgetReport[]> {
    return limits === undefined ? [] : this.limiter.getBudgetsAsync(limitKeyOf(publicId), { limit: KEY_LIMIT_NAME, limits });
  }

  /** `undefined` where the limiter's store keeps no budgets, or is away. */
  async shown({ publicId, limits }: SpendingKey): Promise<BudgetReport | undefined> {
    const counted = limitsMoney(limits) ? limits : this.limiter.keepsBudgets ? ALL : undefined;
    return shownBudget(await this.budgetsOf({ publicId, limits: counted }));
  }

  /** Whether `add` has to count the calls of a key: no budget does. */
  counts(limits: RateLimits | undefined): boolean {
    return this.limiter.keepsBudgets && !limitsMoney(limits);
  }

  /** Adds the cost of a request. What the store does not take is lost: no limit depends on it. */
  add(publicId: string, nanoUsd: number): void {
    this.limit ??= this.limiter.limitOf({ limit: KEY_LIMIT_NAME, limits: ALL });
    const added = this.limiter.addSpent({ limit: this.limit, key: limitKeyOf(publicId) }, nanoUsd);
    if (added instanceof Promise) added.catch(() => this.lost++);
  }

  /** Replaces what was spent in the current window of each budget or, without any, in all. */
  async set(record: SpendingKey, usd: number): Promise<void> {
    if (!this.limiter.keepsBudgets) throw new InvalidArgumentError('key', NO_VALUE, 'has no spend: the rate limiter has no budgets');
    const limits = limitsMoney(record.limits) ? record.limits : ALL;
    // By the options: a store that is away shows no budgets, and has to be heard.
    for (const option of Object.keys(PERIODS) as (keyof typeof PERIODS)[])
      if (limits?.[option] !== undefined) await this.setOne(record.publicId, usd, limits, PERIODS[option]);
  }

  /**
   * Keeps what is shown where a budget gets no window any more, as LiteLLM does. A budget that gets
   * a window starts at 0 in it.
   */
  async carry(before: SpendingKey, after: SpendingKey): Promise<void> {
    if (endless(before.limits) || !endless(after.limits)) return;
    const shown = await this.shown(before);
    if (shown !== undefined) await this.setOne(before.publicId, shown.spentUsd, after.limits, 'total');
  }

  /** A new key has spent nothing, which `onDataLoss: 'refuse'` would not know after a loss. */
  begin({ publicId, limits }: SpendingKey): void {
    if (limits?.usdTotal !== undefined) this.add(publicId, 0);
  }

  /** Forgets a key that is removed: no time would. */
  async forget({ publicId, limits }: SpendingKey): Promise<void> {
    if (!this.limiter.keepsBudgets) return;
    for (const each of [ALL, ...(limits === undefined ? [] : [limits])])
      await this.limiter.resetAsync(limitKeyOf(publicId), { limit: KEY_LIMIT_NAME, limits: each });
  }

  private setOne(publicId: string, usd: number, limits: RateLimits | undefined, period: BudgetReport['period']): Promise<void> {
    const choice = { limit: KEY_LIMIT_NAME, limits: limitsMoney(limits) ? limits : ALL, period };
    return this.limiter.setSpent(limitKeyOf(publicId), usd, choice);
  }
}

/** Whether a key's spending is counted in all. */
function endless(limits: RateLimits | undefined): boolean {
  return limits?.usdTotal !== undefined || !limitsMoney(limits);
}

/** As in `Principal.limitKey`. */
function limitKeyOf(publicId: string): string {
  return `key:${publicId}`;
}

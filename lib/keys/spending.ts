import { InvalidArgumentError, NO_VALUE } from '../common/errors.js';
import { LARGEST_USD } from '../common/nano-usd.js';
import { shownBudget } from '../rate-limit/budget/tightest-budget.js';
import type { RateLimit, RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { KEY_LIMIT_NAME } from './api-key-record.js';

/** The account of one that no budget limits: the same as that of `usdTotal`. */
const ALL: RateLimits = { usdTotal: LARGEST_USD };

/** Whose spending it is: an id, and the limits that count it. */
export interface SpendingAccount {
  readonly id: string;
  readonly limits?: RateLimits;
}

/** Where the spending of a kind of accounts is counted. */
export interface AccountKind {
  /** Name of their limits. */
  readonly name: string;
  /** Of the key that an account counts under; its id follows. */
  readonly prefix: string;
}

/** As in `Principal.limitKey`. */
export const KEY_ACCOUNTS: AccountKind = { name: KEY_LIMIT_NAME, prefix: 'key:' };

/** Whether a budget is among limits. */
function limitsMoney(limits: RateLimits | undefined): boolean {
  const { usdPerDay, usdPerMonth, usdPerWindow, usdTotal } = limits ?? {};
  return (usdPerDay ?? usdPerMonth ?? usdPerWindow ?? usdTotal) !== undefined;
}

/** The limits that spend is counted under: those with a budget, else an account of all. */
export function spendLimitsOf(limits: RateLimits | undefined): RateLimits {
  return limits !== undefined && limitsMoney(limits) ? limits : ALL;
}

const PERIODS = { usdPerDay: 'day', usdPerMonth: 'month', usdPerWindow: 'window', usdTotal: 'total' } as const;

/** Spend in the limiter's store: in the budgets of an account or, without budgets, in total. */
export class Spending {
  /** Requests whose cost the store did not take. */
  lost = 0;
  /** Of accounts without a budget, by the name of their limits. */
  private readonly unlimited = new Map<string, RateLimit>();
  /** Budgets that count and deny nothing. */
  private readonly counted = new WeakMap<RateLimits, RateLimit>();

  constructor(
    private readonly limiter: RateLimiterService,
    private readonly kind: AccountKind = KEY_ACCOUNTS,
  ) {}

  /** The budgets of an account, as they stand; none if it has none. */
  async budgetsOf({ id, limits }: SpendingAccount): Promise<readonly BudgetReport[]> {
    return limits === undefined ? [] : this.limiter.getBudgetsAsync(this.keyOf(id), { limit: this.kind.name, limits });
  }

  /** `undefined` if the limiter's store has no budgets or is unavailable. */
  async shown({ id, limits }: SpendingAccount): Promise<BudgetReport | undefined> {
    const counted = limitsMoney(limits) ? limits : this.limiter.keepsBudgets ? ALL : undefined;
    return shownBudget(await this.budgetsOf({ id, limits: counted }));
  }

  /** Whether `add` has to count the calls of an account: no budget does. */
  counts(limits: RateLimits | undefined): boolean {
    return this.limiter.keepsBudgets && !limitsMoney(limits);
  }

  /**
   * Adds the cost of a request. If the store fails, the cost is lost, because no limit depends on
   * it.
   */
  add(id: string, nanoUsd: number): void {
    this.addUnder(this.kind.name, this.keyOf(id), nanoUsd);
  }

  /**
   * Adds to the spend of a key of any limits.
   * @param limits budgets to add to; default: spend in total
   */
  addUnder(name: string, key: string, nanoUsd: number, limits?: RateLimits): void {
    const limit = limits === undefined ? this.unlimitedOf(name) : this.countedOf(name, limits);
    const added = this.limiter.addSpent({ limit, key }, nanoUsd);
    if (added instanceof Promise) added.catch(() => this.lost++);
  }

  /** Sets the spend in the current window of each budget or, without any, in total. */
  async set(account: SpendingAccount, usd: number): Promise<void> {
    if (!this.limiter.keepsBudgets)
      throw new InvalidArgumentError('key', NO_VALUE, 'has no spend, because the rate limiter has no budgets');
    const limits = spendLimitsOf(account.limits);
    // Decided by the options, because an unavailable store cannot report whether it has budgets.
    for (const option of Object.keys(PERIODS) as (keyof typeof PERIODS)[])
      if (limits[option] !== undefined) await this.setOne(account.id, usd, limits, PERIODS[option]);
  }

  /**
   * Keeps the shown spend if a budget loses its window, as LiteLLM does. A budget that gets a
   * window starts at 0.
   */
  async carry(before: SpendingAccount, after: SpendingAccount): Promise<void> {
    if (endless(before.limits) || !endless(after.limits)) return;
    const shown = await this.shown(before);
    if (shown !== undefined) await this.setOne(before.id, shown.spentUsd, after.limits, 'total');
  }

  /**
   * Records that a new account has spent nothing, which `onDataLoss: 'refuse'` could not know after
   * a loss.
   */
  begin({ id, limits }: SpendingAccount): void {
    if (limits?.usdTotal !== undefined) this.add(id, 0);
  }

  /** Forgets an account that is removed: no time would. */
  async forget({ id, limits }: SpendingAccount): Promise<void> {
    if (!this.limiter.keepsBudgets) return;
    for (const each of [ALL, ...(limits === undefined ? [] : [limits])])
      await this.limiter.resetAsync(this.keyOf(id), { limit: this.kind.name, limits: each });
  }

  private unlimitedOf(name: string): RateLimit {
    let limit = this.unlimited.get(name);
    if (limit === undefined) this.unlimited.set(name, (limit = this.limiter.limitOf({ limit: name, limits: ALL })));
    return limit;
  }

  private countedOf(name: string, limits: RateLimits): RateLimit {
    let limit = this.counted.get(limits);
    if (limit === undefined) this.counted.set(limits, (limit = this.limiter.limitOf({ limit: name, limits })));
    return limit;
  }

  private keyOf(id: string): string {
    return `${this.kind.prefix}${id}`;
  }

  private setOne(id: string, usd: number, limits: RateLimits | undefined, period: BudgetReport['period']): Promise<void> {
    const choice = { limit: this.kind.name, limits: spendLimitsOf(limits), period };
    return this.limiter.setSpent(this.keyOf(id), usd, choice);
  }
}

/** The limits that count an account's money: its own or, without a budget, one for all of it. */
export function countingLimits(limits: RateLimits | undefined): RateLimits {
  return limits !== undefined && limitsMoney(limits) ? limits : ALL;
}

/** Whether spending is counted in total. */
function endless(limits: RateLimits | undefined): boolean {
  return limits?.usdTotal !== undefined || !limitsMoney(limits);
}

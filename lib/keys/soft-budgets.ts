import { usdOf } from '../common/nano-usd.js';
import { shownBudget } from '../rate-limit/budget/tightest-budget.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetReport, RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { countingLimits } from './spending.js';

/** Whose spending is reported when it reaches an amount. */
export interface SoftAccount {
  /** Name of the limits, and the key that counts under them. */
  readonly name: string;
  readonly key: string;
  readonly limits: RateLimits | undefined;
  readonly softBudgetUsd: number;
}

/** Requests that end within this time are looked at together. */
const LOOK_MS = 500;
const MOST_ACCOUNTS = 10_000;

interface Watched {
  /** Spent since the last look. */
  nanoUsd: number;
  timer: NodeJS.Timeout | undefined;
  last: BudgetReport | undefined;
}

/**
 * Reports soft budgets: amounts that deny nothing. Each process reports an account once in a window
 * of its budget.
 */
export class SoftBudgets {
  private readonly accounts = new Map<string, Watched>();

  constructor(private readonly limiter: RateLimiterService) {}

  /** A request has cost something, which the limiter counts at the same time. */
  spent(account: SoftAccount, nanoUsd: number): void {
    const id = `${account.name} ${account.key}`;
    let watched = this.accounts.get(id);
    if (watched === undefined) {
      if (this.accounts.size >= MOST_ACCOUNTS) this.accounts.clear();
      this.accounts.set(id, (watched = { nanoUsd: 0, timer: undefined, last: undefined }));
    }
    const { timer } = watched;
    watched.nanoUsd += nanoUsd;
    if (timer !== undefined) return;
    watched.timer = setTimeout(() => void this.look(account, watched).catch(() => {}), LOOK_MS).unref();
  }

  private async look({ name, key, limits, softBudgetUsd }: SoftAccount, watched: Watched): Promise<void> {
    const own = usdOf(watched.nanoUsd);
    watched.timer = undefined;
    watched.nanoUsd = 0;
    const now = shownBudget(await this.limiter.getBudgetsAsync(key, { limit: name, limits: countingLimits(limits) }));
    if (now === undefined) return;
    const { last } = watched;
    watched.last = now;
    const isSameWindow = last !== undefined && last.resetsAt?.getTime() === now.resetsAt?.getTime();
    const before = isSameWindow ? last.spentUsd : now.spentUsd - own;
    if (before >= softBudgetUsd || now.spentUsd < softBudgetUsd) return;
    const { period, spentUsd, heldUsd, resetsAt } = now;
    this.limiter.reportSoftBudget({
      limit: name,
      key,
      period,
      mark: 1,
      isSoft: true,
      limitUsd: softBudgetUsd,
      spentUsd,
      heldUsd,
      resetsAt,
    });
  }
}

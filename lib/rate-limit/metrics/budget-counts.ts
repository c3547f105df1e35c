import { samplesOf, type MetricSample } from '../../common/capability.js';
import { dateOf, usdOf } from '../../common/nano-usd.js';
import { crosses } from '../budget/alert-marks.js';
import type { BudgetSpending, BudgetStanding } from '../budget/account.js';
import type { BudgetAlert, ResolvedBudgetSettings } from '../budget/budget-settings.js';

/** Counts what settlements add to budgets, and reports the marks that they cross. */
export class BudgetCounts {
  private overshootNanoUsd = 0;
  private readonly alerts = new Map<number, number>();
  private readonly listeners: ((alert: BudgetAlert) => void)[] = [];

  constructor(private readonly settings: ResolvedBudgetSettings) {}

  /** @param excessNanoUsd Cost of the call above its hold. */
  settled(spendings: readonly BudgetSpending[], excessNanoUsd: number): void {
    if (excessNanoUsd > 0) this.overshootNanoUsd += excessNanoUsd;
    for (const spending of spendings) this.alert(spending);
  }

  /** Calls `listener` for each mark that a budget crosses. */
  whenCrossed(listener: (alert: BudgetAlert) => void): void {
    this.listeners.push(listener);
  }

  /** Passes an alert to the app and to the listeners. */
  report(alert: BudgetAlert): void {
    this.settings.onAlert?.(alert);
    for (const listener of this.listeners) listener(alert);
  }

  samples(): MetricSample[] {
    const sample = samplesOf('rate_limit_budget');
    return [
      sample('overshoot_usd_total', 'Cost of calls above the amount held for them, in USD.', 'counter', usdOf(this.overshootNanoUsd)),
      ...this.settings.alertAt.map((mark) =>
        sample('alerts_total', 'Budgets that have crossed this share of their amount.', 'counter', this.alerts.get(mark) ?? 0, {
          mark: String(mark),
        }),
      ),
    ];
  }

  private alert({ limitName, key, beforeNanoUsd, standing }: BudgetSpending): void {
    const { limitNanoUsd, spentNanoUsd } = standing;
    for (const mark of this.settings.alertAt) {
      if (!crosses(mark, { beforeNanoUsd, spentNanoUsd, limitNanoUsd })) continue;
      this.alerts.set(mark, (this.alerts.get(mark) ?? 0) + 1);
      const alert = { limit: limitName, key, mark, ...shownStanding(standing) };
      this.report(alert);
    }
  }
}

/** A standing in USD. */
export function shownStanding(standing: BudgetStanding): Omit<BudgetAlert, 'limit' | 'key' | 'mark'> & { readonly totalUsd: number } {
  return {
    period: standing.period,
    limitUsd: usdOf(standing.limitNanoUsd),
    spentUsd: usdOf(standing.spentNanoUsd),
    heldUsd: usdOf(standing.heldNanoUsd),
    totalUsd: usdOf(standing.totalNanoUsd),
    resetsAt: dateOf(standing.resetsAtMs),
  };
}

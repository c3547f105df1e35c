import type { BudgetLimit } from './budget-limits.js';
import type { BudgetStanding } from './account.js';

/** A budget and its remainder after spend and holds. */
export interface TightestBudget {
  readonly standing: BudgetStanding;
  readonly leftNanoUsd: number;
}

/** The budget with the least left. @param standings One at least. */
export function tightestBudget(standings: readonly BudgetStanding[]): TightestBudget {
  let tightest = standings[0];
  let least = Infinity;
  for (const standing of standings) {
    const left = Math.max(0, standing.limitNanoUsd - standing.spentNanoUsd - standing.heldNanoUsd);
    if (left >= least) continue;
    tightest = standing;
    least = left;
  }
  return { standing: tightest, leftNanoUsd: least };
}

/** In order of preference. LiteLLM's `max_budget` is one of the first two. */
const SHOWN = ['window', 'total', 'month', 'day'] as const satisfies readonly BudgetLimit['period'][];

/** Selects, among the budgets of a key, the one whose spending is shown as the key's. */
export function shownBudget<B extends Pick<BudgetLimit, 'period'>>(budgets: readonly B[]): B | undefined {
  for (const period of SHOWN) for (const budget of budgets) if (budget.period === period) return budget;
  return undefined;
}

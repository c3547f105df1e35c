import type { BudgetLimit } from './budget-limits.js';

/** In order of preference. LiteLLM's `max_budget` is one of the first two. */
const SHOWN = ['window', 'total', 'month', 'day'] as const satisfies readonly BudgetLimit['period'][];

/** Selects, among the budgets of a key, the one whose spending is shown as the key's. */
export function shownBudget<B extends Pick<BudgetLimit, 'period'>>(budgets: readonly B[]): B | undefined {
  for (const period of SHOWN) {
    const budget = budgets.find((each) => each.period === period);
    if (budget !== undefined) return budget;
  }
  return undefined;
}

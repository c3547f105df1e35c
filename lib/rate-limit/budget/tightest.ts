import type { BudgetStanding } from './account.js';

/** A budget, and what it has left beside what was spent and is held. */
export interface TightestBudget {
  readonly standing: BudgetStanding;
  readonly leftNanoUsd: number;
}

/** What the budget with the least left has. @param standings One at least. */
export function leastLeft(standings: readonly BudgetStanding[]): number {
  let least = leftIn(standings[0]);
  for (let i = 1; i < standings.length; i++) least = Math.min(least, leftIn(standings[i]));
  return least;
}

/** The budget with the least left. @param standings One at least. */
export function tightestBudget(standings: readonly BudgetStanding[]): TightestBudget {
  let tightest = standings[0];
  for (let i = 1; i < standings.length; i++) if (leftIn(standings[i]) < leftIn(tightest)) tightest = standings[i];
  return { standing: tightest, leftNanoUsd: leftIn(tightest) };
}

function leftIn({ limitNanoUsd, spentNanoUsd, heldNanoUsd }: BudgetStanding): number {
  return Math.max(0, limitNanoUsd - spentNanoUsd - heldNanoUsd);
}

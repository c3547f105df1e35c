import type { BudgetStanding } from './account.js';

/** A budget, and what it has left beside what was spent and is held. */
export interface TightestBudget {
  readonly standing: BudgetStanding;
  readonly leftNanoUsd: number;
}

/** The budget with the least left. @param standings One at least. */
export function tightestBudget(standings: readonly BudgetStanding[]): TightestBudget {
  const left = (standing: BudgetStanding): number => Math.max(0, standing.limitNanoUsd - standing.spentNanoUsd - standing.heldNanoUsd);
  const standing = standings.reduce((least, each) => (left(each) < left(least) ? each : least));
  return { standing, leftNanoUsd: left(standing) };
}

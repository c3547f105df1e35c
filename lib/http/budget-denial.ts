import type { BudgetRefusal } from '../common/http-errors.js';
import { dateOf, usdOf } from '../common/nano-usd.js';
import type { BudgetDenial } from '../rate-limit/store.js';

/** When to ask again for money that calls in flight hold: some of them end every second. */
export const HELD_RETRY_MS = 1_000;

/**
 * Converts a store's denial into the client's error.
 * @param estimatedNanoUsd the maximum cost of the request
 * @param heldRetryMs when to retry if money is held
 */
export function budgetRefusal(
  limitName: string,
  { reason, standing }: BudgetDenial,
  estimatedNanoUsd = 0,
  heldRetryMs = HELD_RETRY_MS,
): BudgetRefusal {
  return {
    limitName,
    reason,
    period: standing.period,
    limitUsd: usdOf(standing.limitNanoUsd),
    spentUsd: usdOf(standing.spentNanoUsd),
    heldUsd: usdOf(standing.heldNanoUsd),
    // Without a known price, almost nothing is held.
    estimatedUsd: estimatedNanoUsd > 1 ? usdOf(estimatedNanoUsd) : undefined,
    resetsAt: dateOf(standing.resetsAtMs),
    retryAfterMs: reason === 'budget_held' ? heldRetryMs : undefined,
  };
}

import type { BudgetRefusal } from '../common/http-errors.js';
import { dateOf, usdOf } from '../common/nano-usd.js';
import type { BudgetDenial } from '../rate-limit/store.js';

/** When to ask again for money that calls in flight hold: some of them end every second. */
export const HELD_RETRY_MS = 1_000;

/**
 * A store's denial as the client is told of it.
 * @param estimatedNanoUsd the most that the request may cost
 * @param heldRetryMs when to ask again for money that is held
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

import type { BudgetDenialReason } from '../rate-limit/budget/account.js';
import { HELD_RETRY_MS } from './budget-denial.js';
import type { Headers } from './response-headers.js';

/**
 * `Retry-After` if calls in flight hold the money, otherwise `x-should-retry: false`: the SDKs of
 * OpenAI and Anthropic retry any other 429.
 */
export function budgetDenialHeaders({
  reason,
  retryAfterMs = HELD_RETRY_MS,
}: {
  readonly reason: BudgetDenialReason;
  readonly retryAfterMs?: number;
}): Headers {
  return reason === 'budget_held' ? retryAfterHeaders(retryAfterMs) : { 'x-should-retry': 'false' };
}

/** `Retry-After` (seconds), and `retry-after-ms`, which OpenAI's clients read first. */
export function retryAfterHeaders(retryAfterMs: number): Headers {
  return {
    'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
    'retry-after-ms': String(Math.max(1, Math.ceil(retryAfterMs))),
  };
}

import { usdText } from '../../common/nano-usd.js';
import type { BudgetDenialReason, BudgetStanding } from '../../rate-limit/budget/account.js';
import { shownBudget } from '../../rate-limit/budget/shown-budget.js';
import { tightestBudget } from '../../rate-limit/budget/tightest.js';
import type { RateLimitDecision, RateLimitStanding } from '../../rate-limit/store.js';
import { HELD_RETRY_MS } from '../budget-refusal.js';
import type { LimitQuotas, Quota } from './quotas.js';

/** Express's response, Node's own, or Fastify's reply. */
export interface HeaderTarget {
  readonly headersSent?: boolean;
  setHeader?(name: string, value: string): unknown;
  header?(name: string, value: string): unknown;
}

/**
 * Sets `RateLimit-Policy` and `RateLimit` (IETF draft 10), and OpenAI's
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: of several limits those of the tightest.
 */
export function setRateLimitHeaders(target: HeaderTarget, { limits, policyHeader }: LimitQuotas, decision: RateLimitDecision): void {
  // A time-out, or a stream that several GraphQL fields write to, may have begun the answer.
  if (target.headersSent === true) return;
  if (policyHeader !== '') setHeader(target, 'ratelimit-policy', policyHeader);
  const { standings } = decision;
  const items: string[] = [];
  let requests: number | undefined;
  let tokens: number | undefined;
  for (let i = 0; i < standings.length; i++) {
    const { remainingRequests, remainingTokens, resetMs } = standings[i];
    if (remainingRequests !== Infinity) {
      // RateLimit must not tell a client to come back sooner than Retry-After does.
      const waitMs = !decision.allowed && decision.scope === i ? decision.retryAfterMs : resetMs;
      items.push(`"${quotaOf(limits[i].quotas, standings[i]).name}";r=${remainingRequests}${untilReset(waitMs)}`);
      if (requests === undefined || remainingRequests < standings[requests].remainingRequests) requests = i;
    }
    if (
      remainingTokens !== undefined &&
      remainingTokens < (tokens === undefined ? Infinity : (standings[tokens].remainingTokens as number))
    )
      tokens = i;
  }
  if (items.length > 0) setHeader(target, 'ratelimit', items.join(', '));
  if (requests !== undefined) {
    const { remainingRequests, resetMs } = standings[requests];
    setHeader(target, 'x-ratelimit-limit-requests', String(quotaOf(limits[requests].quotas, standings[requests]).quota));
    setHeader(target, 'x-ratelimit-remaining-requests', String(remainingRequests));
    if (resetMs !== Infinity) setHeader(target, 'x-ratelimit-reset-requests', duration(resetMs));
  }
  if (tokens !== undefined) {
    const { remainingTokens, tokensResetMs = 0 } = standings[tokens];
    setHeader(target, 'x-ratelimit-limit-tokens', String(limits[tokens].limit.tokensPerMinute));
    setHeader(target, 'x-ratelimit-remaining-tokens', String(remainingTokens));
    setHeader(target, 'x-ratelimit-reset-tokens', duration(tokensResetMs));
  }
  const budgets = standings.flatMap((standing) => standing.budgets ?? []);
  if (budgets.length > 0) setBudgetHeaders(target, budgets, decision.atMs);
  const spent = keySpending(limits, standings);
  if (spent !== undefined) setHeader(target, 'x-litellm-key-spend', usdText(spent));
}

/** Nano-USD that the key has spent, by its own limits if it has any, which are the last ones. */
function keySpending(limits: LimitQuotas['limits'], standings: readonly RateLimitStanding[]): number | undefined {
  for (let i = standings.length - 1; i >= 0; i--) {
    const { budgets } = standings[i];
    if (budgets !== undefined && limits[i].isOfKey) return shownBudget(budgets)?.spentNanoUsd;
  }
  return undefined;
}

/** Sets `x-ratelimit-{limit,remaining,reset}-usd` of the tightest budget. */
function setBudgetHeaders(target: HeaderTarget, standings: readonly BudgetStanding[], atMs: number): void {
  const { standing, leftNanoUsd } = tightestBudget(standings);
  setHeader(target, 'x-ratelimit-limit-usd', usdText(standing.limitNanoUsd));
  setHeader(target, 'x-ratelimit-remaining-usd', usdText(leftNanoUsd));
  if (standing.resetsAtMs !== Infinity) setHeader(target, 'x-ratelimit-reset-usd', duration(Math.max(0, standing.resetsAtMs - atMs)));
}

/**
 * Sets `Retry-After` where calls in flight hold the money, otherwise `x-should-retry: false`: the
 * SDKs of OpenAI and Anthropic retry any other 429.
 */
export function setBudgetDenial(
  target: HeaderTarget,
  { reason, retryAfterMs = HELD_RETRY_MS }: { readonly reason: BudgetDenialReason; readonly retryAfterMs?: number },
): void {
  if (target.headersSent === true) return;
  if (reason === 'budget_held') setRetryAfter(target, retryAfterMs);
  else setHeader(target, 'x-should-retry', 'false');
}

/** Sets `Retry-After` (seconds), and `retry-after-ms`, which OpenAI's clients read first. */
export function setRetryAfter(target: HeaderTarget, retryAfterMs: number): void {
  if (target.headersSent === true) return;
  setHeader(target, 'retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  setHeader(target, 'retry-after-ms', String(Math.max(1, Math.ceil(retryAfterMs))));
}

/** `t` of `RateLimit`; absent where no time ends the wait. */
function untilReset(ms: number): string {
  return ms === Infinity ? '' : `;t=${Math.ceil(ms / 1000)}`;
}

/** The quota of a standing; the first for a denial by tokens or concurrency. */
function quotaOf(quotas: readonly Quota[], { limit }: RateLimitStanding): Quota {
  return quotas.length === 1 ? quotas[0] : (quotas.find(({ quota }) => quota === limit) ?? quotas[0]);
}

/** A duration as OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h0m0s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}

/** Names are in lower case: Node would convert others for every answer. */
function setHeader(target: HeaderTarget, name: string, value: string): void {
  if (target.setHeader !== undefined) target.setHeader(name, value);
  else target.header?.(name, value);
}

import { usdText } from '../../common/nano-usd.js';
import type { BudgetStanding } from '../../rate-limit/budget/account.js';
import { shownBudget, tightestBudget } from '../../rate-limit/budget/tightest-budget.js';
import type { RateLimitDecision, RateLimitStanding } from '../../rate-limit/store.js';
import type { Headers } from '../response-headers.js';
import type { LimitQuotas, Quota } from './quotas.js';

/**
 * The headers of a decision: `RateLimit-Policy` and `RateLimit` (IETF draft 10), and OpenAI's
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens,usd}`: of several limits those of the
 * tightest.
 */
export function rateLimitHeaders({ limits, policyHeader }: LimitQuotas, decision: RateLimitDecision): Headers {
  const headers: Headers = {};
  if (policyHeader !== '') headers['ratelimit-policy'] = policyHeader;
  const { standings } = decision;
  let items = '';
  let requests: number | undefined;
  let quota: Quota | undefined;
  let tokens: number | undefined;
  let hasBudgets = false;
  for (let i = 0; i < standings.length; i++) {
    const { remainingRequests, remainingTokens, resetMs, budgets } = standings[i];
    if (remainingRequests !== Infinity) {
      // RateLimit must not state a shorter wait than Retry-After.
      const waitMs = !decision.allowed && decision.scope === i ? decision.retryAfterMs : resetMs;
      const reset = waitMs === Infinity ? '' : `;t=${Math.ceil(waitMs / 1000)}`;
      const { quotas } = limits[i];
      const own = quotas.length === 1 ? quotas[0] : quotaOf(quotas, standings[i]);
      items += `${items === '' ? '' : ', '}"${own.name}";r=${remainingRequests}${reset}`;
      if (requests === undefined || remainingRequests < standings[requests].remainingRequests) [requests, quota] = [i, own];
    }
    if (
      remainingTokens !== undefined &&
      remainingTokens < (tokens === undefined ? Infinity : (standings[tokens].remainingTokens as number))
    )
      tokens = i;
    hasBudgets ||= budgets !== undefined && budgets.length > 0;
  }
  if (items !== '') headers.ratelimit = items;
  if (requests !== undefined) {
    const { remainingRequests, resetMs } = standings[requests];
    headers['x-ratelimit-limit-requests'] = String(quota?.quota);
    headers['x-ratelimit-remaining-requests'] = String(remainingRequests);
    if (resetMs !== Infinity) headers['x-ratelimit-reset-requests'] = duration(resetMs);
  }
  if (tokens !== undefined) {
    const { remainingTokens, tokensResetMs = 0 } = standings[tokens];
    headers['x-ratelimit-limit-tokens'] = String(limits[tokens].limit.tokensPerMinute);
    headers['x-ratelimit-remaining-tokens'] = String(remainingTokens);
    headers['x-ratelimit-reset-tokens'] = duration(tokensResetMs);
  }
  if (hasBudgets) addBudgetHeaders(headers, limits, decision);
  return headers;
}

/** The headers of the tightest budget, and the key's spend. */
function addBudgetHeaders(headers: Headers, limits: LimitQuotas['limits'], { standings, atMs }: RateLimitDecision): void {
  const all: BudgetStanding[] = [];
  for (const { budgets } of standings) if (budgets !== undefined) all.push(...budgets);
  const { standing, leftNanoUsd } = tightestBudget(all);
  headers['x-ratelimit-limit-usd'] = usdText(standing.limitNanoUsd);
  headers['x-ratelimit-remaining-usd'] = usdText(leftNanoUsd);
  if (standing.resetsAtMs !== Infinity) headers['x-ratelimit-reset-usd'] = duration(Math.max(0, standing.resetsAtMs - atMs));
  const spent = keySpending(limits, standings);
  if (spent !== undefined) headers['x-litellm-key-spend'] = usdText(spent);
}

/** Nano-USD that the key has spent, by its own limits if it has any, which are the last ones. */
function keySpending(limits: LimitQuotas['limits'], standings: readonly RateLimitStanding[]): number | undefined {
  for (let i = standings.length - 1; i >= 0; i--) {
    const { budgets } = standings[i];
    if (budgets !== undefined && limits[i].isOfKey) return shownBudget(budgets)?.spentNanoUsd;
  }
  return undefined;
}

/** Of several quotas that of a standing; the first for a denial by tokens or concurrency. */
function quotaOf(quotas: readonly Quota[], { limit }: RateLimitStanding): Quota {
  return quotas.find(({ quota }) => quota === limit) ?? quotas[0];
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

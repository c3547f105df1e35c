import type { RateLimitDecision, RateLimitStanding } from '../../rate-limit/store.js';
import type { Quota } from './quotas.js';
import type { RouteLimit, RouteLimits } from './route-limits.js';

/** Express's response, Node's own, or Fastify's reply. */
export interface HeaderTarget {
  readonly headersSent?: boolean;
  setHeader?(name: string, value: string): unknown;
  header?(name: string, value: string): unknown;
}

/**
 * Sets `RateLimit-Policy` and `RateLimit` of the draft, and OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: of several limits
 * the figures of the one with the least left.
 */
export function setRateLimitHeaders(target: HeaderTarget, route: RouteLimits, decision: RateLimitDecision): void {
  // An answer may begin without its handler: that of a time-out, or a stream that many fields of a query write to.
  if (target.headersSent === true) return;
  if (route.policyHeader !== '') setHeader(target, 'ratelimit-policy', route.policyHeader);
  const { standings } = decision;
  let current = '';
  let left = '';
  let requests = -1;
  let tokens = -1;
  for (let i = 0; i < standings.length; i++) {
    const standing = standings[i];
    if (standing.remainingRequests !== Infinity) {
      const remaining = String(standing.remainingRequests);
      const resetMs = !decision.allowed && decision.scope === i ? decision.retryAfterMs : standing.resetMs;
      const item = requestQuota(route.limits[i], standing).item + remaining + untilReset(resetMs);
      current = current === '' ? item : `${current}, ${item}`;
      if (requests < 0 || standing.remainingRequests < standings[requests].remainingRequests) [requests, left] = [i, remaining];
    }
    if (standing.remainingTokens !== undefined && (tokens < 0 || standing.remainingTokens < (standings[tokens].remainingTokens as number)))
      tokens = i;
  }
  if (current !== '') setHeader(target, 'ratelimit', current);
  if (requests >= 0) {
    setHeader(target, 'x-ratelimit-limit-requests', requestQuota(route.limits[requests], standings[requests]).text);
    setHeader(target, 'x-ratelimit-remaining-requests', left);
    const { resetMs } = standings[requests];
    if (resetMs !== Infinity) setHeader(target, 'x-ratelimit-reset-requests', duration(resetMs));
  }
  if (tokens >= 0) {
    const { remainingTokens, tokensResetMs = 0 } = standings[tokens];
    setHeader(target, 'x-ratelimit-limit-tokens', String(route.limits[tokens].limit.tokensPerMinute));
    setHeader(target, 'x-ratelimit-remaining-tokens', String(remainingTokens));
    setHeader(target, 'x-ratelimit-reset-tokens', duration(tokensResetMs));
  }
}

/** `Retry-After` in seconds, and the milliseconds that OpenAI's clients look for first. */
export function setRetryAfter(target: HeaderTarget, retryAfterMs: number): void {
  if (target.headersSent === true) return;
  setHeader(target, 'retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  setHeader(target, 'retry-after-ms', String(Math.max(1, Math.ceil(retryAfterMs))));
}

/** A wait that no time ends has no `t`. */
function untilReset(ms: number): string {
  return ms === Infinity ? '' : `;t=${Math.ceil(ms / 1000)}`;
}

/** The quota that the standing speaks of. A refusal by tokens or concurrency names their figure instead: then the first. */
function requestQuota({ quotas }: RouteLimit, { limit }: RateLimitStanding): Quota {
  return quotas.length > 1 ? (quotas.find(({ quota }) => quota === limit) ?? quotas[0]) : quotas[0];
}

/** The last duration and what was written for it: most answers have one length of a window in them, and the next one has the same. */
let lastMs = NaN;
let lastDuration = '';

/** As OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h0m0s`. */
export function duration(ms: number): string {
  if (ms !== lastMs) [lastMs, lastDuration] = [ms, written(ms)];
  return lastDuration;
}

function written(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${seconds % 60}s`;
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}

/** Names in lower case: Node would make each one so, every time. */
function setHeader(target: HeaderTarget, name: string, value: string): void {
  if (target.setHeader !== undefined) target.setHeader(name, value);
  else target.header?.(name, value);
}

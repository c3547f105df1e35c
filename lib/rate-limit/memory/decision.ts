import { DecisionCode, DecisionField, EXCEEDED, type RateLimitEngine } from '../engine/engine.js';
import { countsRequests, type RateLimit } from '../limits.js';
import type { RateLimitDecision, RateLimitStanding } from '../store.js';

/** What an engine has just decided on one key; `lease` is the engine that did. */
export function decisionOf({ engine, lastDecision: last }: RateLimitEngine, limit: RateLimit): RateLimitDecision {
  const code = last[DecisionField.code];
  const hasRequests = countsRequests(limit);
  const standing: RateLimitStanding = {
    limit: hasRequests ? last[DecisionField.limit] : Infinity,
    remainingRequests: hasRequests ? last[DecisionField.remainingRequests] : Infinity,
    remainingTokens: limit.tokensPerMinute === undefined ? undefined : last[DecisionField.remainingTokens],
    resetMs: last[DecisionField.resetMs],
    tokensResetMs: limit.tokensPerMinute === undefined ? undefined : last[DecisionField.tokensResetMs],
  };
  return {
    allowed: code === DecisionCode.allowed,
    scope: 0,
    exceeded: EXCEEDED[code],
    retryAfterMs: last[DecisionField.retryAfterMs],
    standings: [standing],
    atMs: last[DecisionField.atMs],
    lease: engine,
  };
}

/** Index of the scope with the least requests left. */
export function tightest(standings: readonly RateLimitStanding[]): number {
  let least = 0;
  for (let i = 1; i < standings.length; i++) if (standings[i].remainingRequests < standings[least].remainingRequests) least = i;
  return least;
}

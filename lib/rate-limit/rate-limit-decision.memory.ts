import { DecisionCode, DecisionField, type RateLimitEngine } from './rate-limit.engine.js';
import type { ExceededLimit, RateLimit } from './rate-limit.limits.js';
import type { RateLimitDecision, RateLimitStanding } from './rate-limit.store.js';

const EXCEEDED: Readonly<Record<number, ExceededLimit>> = {
  [DecisionCode.second]: 'second',
  [DecisionCode.minute]: 'minute',
  [DecisionCode.hour]: 'hour',
  [DecisionCode.day]: 'day',
  [DecisionCode.tokens]: 'tokens',
  [DecisionCode.concurrency]: 'concurrency',
  [DecisionCode.window]: 'window',
};

/** What an engine has just decided on one key; `lease` is the engine that did. */
export function decisionOf(code: number, { engine, lastDecision: last }: RateLimitEngine, limit: RateLimit): RateLimitDecision {
  const hasRequests = limit.bucket !== undefined || limit.windows.length > 0;
  const standing: RateLimitStanding = {
    limit: hasRequests ? last[DecisionField.limit] : Infinity,
    remainingRequests: hasRequests ? last[DecisionField.remainingRequests] : Infinity,
    remainingTokens: limit.tokensPerMinute === undefined ? undefined : last[DecisionField.remainingTokens],
    resetMs: last[DecisionField.resetMs],
    tokensResetMs: limit.tokensPerMinute === undefined ? undefined : last[DecisionField.tokensResetMs],
  };
  return {
    allowed: code === 0,
    scope: 0,
    exceeded: code === 0 ? undefined : EXCEEDED[code],
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

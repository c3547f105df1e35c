import { DecisionCode, DecisionField, type RateLimitEngine } from './rate-limit.engine.js';
import type { ExceededLimit, RateLimit } from './rate-limit.limits.js';
import type { RateLimitDecision, RateLimitStanding } from './rate-limit.store.js';

/** Which limit refuses, by `DecisionCode`; none where it is allowed. */
export const EXCEEDED: Readonly<Record<number, ExceededLimit | undefined>> = {
  [DecisionCode.second]: 'second',
  [DecisionCode.minute]: 'minute',
  [DecisionCode.hour]: 'hour',
  [DecisionCode.day]: 'day',
  [DecisionCode.tokens]: 'tokens',
  [DecisionCode.concurrency]: 'concurrency',
  [DecisionCode.window]: 'window',
};

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
    allowed: code === 0,
    scope: 0,
    exceeded: EXCEEDED[code],
    retryAfterMs: last[DecisionField.retryAfterMs],
    standings: [standing],
    atMs: last[DecisionField.atMs],
    lease: engine,
  };
}

/** Whether it limits requests, beside tokens and those at a time. */
export function countsRequests({ bucket, windows }: RateLimit): boolean {
  return bucket !== undefined || windows.length > 0;
}

/** Index of the scope with the least requests left. */
export function tightest(standings: readonly RateLimitStanding[]): number {
  let least = 0;
  for (let i = 1; i < standings.length; i++) if (standings[i].remainingRequests < standings[least].remainingRequests) least = i;
  return least;
}

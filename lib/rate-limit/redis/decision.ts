import { DecisionCode, EXCEEDED } from '../engine/engine.js';
import { countsRequests, type RateLimit } from '../limits.js';
import { ReplyField, standingAt, StandingField } from './protocol.js';
import type { RateLimitDecision, RateLimitScope, RateLimitStanding } from '../store.js';

/** Reads the decision on `scopes` at offset `at` of a reply. */
export function readDecision(reply: Float64Array, at: number, scopes: readonly RateLimitScope[]): RateLimitDecision {
  const code = reply[at + ReplyField.code];
  return {
    allowed: code === DecisionCode.allowed,
    scope: reply[at + ReplyField.scope],
    exceeded: EXCEEDED[code],
    retryAfterMs: reply[at + ReplyField.retryAfterMs],
    standings: scopes.map(({ limit }, index) => readStanding(reply, at + standingAt(index), limit)),
    atMs: reply[at + ReplyField.atMs],
  };
}

function readStanding(reply: Float64Array, at: number, limit: RateLimit): RateLimitStanding {
  const hasRequests = countsRequests(limit);
  const hasTokens = limit.tokensPerMinute !== undefined;
  return {
    limit: hasRequests ? reply[at + StandingField.limit] : Infinity,
    remainingRequests: hasRequests ? reply[at + StandingField.remainingRequests] : Infinity,
    remainingTokens: hasTokens ? reply[at + StandingField.remainingTokens] : undefined,
    resetMs: reply[at + StandingField.resetMs],
    tokensResetMs: hasTokens ? reply[at + StandingField.tokensResetMs] : undefined,
  };
}

/**
 * Joins decisions of several Cluster slots into one. `parts[i]` is about the scopes `places[i]` of
 * `count`.
 */
export function joinDecisions(
  parts: readonly RateLimitDecision[],
  places: readonly (readonly number[])[],
  count: number,
): RateLimitDecision {
  const standings = new Array<RateLimitStanding>(count);
  parts.forEach((part, i) => part.standings.forEach((standing, j) => (standings[places[i][j]] = standing)));
  let chosen = 0;
  parts.forEach((part, i) => {
    if (i > 0 && goesBefore(part, parts[chosen])) chosen = i;
  });
  return {
    ...parts[chosen],
    scope: places[chosen][parts[chosen].scope],
    standings,
    // Each node of a Cluster has its own clock.
    atMs: Math.min(...parts.map(({ atMs }) => atMs)),
  };
}

/** A denial before an allowance; of two, the graver, the longer wait, or the tighter standing. */
function goesBefore(a: RateLimitDecision, b: RateLimitDecision): boolean {
  if (gravityOf(a) !== gravityOf(b)) return gravityOf(a) > gravityOf(b);
  if (!a.allowed) return a.retryAfterMs > b.retryAfterMs;
  return a.standings[a.scope].remainingRequests < b.standings[b.scope].remainingRequests;
}

/** A budget that is spent denies before any other limit, one that is only held after all. */
function gravityOf({ allowed, budget }: RateLimitDecision): number {
  if (allowed) return 0;
  if (budget === undefined) return 2;
  return budget.reason === 'budget_held' ? 1 : 3;
}

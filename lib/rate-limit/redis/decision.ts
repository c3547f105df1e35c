import { DecisionCode, EXCEEDED } from '../engine/engine.js';
import { countsRequests, type RateLimit } from '../limits.js';
import { ReplyField, standingAt, StandingField } from './protocol.js';
import { type RateLimitDecision, type RateLimitScope, type RateLimitStanding, MOST_SHOWN_HOLDS, type HeldMoney } from '../store.js';
import { BUDGET_REPLY_LENGTH, readDenial, readStandings, StaleWindows } from '../budget/budget-reply.js';

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

/** A decision on scopes with budgets. */
export function readBudgetDecision(reply: Float64Array, at: number, scopes: readonly RateLimitScope[]): RateLimitDecision | StaleWindows {
  const budgetsAt = at + standingAt(scopes.length);
  const denial = readDenial(reply, budgetsAt, scopes);
  if (denial instanceof StaleWindows) return denial;
  const decision = readDecision(reply, at, scopes);
  const budgets = readStandings(reply, budgetsAt + BUDGET_REPLY_LENGTH, scopes);
  const standings = decision.standings.map((standing, index) =>
    budgets[index] === undefined ? standing : { ...standing, budgets: budgets[index] },
  );
  return { ...decision, standings, budget: denial };
}

/** The holds of a key that are not settled. */
export function readHolds(reply: Float64Array, at: number): HeldMoney {
  const oldest = [];
  for (let i = at + 1; i < at + 1 + 2 * MOST_SHOWN_HOLDS && reply[i] >= 0; i += 2) oldest.push({ nanoUsd: reply[i], ageMs: reply[i + 1] });
  return { count: reply[at], oldest };
}

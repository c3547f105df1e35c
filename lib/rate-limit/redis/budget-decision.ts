import { BUDGET_REPLY_LENGTH, readDenial, readStandings, StaleWindows } from '../budget/budget-reply.js';
import { MOST_SHOWN_HOLDS, type HeldMoney, type RateLimitDecision, type RateLimitScope } from '../store.js';
import { readDecision } from './decision.js';
import { standingAt } from './protocol.js';

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

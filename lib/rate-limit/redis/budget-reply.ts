import type { BudgetSpending, BudgetStanding } from '../budget/account.js';
import { MOST_SHOWN_HOLDS, type BudgetDenial, type HeldMoney, type RateLimitDecision, type RateLimitScope } from '../store.js';
import { readDecision } from './decision.js';
import { BUDGET_REPLY_LENGTH, BUDGET_STANDING_LENGTH, BudgetField, BudgetReason, BudgetReplyField, standingAt } from './protocol.js';

/** Why a budget denies, as text: by `BudgetReason`. */
const REASONS = Object.fromEntries(Object.entries(BudgetReason).map(([reason, code]) => [code, reason])) as Record<
  number,
  BudgetDenial['reason']
>;

/** A budget that denies, and its scope. */
interface DeniedScope extends BudgetDenial {
  readonly scope: number;
}

/** The script has not decided: it needs the windows of this instant. */
export class StaleWindows {
  constructor(readonly redisMs: number) {}
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

/** The budget that denies a decision or an extension. */
export function readDenial(reply: Float64Array, at: number, scopes: readonly RateLimitScope[]): DeniedScope | StaleWindows | undefined {
  const stale = staleWindows(reply, at);
  if (stale !== undefined) return stale;
  const reason = reply[at + BudgetReplyField.reason];
  if (reason === BudgetReason.none) return undefined;
  const scope = reply[at + BudgetReplyField.scope];
  const budgets = readStandings(reply, at + BUDGET_REPLY_LENGTH, scopes)[scope] as readonly BudgetStanding[];
  return { reason: REASONS[reason], scope, standing: budgets[reply[at + BudgetReplyField.budget]] };
}

/** Whether the script needs the windows of another time. */
export function staleWindows(reply: Float64Array, at: number): StaleWindows | undefined {
  if (reply[at + BudgetReplyField.reason] !== BudgetReason.stale) return undefined;
  return new StaleWindows(reply[at + BudgetReplyField.waitMs]);
}

/** The holds of a key that are not settled. */
export function readHolds(reply: Float64Array, at: number): HeldMoney {
  const oldest = [];
  for (let i = at + 1; i < at + 1 + 2 * MOST_SHOWN_HOLDS && reply[i] >= 0; i += 2) oldest.push({ nanoUsd: reply[i], ageMs: reply[i + 1] });
  return { count: reply[at], oldest };
}

/** What a settlement added to the budgets of the scopes. */
export function readSpendings(reply: Float64Array, at: number, scopes: readonly RateLimitScope[]): readonly BudgetSpending[] {
  let next = at;
  return readStandings(reply, at, scopes).flatMap((standings, index) => {
    const { limit, key } = scopes[index];
    return (standings ?? []).map((standing): BudgetSpending => {
      const beforeNanoUsd = reply[next + BudgetField.before];
      next += BUDGET_STANDING_LENGTH;
      return { limitName: limit.name, key, beforeNanoUsd, standing };
    });
  });
}

function readStandings(
  reply: Float64Array,
  at: number,
  scopes: readonly RateLimitScope[],
): readonly (readonly BudgetStanding[] | undefined)[] {
  let next = at;
  return scopes.map(({ limit }) =>
    limit.budgets?.map(({ period }): BudgetStanding => {
      const start = next;
      next += BUDGET_STANDING_LENGTH;
      return {
        period,
        limitNanoUsd: reply[start + BudgetField.limit],
        spentNanoUsd: reply[start + BudgetField.spent],
        heldNanoUsd: reply[start + BudgetField.held],
        totalNanoUsd: reply[start + BudgetField.total],
        resetsAtMs: reply[start + BudgetField.resetsAtMs],
      };
    }),
  );
}

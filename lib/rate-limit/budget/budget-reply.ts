import type { BudgetDenial, RateLimitScope } from '../store.js';
import type { BudgetSpending, BudgetStanding } from './account.js';

/** Why money is denied, the gravest last. `stale`: the windows of the call are not those of now. */
export const BudgetReason = { none: 0, budget_held: 1, budget_exhausted: 2, request_exceeds_budget: 3, stale: 4 } as const;
/** The denial of a budget. Its wait is the store's clock where the windows are stale. */
export const BudgetReplyField = { reason: 0, scope: 1, budget: 2, waitMs: 3 } as const;
/** A budget, in the order of scopes and of their budgets. */
export const BudgetField = { spent: 0, held: 1, total: 2, limit: 3, resetsAtMs: 4, before: 5 } as const;
export const BUDGET_REPLY_LENGTH = 4;
export const BUDGET_STANDING_LENGTH = 6;

/** Numbers that a store has answered. */
export type Numbers = Readonly<ArrayLike<number>>;

/** Why a budget denies, as text: by `BudgetReason`. */
const REASONS = Object.fromEntries(Object.entries(BudgetReason).map(([reason, code]) => [code, reason])) as Record<
  number,
  BudgetDenial['reason']
>;

/** A budget that denies, and its scope. */
interface DeniedScope extends BudgetDenial {
  readonly scope: number;
}

/** The store has not decided: it needs the windows of this instant. */
export class StaleWindows {
  constructor(readonly storeMs: number) {}
}

/** The budget that denies a decision or an extension. */
export function readDenial(reply: Numbers, at: number, scopes: readonly RateLimitScope[]): DeniedScope | StaleWindows | undefined {
  const stale = staleWindows(reply, at);
  if (stale !== undefined) return stale;
  const reason = reply[at + BudgetReplyField.reason];
  if (reason === BudgetReason.none) return undefined;
  const scope = reply[at + BudgetReplyField.scope];
  const budgets = readStandings(reply, at + BUDGET_REPLY_LENGTH, scopes)[scope] as readonly BudgetStanding[];
  return { reason: REASONS[reason], scope, standing: budgets[reply[at + BudgetReplyField.budget]] };
}

/** Whether the store needs the windows of another time. */
export function staleWindows(reply: Numbers, at: number): StaleWindows | undefined {
  if (reply[at + BudgetReplyField.reason] !== BudgetReason.stale) return undefined;
  return new StaleWindows(reply[at + BudgetReplyField.waitMs]);
}

/** Amounts that a settlement added to the budgets of the scopes. */
export function readSpendings(reply: Numbers, at: number, scopes: readonly RateLimitScope[]): readonly BudgetSpending[] {
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

/** One for each scope with budgets. */
export function readStandings(
  reply: Numbers,
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

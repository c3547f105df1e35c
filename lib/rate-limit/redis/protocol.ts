import { DecisionCode } from '../engine/engine.js';
import type { RateLimit } from '../limits.js';
import { BUDGET_REPLY_LENGTH, BUDGET_STANDING_LENGTH } from '../budget/budget-reply.js';
import { BUDGET_FIELDS } from '../budget/budget-windows.js';
import { MOST_SHOWN_HOLDS } from '../store.js';

/** Operations of the script and their `values`. */
export const OperationKind = {
  /** `cost, tokens`: decides and takes. Then `slot, slotTtlMs` with a limit of concurrency. */
  take: 1,
  /** `cost, tokens`: decides only. */
  peek: 2,
  /**
   * `requests, tokens, atMs`: releases the charge of that instant; negative amounts charge more.
   */
  give: 3,
  /** `slot`: the request ended. */
  release: 4,
  /** `slot, slotTtlMs`: the request is still in flight. */
  keep: 5,
  /** Resets the keys. */
  reset: 6,
  /**
   * `cost, tokens, nanoUsd, hold, ttlMs, expected`: decides and takes, money included. `expected`:
   * the charge if the process dies, -1 if unknown.
   */
  takeWithBudgets: 7,
  /** `cost, tokens, nanoUsd`: decides only. */
  peekWithBudgets: 8,
  /** `hold, nanoUsd, provisional` (0 or 1): replaces the hold with the cost. */
  settleHold: 9,
  /**
   * `hold, nanoUsd, ttlMs, known, expected`: raises the hold, or the charge, to that amount.
   */
  extendHold: 10,
  /** `hold, ttlMs, expected`: its request is still in flight. */
  keepHold: 11,
  /** Clears the spend and the holds. */
  resetBudgets: 12,
  /** `hold, nanoUsd`: lowers the hold. */
  lowerHold: 13,
  /** `budget, nanoUsd` (the budget's index): sets the spend in its window. */
  setSpent: 14,
  /** `budget, nanoUsd`: raises a budget until its window ends. */
  raiseBudget: 15,
  /** Holds that are not settled: their number, then amount and age of the oldest. */
  listHolds: 16,
  /** `budget, nanoUsd`: adds to the spend in its window. */
  addSpent: 17,
  /** Settles the holds of dead processes. */
  sweepHolds: 18,
  /** `name, nanoUsd`: corrects such a settlement, once; returns the old amount, -1 if none. */
  refundHold: 19,
  /** `name, nanoUsd, atMs`: counts spend without Redis; a later call replaces it. */
  mergeSpent: 20,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** Fields of a reply: of the decision, then of each scope. */
export const ReplyField = { code: 0, scope: 1, retryAfterMs: 2, atMs: 3 } as const;
export const StandingField = { limit: 0, remainingRequests: 1, remainingTokens: 2, resetMs: 3, tokensResetMs: 4 } as const;
const REPLY_LENGTH = 4;
const STANDING_LENGTH = 5;
const CODES = 8;

/** One key under one limit, as the script sees it. */
export interface RedisScope {
  /** Key of the packed state. */
  readonly stateKey: string;
  /** Key of the sorted set of slots; empty without a limit of concurrency. */
  readonly slotsKey: string;
  readonly limits: readonly number[];
  /** Where the limit has budgets. */
  readonly budgets?: RedisBudgets;
}

/** The budgets of one key under one limit. */
export interface RedisBudgets {
  /** Key of the hash of accounts and holds. */
  readonly hashKey: string;
  /** Key of the sorted set of holds. */
  readonly holdsKey: string;
  /** Of `BudgetWindows`. */
  readonly figures: readonly (number | string)[];
}

/** One operation. All its keys have the same hash tag. */
export interface RedisOperation {
  readonly kind: OperationKind;
  readonly tag: string;
  readonly scopes: readonly RedisScope[];
  readonly values: readonly (number | string)[];
}

/** Whether its scopes come with the keys and figures of their budgets. */
export function hasBudgetScopes(kind: OperationKind): boolean {
  return kind >= OperationKind.takeWithBudgets;
}

export function replyLength({ kind, scopes }: RedisOperation): number {
  switch (kind) {
    case OperationKind.take:
    case OperationKind.peek:
      return standingAt(scopes.length);
    case OperationKind.takeWithBudgets:
    case OperationKind.peekWithBudgets:
      return standingAt(scopes.length) + BUDGET_REPLY_LENGTH + budgetStandingsLength(scopes);
    case OperationKind.extendHold:
      return BUDGET_REPLY_LENGTH + budgetStandingsLength(scopes);
    case OperationKind.settleHold:
      return budgetStandingsLength(scopes);
    case OperationKind.setSpent:
    case OperationKind.addSpent:
    case OperationKind.raiseBudget:
    case OperationKind.mergeSpent:
      return BUDGET_REPLY_LENGTH;
    case OperationKind.refundHold:
      return 1;
    case OperationKind.listHolds:
      return 1 + 2 * MOST_SHOWN_HOLDS;
    default:
      return 0;
  }
}

function budgetStandingsLength(scopes: readonly RedisScope[]): number {
  return scopes.reduce((sum, { budgets }) => sum + BUDGET_STANDING_LENGTH * ((budgets?.figures.length ?? 0) / BUDGET_FIELDS), 0);
}

/** Offset of the standing of a scope. */
export function standingAt(scope: number): number {
  return REPLY_LENGTH + STANDING_LENGTH * scope;
}

/**
 * A limit as numbers for the script: rate and capacity of the bucket, tokens per minute,
 * concurrency, then id and limit of each window; -1: no limit. Tokens count in the minute's window,
 * which exists if either is limited.
 */
export function limitNumbers(limit: RateLimit): readonly number[] {
  const { bucket, windows, tokensPerMinute, maxConcurrent } = limit;
  // As in the engines: a bucket without refill has no capacity.
  const capacity = bucket?.perSecond === 0 ? 0 : bucket?.capacity;
  const numbers = [bucket?.perSecond ?? -1, capacity ?? -1, tokensPerMinute ?? -1, maxConcurrent ?? -1];
  const inMinute = windows.some(({ exceeded }) => exceeded === 'minute');
  if (tokensPerMinute !== undefined && !inMinute) numbers.push(windowId(60_000, DecisionCode.minute), -1);
  for (const { lengthMs, limit: requests, exceeded } of windows) numbers.push(windowId(lengthMs, DecisionCode[exceeded]), requests);
  return numbers;
}

/** The same figures for a request that has its slot already. */
export function withoutConcurrency([perSecond, capacity, tokensPerMinute, , ...windows]: readonly number[]): readonly number[] {
  return [perSecond, capacity, tokensPerMinute, -1, ...windows];
}

/** Windows of the same length and code share their state. */
export function windowId(lengthMs: number, code: number): number {
  return lengthMs * CODES + code;
}

export function windowLength(id: number): number {
  return Math.floor(id / CODES);
}

/** The key whose absence means that Redis lost its data, and how long slots are unknown then. */
export interface RedisMark {
  readonly key: string;
  readonly slotTtlMs: number;
}

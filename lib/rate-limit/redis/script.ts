import { join } from 'node:path';
import { readLua } from '../../common/redis/lua-script.js';
import { DecisionCode } from '../engine/engine.js';
import { BudgetReason } from '../budget/budget-reply.js';
import { BUDGET_FIELDS, WindowKind } from '../budget/budget-windows.js';
import { OperationKind } from './protocol.js';
import { MOST_SHOWN_HOLDS } from '../store.js';

/**
 * Values of the upper-case names in the Lua files. They are put into the text because a Lua name
 * costs every function that uses it, in every call.
 */
const NUMBERS = {
  // Codes of a decision.
  SECOND: 1,
  TOKENS: 5,
  CONCURRENCY: 6,
  // A window's id is its length and its code; tokens are counted in the window of a minute.
  CODES: 8,
  MINUTE_ID: 480_002,
  // A reset leaves a window that only records the time of the reset.
  RESET_ID: 480_000,
  MINUTE_MS: 60_000,
  // As in the engines.
  MERGES: 60,
  PARTS: 1_000,
  LONGEST_MS: 2_592_000_000,
  // A time to live is renewed after an eighth of it, of a minute's after half: PSETEX costs Redis
  // twice as much as KEEPTTL.
  SLACK: 8,
  LONG_SLACK: 2,
  MOST_LONG_SLACK_MS: 30_000,
  // Fields of a key state: its time, its expiry in Redis, the bucket (a rate below 0: none),
  // whether it changed, its windows.
  LAST: 1,
  ENDS: 2,
  RATE: 3,
  BURST: 4,
  LEVEL: 5,
  LEVEL_AT: 6,
  CHANGED: 7,
  FIRST_WINDOW: 8,
  // Fields of a window: sums, then its instants: the newest as numbers, the others as a string.
  ID: 1,
  LENGTH: 2,
  ALL_REQUESTS: 3,
  ALL_TOKENS: 4,
  START: 5,
  OLDEST: 6,
  NEWEST: 7,
  NEW_REQUESTS: 8,
  NEW_TOKENS: 9,
  OLDER: 10,
  INSTANT_BYTES: 24,
  // Three older instants: with the newest, as many as are kept unmerged.
  EXACT_BYTES: 72,
  BUCKET_BYTES: 32,
  ONE_WINDOW_BYTES: 88,
  // Number of values in one call that Lua's stack can always hold.
  MOST_AT_ONCE: 1_000,
  // Operations on budgets (`OperationKind`).
  TAKE_WITH_BUDGETS: OperationKind.takeWithBudgets,
  PEEK_WITH_BUDGETS: OperationKind.peekWithBudgets,
  SETTLE_HOLD: OperationKind.settleHold,
  EXTEND_HOLD: OperationKind.extendHold,
  KEEP_HOLD: OperationKind.keepHold,
  RESET_BUDGETS: OperationKind.resetBudgets,
  LOWER_HOLD: OperationKind.lowerHold,
  SET_SPENT: OperationKind.setSpent,
  RAISE_BUDGET: OperationKind.raiseBudget,
  LIST_HOLDS: OperationKind.listHolds,
  ADD_SPENT: OperationKind.addSpent,
  SWEEP_HOLDS: OperationKind.sweepHolds,
  REFUND_HOLD: OperationKind.refundHold,
  MERGE_SPENT: OperationKind.mergeSpent,
  // Why a budget denies, the most severe reason last (`BudgetReason`), and the code of such a
  // decision.
  ALL_HELD: BudgetReason.budget_held,
  EXHAUSTED: BudgetReason.budget_exhausted,
  TOO_LARGE: BudgetReason.request_exceeds_budget,
  STALE: BudgetReason.stale,
  USD: DecisionCode.usd,
  // Fields of a budget, from its id on, and its kinds (budget-windows.ts).
  BUDGET_FIELDS,
  BUDGET_KIND: 1,
  BUDGET_LIMIT: 2,
  BUDGET_LENGTH: 3,
  BUDGET_BOUNDS: 4,
  CALENDAR: WindowKind.calendar,
  SLIDING: WindowKind.sliding,
  FIRST_USE: WindowKind.firstUse,
  TOTAL: WindowKind.total,
  // Fields of a part of a window.
  PART_START: 1,
  PART_END: 2,
  PART_SPENT: 3,
  PART_HELD: 4,
  MOST_NANO_USD: Number.MAX_SAFE_INTEGER,
  // How long a charged hold can be corrected, and the total spend is kept.
  KEPT_MS: 900_000,
  // How long an operator can refund the settlement of a dead process's hold.
  CRASH_KEPT_MS: 7 * 86_400_000,
  TOTAL_KEPT_MS: 366 * 86_400_000,
  // Number of holds in a reply, and of holds to examine: those renewed longest ago.
  MOST_SHOWN_HOLDS,
  MOST_LISTED_HOLDS: 1_000,
  // Holds of dead processes that one call charges.
  MOST_SWEPT: 64,
} as const;

/** The script of the Redis store; `lua/main.lua` is the place to start reading. */
export function rateLimitScript(): string {
  return readLua(join(__dirname, 'lua'), 'main.lua', NUMBERS);
}

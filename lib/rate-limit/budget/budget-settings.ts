import { LARGEST_USD, nanoUsd, type BudgetPeriod } from '../../common/nano-usd.js';
import {
  boolean,
  callback,
  custom,
  integer,
  number,
  oneOf,
  optionalGroup,
  resolveOptions,
  string,
  type OptionsOf,
  type Resolved,
} from '../../common/option.js';
import { checkArray, checkNumber, refuseOption } from '../../common/options.js';

/** A budget has crossed a mark of `alertAt`. */
export interface BudgetAlert {
  /** The limit's name. */
  readonly limit: string;
  /** The key itself: it may name a user. */
  readonly key: string;
  readonly period: BudgetPeriod;
  /** The mark: 0.8 of the budget. */
  readonly mark: number;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly heldUsd: number;
  /** Absent if the budget never resets. */
  readonly resetsAt?: Date;
}

/** More requests would make one step of the queue felt by the event loop. */
const WAITING = { min: 1, max: 10_000 };

export const BUDGET_QUEUE = {
  /** Most requests that wait. Default 256. */
  maxRequests: integer({ ...WAITING, default: 256 }),
  /** Most requests of one principal, API key or address that wait. Default 64. */
  maxRequestsPerTenant: integer({ ...WAITING, default: 64 }),
  /** Most prompt tokens of all requests that wait. Default 2,000,000. */
  maxPromptTokens: integer({ min: 1, max: 1_000_000_000, default: 2_000_000 }),
  /** Longest time that one request waits. Default 10,000. */
  maxWaitMs: integer({ min: 1, max: 600_000, default: 10_000 }),
};

/** How requests wait in `RateLimitGuard` for money that requests in flight hold. */
export interface BudgetQueueOptions extends OptionsOf<typeof BUDGET_QUEUE> {}

export const BUDGET_SETTINGS = {
  /** Shares of a budget whose crossing is reported, once in each window. Default 0.5, 0.8 and 1. */
  alertAt: custom<readonly number[]>('list of numbers', checkMarks, [0.5, 0.8, 1]),
  /** Called when the spend crosses a mark. It must not throw. Default: nothing. */
  onAlert: callback<(alert: BudgetAlert) => void>(),
  /**
   * Cost in USD of a request whose model has no known price. Default: such a request is denied,
   * because it could cost anything.
   */
  unpricedUsd: number({ min: 0, max: LARGEST_USD }),
  /**
   * What is held for the output of a request. `worst` (default): all that it may write.
   * `expected`: what 95 % of the last requests of the same key and model have written, once 20 are
   * known; a longer answer can then exceed the budget.
   *
   * @see docs/budgets.md#what-is-held
   */
  reserve: oneOf(['worst', 'expected'], { default: 'worst' }),
  /**
   * Whether to lower `max_tokens` of a request that a budget cannot pay in full: to half of the
   * remaining money, but at least a usual answer of the model; the last money pays for answers down
   * to 16 tokens. Works only for calls made with `LlmClient`. Default `false`.
   */
  clampOutput: boolean({ default: false }),
  /**
   * Lets a request wait in `RateLimitGuard` while requests in flight hold the money that it needs
   * (`budget_held`); `{}` takes the defaults. Default: it is denied at once.
   *
   * @see docs/budgets.md#waiting
   */
  queue: optionalGroup<BudgetQueueOptions, typeof BUDGET_QUEUE>(BUDGET_QUEUE),
  /**
   * A file that keeps the budgets of the memory store over a restart: written every 5 seconds and
   * at shutdown, by one process. Default: none.
   */
  snapshotFile: string(),
};

/** What holds for all budgets of a limiter. */
export interface BudgetSettings extends OptionsOf<typeof BUDGET_SETTINGS> {}

export interface ResolvedBudgetSettings extends Omit<Resolved<typeof BUDGET_SETTINGS>, 'unpricedUsd'> {
  readonly unpricedNanoUsd: number | undefined;
}

/** @throws InvalidConfigurationError naming the option (`rateLimit.budgets.alertAt[0]`). */
export function resolveBudgetSettings(path: string, value?: unknown): ResolvedBudgetSettings {
  const { unpricedUsd, ...settings } = resolveOptions(BUDGET_SETTINGS, path, value);
  return { ...settings, unpricedNanoUsd: unpricedUsd === undefined ? undefined : nanoUsd(unpricedUsd) };
}

/** Returns them in ascending order. */
function checkMarks(path: string, value: unknown): readonly number[] {
  const marks = checkArray(path, value, (at, mark) => checkNumber(at, mark, { min: 0.000_001, max: 100 }));
  if (marks.length > 16) throw refuseOption(path, marks, 'must have at most 16 marks');
  return [...new Set(marks)].sort((a, b) => a - b);
}

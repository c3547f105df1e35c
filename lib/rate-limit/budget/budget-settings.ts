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

/** A budget whose spend has crossed a mark of `alertAt`. */
export interface BudgetAlert {
  /** The limit's name. */
  readonly limit: string;
  /** The key itself: it can name a user. */
  readonly key: string;
  readonly period: BudgetPeriod;
  /** The mark: 0.8 means 80 % of the budget. */
  readonly mark: number;
  /**
   * Whether it is a soft budget (`softBudgetUsd` of a key or a team), which never denies requests.
   */
  readonly isSoft?: boolean;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly heldUsd: number;
  /** Absent if the budget never resets. */
  readonly resetsAt?: Date;
}

/** More requests would make one step of the queue felt by the event loop. */
const WAITING = { min: 1, max: 10_000 };

export const BUDGET_QUEUE = {
  /** Maximum number of waiting requests. Default 256. */
  maxRequests: integer({ ...WAITING, default: 256 }),
  /** Maximum number of waiting requests of one principal, API key or address. Default 64. */
  maxRequestsPerTenant: integer({ ...WAITING, default: 64 }),
  /** Maximum number of prompt tokens of all waiting requests. Default 2,000,000. */
  maxPromptTokens: integer({ min: 1, max: 1_000_000_000, default: 2_000_000 }),
  /** Longest wait of one request. Default 10,000. */
  maxWaitMs: integer({ min: 1, max: 600_000, default: 10_000 }),
};

/** How requests wait in `RateLimitGuard` for money held by requests in flight. */
export interface BudgetQueueOptions extends OptionsOf<typeof BUDGET_QUEUE> {}

export const BUDGET_SETTINGS = {
  /**
   * Shares of a budget that trigger an alert when the spend crosses them, once in each window.
   * Default 0.5, 0.8, 0.95 and 1.
   */
  alertAt: custom<readonly number[]>('list of numbers', checkMarks, [0.5, 0.8, 0.95, 1]),
  /** Called when the spend crosses a mark. Must not throw. Default: nothing. */
  onAlert: callback<(alert: BudgetAlert) => void>(),
  /**
   * Cost in USD of a request whose model has no known price. Default: such a request is denied,
   * because its cost is unknown.
   */
  unpricedUsd: number({ min: 0, max: LARGEST_USD }),
  /**
   * Amount to hold for the output of a request. `worst` (default): the maximum that the model can
   * write. `expected`: the output of 95 % of the last requests with the same key and model, once 20
   * are known; a longer answer can then exceed the budget.
   *
   * @see docs/budgets.md#what-is-held
   */
  reserve: oneOf(['worst', 'expected'], { default: 'worst' }),
  /**
   * Whether to lower `max_tokens` of a request that a budget cannot pay in full: to half of the
   * remaining money, but at least a usual answer of the model; the last of the money can pay for
   * answers down to 16 tokens. Works only for calls made with `LlmClient`. Default `false`.
   */
  clampOutput: boolean({ default: false }),
  /**
   * Makes a request wait in `RateLimitGuard` while requests in flight hold the money that it needs
   * (`budget_held`); `{}` uses the defaults. Default: it is denied at once.
   *
   * @see docs/budgets.md#waiting
   */
  queue: optionalGroup<BudgetQueueOptions, typeof BUDGET_QUEUE>(BUDGET_QUEUE),
  /**
   * A file that preserves the budgets of the memory store across a restart: written every 5 seconds
   * and at shutdown, by one process. Default: none.
   */
  snapshotFile: string(),
};

/** Settings that apply to all budgets of a limiter. */
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

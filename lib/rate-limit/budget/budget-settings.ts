import { LARGEST_USD, nanoUsd, type BudgetPeriod } from '../../common/nano-usd.js';
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  joinPath,
  optional,
  refuseOption,
} from '../../common/options.js';

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
  /** Absent where the budget never starts again. */
  readonly resetsAt?: Date;
}

/** How requests wait in `RateLimitGuard` for money that requests in flight hold. */
export interface BudgetQueueOptions {
  /** Most requests that wait. Default 256. */
  readonly maxRequests?: number;
  /** Most requests of one principal, API key or address that wait. Default 64. */
  readonly maxRequestsPerTenant?: number;
  /** Most prompt tokens of all requests that wait. Default 2,000,000. */
  readonly maxPromptTokens?: number;
  /** Longest time that one request waits. Default 10,000. */
  readonly maxWaitMs?: number;
}

/** What holds for all budgets of a limiter. */
export interface BudgetSettings {
  /** Shares of a budget whose crossing is reported, once in each window. Default 0.5, 0.8 and 1. */
  readonly alertAt?: readonly number[];
  /** Called when what was spent crosses a mark. It must not throw. Default: nothing. */
  readonly onAlert?: (alert: BudgetAlert) => void;
  /**
   * Cost in USD of a request whose model has no known price. Default: such a request is denied,
   * because it could cost anything.
   */
  readonly unpricedUsd?: number;
  /**
   * What is held for the output of a request. `worst` (default): all that it may write.
   * `expected`: what 95 % of the last requests of the same key and model have written, once 20 are
   * known; a longer answer may then exceed the budget.
   */
  readonly reserve?: 'worst' | 'expected';
  /**
   * Whether to lower `max_tokens` of a request that a budget cannot pay in full: to half of the
   * remaining money, but at least a usual answer of the model; the last money pays for answers down
   * to 16 tokens. Works only for calls made with `LlmClient`. Default `false`.
   */
  readonly clampOutput?: boolean;
  /**
   * Lets a request wait in `RateLimitGuard` while requests in flight hold the money that it needs
   * (`budget_held`); `{}` takes the defaults. Default: it is denied at once.
   */
  readonly queue?: BudgetQueueOptions;
  /**
   * A file that keeps the budgets of the memory store over a restart: written every 5 seconds and
   * at shutdown, by one process. Default: none.
   */
  readonly snapshotFile?: string;
}

/** The checked settings, with defaults. */
export interface ResolvedBudgetSettings {
  /** Ascending. */
  readonly alertAt: readonly number[];
  readonly onAlert?: (alert: BudgetAlert) => void;
  readonly unpricedNanoUsd: number | undefined;
  readonly reserve: 'worst' | 'expected';
  readonly clampOutput: boolean;
  readonly queue: Required<BudgetQueueOptions> | undefined;
  readonly snapshotFile: string | undefined;
}

const DEFAULT_MARKS = [0.5, 0.8, 1];
const RESERVES = ['worst', 'expected'] as const;
const KNOWN: readonly (keyof BudgetSettings)[] = ['alertAt', 'onAlert', 'unpricedUsd', 'reserve', 'clampOutput', 'queue', 'snapshotFile'];
const QUEUE_KEYS = ['maxRequests', 'maxRequestsPerTenant', 'maxPromptTokens', 'maxWaitMs'] as const satisfies (keyof BudgetQueueOptions)[];
const MOST_MARKS = 16;
/** More requests than these would make one step of the queue felt by the event loop. */
const MOST_WAITING = 10_000;
const MOST_TOKENS = 1_000_000_000;
const LONGEST_WAIT_MS = 600_000;

/** @throws InvalidConfigurationError naming the option (`rateLimit.budgets.alertAt[0]`). */
export function resolveBudgetSettings(path: string, value: unknown): ResolvedBudgetSettings {
  const input = value === undefined ? {} : checkObject(path, value);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof BudgetSettings): string => joinPath(path, key);
  const marks = optional(input.alertAt, DEFAULT_MARKS, (list) =>
    checkArray(at('alertAt'), list, (markPath, mark) => checkNumber(markPath, mark, { min: 0.000_001, max: 100 })),
  );
  if (marks.length > MOST_MARKS) throw refuseOption(at('alertAt'), marks, `must have ${MOST_MARKS} marks at most`);
  return {
    alertAt: [...new Set(marks)].sort((a, b) => a - b),
    onAlert: optional(input.onAlert, undefined, (fn) => checkFunction<(alert: BudgetAlert) => void>(at('onAlert'), fn)),
    unpricedNanoUsd: optional(input.unpricedUsd, undefined, (usd) =>
      nanoUsd(checkNumber(at('unpricedUsd'), usd, { min: 0, max: LARGEST_USD })),
    ),
    reserve: optional(input.reserve, 'worst', (value) => checkOneOf(at('reserve'), value, RESERVES)),
    clampOutput: optional(input.clampOutput, false, (value) => checkBoolean(at('clampOutput'), value)),
    queue: optional(input.queue, undefined, (queue) => resolveQueue(at('queue'), queue)),
    snapshotFile: optional(input.snapshotFile, undefined, (file) => checkString(at('snapshotFile'), file)),
  };
}

function resolveQueue(path: string, value: unknown): Required<BudgetQueueOptions> {
  const input = checkObject(path, value);
  checkKnownKeys(path, input, QUEUE_KEYS);
  const integer = (key: keyof BudgetQueueOptions, fallback: number, max: number): number =>
    optional(input[key], fallback, (number) => checkInteger(joinPath(path, key), number, { min: 1, max }));
  return {
    maxRequests: integer('maxRequests', 256, MOST_WAITING),
    maxRequestsPerTenant: integer('maxRequestsPerTenant', 64, MOST_WAITING),
    maxPromptTokens: integer('maxPromptTokens', 2_000_000, MOST_TOKENS),
    maxWaitMs: integer('maxWaitMs', 10_000, LONGEST_WAIT_MS),
  };
}

import type { ExecutionContext } from '@nestjs/common';
import {
  checkBoolean,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkPositiveInteger,
  checkString,
  joinPath,
  optional,
  refuseOption,
} from '../common/options.js';
import { resolveBudgetSettings, type BudgetSettings, type ResolvedBudgetSettings } from './budget/budget-settings.js';
import { compileLimit, hasLimits, LIMIT_KEYS, type RateLimit, type RateLimits } from './limits.js';
import type { LogSink } from '../common/log-sink.js';
import type { RateLimitStore } from './store.js';

/** Decides whether a request skips rate limits: `true` skips; `false` or nothing does not. */
export type SkipIf = (context: ExecutionContext) => boolean | null | undefined | void | Promise<boolean | null | undefined | void>;

/**
 * The limits are those of every key that is checked without naming others. Default: 10 a second
 * (burst 20), 600 a minute, 10,000 an hour.
 */
export interface RateLimitOptions extends RateLimits {
  /**
   * More limits by name, for `check(key, { limit: 'chat' })` and `@RateLimit({ name: 'chat' })`.
   */
  readonly limits?: Readonly<Record<string, RateLimits>>;
  /** Name under which worker threads share the counters (native engine). Default: not shared. */
  readonly sharedAs?: string;
  /** Keys in memory; above that the least recently used are evicted. Default 250,000. */
  readonly maxKeys?: number;
  /** A store, or a function that makes it of the one in memory. Default: in memory. */
  readonly store?: RateLimitStore | ((memory: RateLimitStore, log?: LogSink) => RateLimitStore);
  /** What holds for all budgets (`usdPerDay`, …): alerts, prices, a file. */
  readonly budgets?: BudgetSettings;
  /** Whether `RateLimitGuard` sets headers beside `Retry-After`. Default `true`. */
  readonly headers?: boolean;
  /**
   * Skips all limits of `RateLimitGuard` for a request: for controllers of other packages, such as
   * metrics and probes. Called before anything is counted. An error fails the request
   * (`SKIP_IF_FAILED`).
   */
  readonly skipIf?: SkipIf;
}

/** The checked options, with defaults. */
export interface ResolvedRateLimitOptions {
  readonly limit: RateLimit;
  readonly named: ReadonlyMap<string, RateLimit>;
  readonly sharedAs: string | null;
  readonly maxKeys: number;
  readonly store: RateLimitOptions['store'];
  readonly budgets: ResolvedBudgetSettings;
  readonly headers: boolean;
  readonly skipIf?: SkipIf;
}

/** The name of the limits of the options themselves. */
export const DEFAULT_LIMIT_NAME = 'default';
const DEFAULT_LIMITS: RateLimits = { requestsPerSecond: 10, burst: 20, requestsPerMinute: 600, requestsPerHour: 10_000 };
const DEFAULT_MAX_KEYS = 250_000;
const KNOWN: readonly (keyof RateLimitOptions)[] = [
  ...LIMIT_KEYS,
  'limits',
  'sharedAs',
  'maxKeys',
  'store',
  'budgets',
  'headers',
  'skipIf',
];
const NAME = /^[\w.:-]{1,128}$/;

/**
 * Checks the options. `settings` of the environment or the flags file override them.
 * @throws InvalidConfigurationError naming the option (`rateLimit.limits.chat.burst`).
 */
export function resolveRateLimitOptions(
  options: RateLimitOptions = {},
  settings: Pick<RateLimits, 'requestsPerMinute' | 'burst'> = {},
  path = 'rateLimit',
): ResolvedRateLimitOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, KNOWN);
  const at = (key: keyof RateLimitOptions): string => joinPath(path, key);
  const named = optional(input.limits, {}, (value) => checkObject(at('limits'), value)) as Record<string, RateLimits>;
  return {
    limit: compileLimit(DEFAULT_LIMIT_NAME, ownLimits(options, settings), path),
    named: new Map(
      Object.entries(named).map(([name, limits]) => {
        const limitPath = joinPath(at('limits'), name);
        if (name === DEFAULT_LIMIT_NAME)
          throw refuseOption(limitPath, limits, `must have another name: ${path} itself has the limits of that name`);
        return [checkLimitName(limitPath, name), compileLimit(name, limits, limitPath)];
      }),
    ),
    sharedAs: optional(input.sharedAs, null, (value) => checkString(at('sharedAs'), value)),
    maxKeys: optional(input.maxKeys, DEFAULT_MAX_KEYS, (value) => checkPositiveInteger(at('maxKeys'), value)),
    store: optional(options.store, undefined, (value) => checkStoreOption(at('store'), value)),
    budgets: resolveBudgetSettings(at('budgets'), input.budgets),
    headers: optional(input.headers, true, (value) => checkBoolean(at('headers'), value)),
    skipIf: optional(input.skipIf, undefined, (value) => checkFunction<SkipIf>(at('skipIf'), value)),
  };
}

/** Checks a name of limits: it appears in headers and in the keys of stores. */
export function checkLimitName(path: string, name: unknown, refuse = refuseOption): string {
  if (typeof name === 'string' && isLimitName(name)) return name;
  throw refuse(path, name, 'must be a name of letters, digits and _ . : -, 128 at most');
}

export function isLimitName(name: string): boolean {
  return NAME.test(name);
}

function ownLimits(options: RateLimitOptions, settings: Pick<RateLimits, 'requestsPerMinute' | 'burst'>): RateLimits {
  const set = Object.fromEntries(LIMIT_KEYS.filter((key) => options[key] !== undefined).map((key) => [key, options[key]])) as RateLimits;
  const { requestsPerMinute, burst } = settings;
  // The default of 10 a second would undo a larger figure of the environment.
  const base = hasLimits(set) || requestsPerMinute !== undefined ? set : DEFAULT_LIMITS;
  return { ...base, ...(requestsPerMinute !== undefined && { requestsPerMinute }), ...(burst !== undefined && { burst }) };
}

function checkStoreOption(path: string, store: unknown): NonNullable<RateLimitOptions['store']> {
  return typeof store === 'function' ? (store as NonNullable<RateLimitOptions['store']>) : checkStore(path, store);
}

/** The store: the given one, or the one that a function created. */
export function checkStore(path: string, store: unknown): RateLimitStore {
  const methods = checkObject(path, store);
  for (const method of ['check', 'peek', 'settle', 'release', 'reset', 'stats', 'metrics', 'health', 'close'] as const) {
    checkFunction(joinPath(path, method), methods[method]);
  }
  return store as RateLimitStore;
}

import type { ExecutionContext } from '@nestjs/common';
import { boolean, callback, custom, integer, resolveOptions, string, type OptionsOf, type Resolved } from '../common/option.js';
import { checkFunction, checkObject, joinPath, refuseOption } from '../common/options.js';
import type { LogSink } from '../common/log-sink.js';
import { resolveBudgetSettings, type BudgetSettings, type ResolvedBudgetSettings } from './budget/budget-settings.js';
import { compileLimit, hasLimits, LIMIT_KEYS, LIMITS, type RateLimit, type RateLimits } from './limits.js';
import type { RateLimitStore } from './store.js';

/** Decides whether a request skips rate limits: `true` skips; `false` or nothing does not. */
export type SkipIf = (context: ExecutionContext) => boolean | null | undefined | void | Promise<boolean | null | undefined | void>;

/** The name of the limits of the options themselves. */
export const DEFAULT_LIMIT_NAME = 'default';
const DEFAULT_LIMITS: RateLimits = { requestsPerSecond: 10, burst: 20, requestsPerMinute: 600, requestsPerHour: 10_000 };
const NAME = /^[\w.:-]{1,128}$/;

export const OWN_OPTIONS = {
  /**
   * More limits by name, for `check(key, { limit: 'chat' })` and `@RateLimit({ name: 'chat' })`.
   */
  limits: custom<Readonly<Record<string, RateLimits>>, ReadonlyMap<string, RateLimit>>('object', checkNamed, new Map()),
  /** Name under which worker threads share the counters (native engine). Default: not shared. */
  sharedAs: string({ default: null }),
  /**
   * Maximum number of keys in memory; beyond it, the least recently used are evicted. Default
   * 250,000.
   */
  maxKeys: integer({ min: 1, default: 250_000 }),
  /**
   * Where the counters are kept: a store, or a function that creates it from the memory store.
   * Default: in memory.
   *
   * @see docs/rate-limits.md#many-processes-redis
   */
  store: custom<RateLimitStore | ((memory: RateLimitStore, log?: LogSink) => RateLimitStore)>('store or function', checkStoreOption),
  /**
   * Settings of all budgets (`usdPerDay`, …): alerts, prices, a file.
   *
   * @see docs/budgets.md
   */
  budgets: custom<BudgetSettings, ResolvedBudgetSettings>('object', resolveBudgetSettings, resolveBudgetSettings('')),
  /** Whether `RateLimitGuard` sets headers in addition to `Retry-After`. Default `true`. */
  headers: boolean({ default: true }),
  /**
   * Returns whether a request skips all limits of `RateLimitGuard`: for controllers of other
   * packages, such as metrics and probes. Called before anything is counted. An error fails the
   * request (`SKIP_IF_FAILED`).
   */
  skipIf: callback<SkipIf>(),
};

export const RATE_LIMIT = { ...LIMITS, ...OWN_OPTIONS };

/**
 * Options of rate limits. The limits apply to every key that is checked without a limit name.
 * Default: 10 a second (burst 20), 600 a minute, 10,000 an hour.
 */
export interface RateLimitOptions extends OptionsOf<typeof RATE_LIMIT> {}

/** The checked options, with defaults. */
export interface ResolvedRateLimitOptions extends Omit<Resolved<typeof OWN_OPTIONS>, 'limits'> {
  readonly limit: RateLimit;
  readonly named: ReadonlyMap<string, RateLimit>;
}

/**
 * Checks the options. `settings` of the environment or the flags file override them.
 * @throws InvalidConfigurationError naming the option (`rateLimit.limits.chat.burst`).
 */
export function resolveRateLimitOptions(
  options: RateLimitOptions = {},
  settings: Pick<RateLimits, 'requestsPerMinute' | 'burst'> = {},
  path = 'rateLimit',
): ResolvedRateLimitOptions {
  const { limits: named, ...resolved } = resolveOptions(RATE_LIMIT, path, options);
  return { ...resolved, limit: compileLimit(DEFAULT_LIMIT_NAME, ownLimits(options, settings), path), named };
}

function checkNamed(path: string, value: unknown): ReadonlyMap<string, RateLimit> {
  const entries = Object.entries(checkObject(path, value)).map(([name, limits]): [string, RateLimit] => {
    const at = joinPath(path, name);
    if (name === DEFAULT_LIMIT_NAME)
      throw refuseOption(at, limits, 'must have a different name, because the limits in the options use this name');
    return [checkLimitName(at, name), compileLimit(name, limits as RateLimits, at)];
  });
  return new Map(entries);
}

/** Checks a name of limits: it appears in headers and in the keys of stores. */
export function checkLimitName(path: string, name: unknown, refuse = refuseOption): string {
  if (typeof name === 'string' && isLimitName(name)) return name;
  throw refuse(path, name, 'must have 1 to 128 letters, digits or _ . : -');
}

export function isLimitName(name: string): boolean {
  return NAME.test(name);
}

function ownLimits(options: RateLimitOptions, settings: Pick<RateLimits, 'requestsPerMinute' | 'burst'>): RateLimits {
  const set = Object.fromEntries(LIMIT_KEYS.filter((key) => options[key] !== undefined).map((key) => [key, options[key]])) as RateLimits;
  const { requestsPerMinute, burst } = settings;
  // The default of 10 per second would cancel a larger figure from the environment.
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

import { integer, number, resolveOptions, type OptionsOf } from '../common/option.js';
import { joinPath, refuseOption, type Refuse } from '../common/options.js';
import { BUDGETS, compileBudgets, type BudgetLimit } from './budget/budget-limits.js';

/** Exact in every store. */
export const LARGEST_LIMIT = 2 ** 31;
export const LONGEST_WINDOW_MS = 30 * 86_400_000;

export const LIMITS = {
  /** Refill rate of the token bucket; can be a fraction. */
  requestsPerSecond: number({ min: 0, max: LARGEST_LIMIT }),
  /**
   * Capacity of the token bucket. Default: one second of requests, at least 1. Requires
   * `requestsPerSecond` or `requestsPerMinute`.
   */
  burst: integer({ min: 0, max: LARGEST_LIMIT }),
  /** Sliding window of a minute: never exceeded in any span of that length. */
  requestsPerMinute: integer({ min: 0, max: LARGEST_LIMIT }),
  /** A sliding window of an hour. */
  requestsPerHour: integer({ min: 0, max: LARGEST_LIMIT }),
  /** A sliding window of a day. */
  requestsPerDay: integer({ min: 0, max: LARGEST_LIMIT }),
  /** Requests in a window of any length. Requires `windowMs`. */
  requestsPerWindow: integer({ min: 0, max: LARGEST_LIMIT }),
  /** Length of that window: 1 ms to 30 days. */
  windowMs: integer({ min: 1, max: LONGEST_WINDOW_MS }),
  /** Tokens in any minute: reserved before a call, settled after it. */
  tokensPerMinute: integer({ min: 0, max: LARGEST_LIMIT }),
  /** Maximum number of requests in flight. */
  maxConcurrent: integer({ min: 0, max: LARGEST_LIMIT }),
  ...BUDGETS,
};

/** The limits of one key; all must allow a request. 0 allows nothing; unset means unlimited. */
export interface RateLimits extends OptionsOf<typeof LIMITS> {}

/** The names of the limits. */
export const LIMIT_KEYS = Object.keys(LIMITS) as (keyof RateLimits)[];

/** The limit that denied a request; `usd`: a budget. */
export type ExceededLimit = 'second' | 'minute' | 'hour' | 'day' | 'window' | 'tokens' | 'concurrency' | 'usd';

export interface RateLimitWindow {
  readonly exceeded: 'minute' | 'hour' | 'day' | 'window';
  readonly lengthMs: number;
  readonly limit: number;
}

/** Checked limits with a name. */
export interface RateLimit {
  /**
   * Part of the identity of each key: limits with the same name and the same kinds share their
   * counters.
   */
  readonly name: string;
  /** The given limits, with `burst` and `requestsPerSecond` filled in. */
  readonly limits: RateLimits;
  readonly bucket?: { readonly perSecond: number; readonly capacity: number };
  readonly windows: readonly RateLimitWindow[];
  readonly tokensPerMinute?: number;
  readonly maxConcurrent?: number;
  /** At least one; `undefined` without budgets. */
  readonly budgets?: readonly BudgetLimit[];
}

const WINDOWS = [
  ['requestsPerMinute', 'minute', 60_000],
  ['requestsPerHour', 'hour', 3_600_000],
  ['requestsPerDay', 'day', 86_400_000],
] as const;

/** Whether it limits requests by a bucket or a window. */
export function countsRequests({ bucket, windows }: RateLimit): boolean {
  return bucket !== undefined || windows.length > 0;
}

/** Whether it limits anything besides money. */
export function countsRates({ bucket, windows, tokensPerMinute, maxConcurrent }: RateLimit): boolean {
  return bucket !== undefined || windows.length > 0 || tokensPerMinute !== undefined || maxConcurrent !== undefined;
}

/** Whether any of the limits has a budget. */
export function hasBudgets(scopes: readonly { readonly limit: RateLimit }[]): boolean {
  for (let i = 0; i < scopes.length; i++) if (scopes[i].limit.budgets !== undefined) return true;
  return false;
}

/** Whether any limit is set. */
export function hasLimits(limits: RateLimits): boolean {
  return LIMIT_KEYS.some((key) => limits[key] !== undefined);
}

/**
 * Checks limits and gives them a name.
 * @throws by `refuse`, naming the limit (`rateLimit.requestsPerMinute`).
 */
export function compileLimit(name: string, limits: RateLimits, path: string, refuse: Refuse = refuseOption): RateLimit {
  resolveOptions(LIMITS, path, limits, { refuse });
  const at = (key: keyof RateLimits): string => joinPath(path, key);
  if (!hasLimits(limits)) throw refuse(path, limits, 'must set at least one limit');
  const { requestsPerWindow, windowMs, tokensPerMinute, maxConcurrent } = limits;
  const budgets = compileBudgets(limits, path, refuse);
  const bucket = bucketOf(limits, at('burst'), refuse);
  const windows = WINDOWS.flatMap(([key, exceeded, lengthMs]): RateLimitWindow[] => {
    const limit = limits[key];
    return limit === undefined ? [] : [{ exceeded, lengthMs, limit }];
  });
  if (requestsPerWindow !== undefined && windowMs !== undefined)
    windows.push({ exceeded: 'window', lengthMs: windowMs, limit: requestsPerWindow });
  else if (windowMs !== undefined) throw refuse(at('windowMs'), windowMs, 'requires requestsPerWindow');
  else if (requestsPerWindow !== undefined) throw refuse(at('requestsPerWindow'), requestsPerWindow, 'requires windowMs');
  const complete = { ...limits, ...(bucket && { requestsPerSecond: bucket.perSecond, burst: bucket.capacity }) };
  return { name, limits: complete, bucket, windows, tokensPerMinute, maxConcurrent, budgets };
}

function bucketOf(limits: RateLimits, path: string, refuse: Refuse): RateLimit['bucket'] {
  const { burst, requestsPerSecond, requestsPerMinute } = limits;
  if (burst === undefined && requestsPerSecond === undefined) return undefined;
  const perSecond = requestsPerSecond ?? (requestsPerMinute === undefined ? undefined : requestsPerMinute / 60);
  if (perSecond === undefined) throw refuse(path, burst, 'requires requestsPerSecond or requestsPerMinute');
  // A rate of 0 allows nothing, so its bucket is empty from the start.
  return { perSecond, capacity: burst ?? (perSecond === 0 ? 0 : Math.max(1, Math.ceil(perSecond))) };
}

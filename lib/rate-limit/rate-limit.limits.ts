import { checkInteger, checkKnownKeys, checkNumber, checkObject, joinPath, refuseOption, type Refuse } from '../common/options.js';

/** What may pass under one key. All that are set must allow; 0 lets nothing pass, what is not set is unlimited. */
export interface RateLimits {
  /** Token bucket: refilled at this rate, in fractions. May be a fraction itself. */
  readonly requestsPerSecond?: number;
  /** Most requests the bucket holds. Default: a second's worth, at least 1. Needs `requestsPerSecond` or `requestsPerMinute`. */
  readonly burst?: number;
  /** Sliding windows: never more than that in any span of the window's length. */
  readonly requestsPerMinute?: number;
  readonly requestsPerHour?: number;
  readonly requestsPerDay?: number;
  /** Tokens in any minute: reserved before a call, settled after it. */
  readonly tokensPerMinute?: number;
  /** Requests at a time. */
  readonly maxConcurrent?: number;
}

/** Which limit refused. */
export type ExceededLimit = 'second' | 'minute' | 'hour' | 'day' | 'tokens' | 'concurrency';

export interface RateLimitWindow {
  readonly exceeded: 'minute' | 'hour' | 'day';
  readonly lengthMs: number;
  readonly limit: number;
}

/** Limits that were checked once, under a name. */
export interface RateLimit {
  /** Part of every key's identity: limits of one name count together. */
  readonly name: string;
  /** As given, `burst` and `requestsPerSecond` completed. */
  readonly limits: RateLimits;
  readonly bucket?: { readonly perSecond: number; readonly capacity: number };
  /** From the shortest to the longest. */
  readonly windows: readonly RateLimitWindow[];
  readonly tokensPerMinute?: number;
  readonly maxConcurrent?: number;
}

export const LIMIT_KEYS = [
  'requestsPerSecond',
  'burst',
  'requestsPerMinute',
  'requestsPerHour',
  'requestsPerDay',
  'tokensPerMinute',
  'maxConcurrent',
] as const satisfies readonly (keyof RateLimits)[];

/** More than any limiter is asked for, and exact in every store. */
export const LARGEST_LIMIT = 2 ** 32 - 1;

const WINDOWS = [
  ['requestsPerMinute', 'minute', 60_000],
  ['requestsPerHour', 'hour', 3_600_000],
  ['requestsPerDay', 'day', 86_400_000],
] as const;

/** Whether any limit is set. */
export function hasLimits(limits: RateLimits): boolean {
  return LIMIT_KEYS.some((key) => limits[key] !== undefined);
}

/**
 * Checks limits and gives them a name.
 * @throws by `refuse`, naming the limit (`rateLimit.requestsPerMinute`).
 */
export function compileLimit(name: string, limits: RateLimits, path: string, refuse: Refuse = refuseOption): RateLimit {
  const input = checkObject(path, limits, refuse);
  checkKnownKeys(path, input, LIMIT_KEYS, refuse);
  const at = (key: keyof RateLimits): string => joinPath(path, key);
  for (const key of LIMIT_KEYS) {
    if (input[key] === undefined) continue;
    const range = { min: 0, max: LARGEST_LIMIT };
    if (key === 'requestsPerSecond') checkNumber(at(key), input[key], range, refuse);
    else checkInteger(at(key), input[key], range, refuse);
  }
  if (!hasLimits(limits)) throw refuse(path, limits, 'must set at least one limit');
  const bucket = bucketOf(limits, at('burst'), refuse);
  return {
    name,
    limits: { ...limits, ...(bucket && { requestsPerSecond: bucket.perSecond, burst: bucket.capacity }) },
    bucket,
    windows: WINDOWS.flatMap(([key, exceeded, lengthMs]) => {
      const limit = limits[key];
      return limit === undefined ? [] : [{ exceeded, lengthMs, limit }];
    }),
    tokensPerMinute: limits.tokensPerMinute,
    maxConcurrent: limits.maxConcurrent,
  };
}

function bucketOf(limits: RateLimits, path: string, refuse: Refuse): RateLimit['bucket'] {
  const { burst, requestsPerSecond, requestsPerMinute } = limits;
  if (burst === undefined && requestsPerSecond === undefined) return undefined;
  const perSecond = requestsPerSecond ?? (requestsPerMinute === undefined ? undefined : requestsPerMinute / 60);
  if (perSecond === undefined) throw refuse(path, burst, 'needs requestsPerSecond or requestsPerMinute beside it');
  // A rate of 0 lets nothing pass, not one.
  return { perSecond, capacity: burst ?? (perSecond === 0 ? 0 : Math.max(1, Math.ceil(perSecond))) };
}

import { checkInteger, refuseArgument } from '../../common/options.js';
import { LARGEST_LIMIT, type RateLimits } from '../limits.js';
import type { RateLimiterService, RateLimitStats } from '../rate-limit.service.js';
import type { RateLimitResult } from '../reservation.js';

/** Requests a minute of a `SimpleRateLimiter` that is not told otherwise. */
export const DEFAULT_REQUESTS_PER_MINUTE = 60;

/** What the reference's `SimpleRateLimiter` makes of its one figure: a bucket of a tenth of a minute (5 at least), the minute itself, and 60 of it an hour. */
export function simpleLimits(requestsPerMinute: number): RateLimits {
  return {
    requestsPerSecond: Math.ceil(requestsPerMinute / 60),
    burst: Math.max(Math.ceil(requestsPerMinute / 10), 5),
    requestsPerMinute,
    requestsPerHour: Math.min(requestsPerMinute * 60, LARGEST_LIMIT),
  };
}

/**
 * The Python original's `SimpleRateLimiter`: rate limits in one small object, without Nest. Each has counters of its own, in memory.
 *
 * @example
 * const limiter = new SimpleRateLimiter(60);
 * if (!limiter.isAllowed('user_123')) throw new Error('too many requests');
 */
export class SimpleRateLimiter {
  readonly requestsPerMinute: number;
  private limiter: RateLimiterService | undefined = undefined;

  /** @param open Gives a limiter of its own, under these limits. Called once, by the first call of a method. */
  constructor(
    requestsPerMinute: number,
    private readonly open: (limits: RateLimits) => RateLimiterService,
  ) {
    this.requestsPerMinute = checkInteger('requestsPerMinute', requestsPerMinute, { min: 1, max: LARGEST_LIMIT }, refuseArgument);
  }

  /** Asks for one request, and takes it if all limits allow. */
  check(key: string): RateLimitResult {
    return this.own().check(key);
  }

  /** `check(key).allowed`: it takes. */
  isAllowed(key: string): boolean {
    return this.own().isAllowed(key);
  }

  /** Requests that would pass right now. Takes nothing. */
  getRemaining(key: string): number {
    return this.own().getRemaining(key);
  }

  /** What was decided since the start; and how `keys` stand. */
  getStats(keys?: readonly string[]): RateLimitStats {
    return this.own().getStats(keys);
  }

  private own(): RateLimiterService {
    return (this.limiter ??= this.open(simpleLimits(this.requestsPerMinute)));
  }
}

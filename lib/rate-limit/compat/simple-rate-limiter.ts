import { checkInteger, refuseArgument } from '../../common/options.js';
import { LARGEST_LIMIT, type RateLimits } from '../limits.js';
import type { RateLimiterService, RateLimitStats } from '../rate-limit.service.js';
import type { RateLimitResult } from '../reservation.js';

/** Default of `SimpleRateLimiter`. */
export const DEFAULT_REQUESTS_PER_MINUTE = 60;

/**
 * The limits of fast-litellm's `SimpleRateLimiter`: a bucket of a tenth of a minute (at least 5),
 * the minute, and 60 times that an hour.
 */
function simpleLimits(requestsPerMinute: number): RateLimits {
  return {
    requestsPerSecond: Math.ceil(requestsPerMinute / 60),
    burst: Math.max(Math.ceil(requestsPerMinute / 10), 5),
    requestsPerMinute,
    requestsPerHour: Math.min(requestsPerMinute * 60, LARGEST_LIMIT),
  };
}

/**
 * The `SimpleRateLimiter` of fast-litellm: rate limits without Nest. Each instance has its own
 * counters, in memory.
 *
 * @example
 * const limiter = new SimpleRateLimiter(60);
 * if (!limiter.isAllowed('user_123')) throw new Error('too many requests');
 */
export class SimpleRateLimiter {
  readonly requestsPerMinute: number;
  private limiter: RateLimiterService | undefined = undefined;

  /** @param open Creates the limiter. Called once, by the first call of a method. */
  constructor(
    requestsPerMinute: number,
    private readonly open: (limits: RateLimits) => RateLimiterService,
  ) {
    this.requestsPerMinute = checkInteger('requestsPerMinute', requestsPerMinute, { min: 1, max: LARGEST_LIMIT }, refuseArgument);
  }

  /** Takes one request if all limits allow it. */
  check(key: string): RateLimitResult {
    return this.own().check(key);
  }

  /** `check(key).allowed`: it takes, too. */
  isAllowed(key: string): boolean {
    return this.own().isAllowed(key);
  }

  /** Requests that are allowed right now. Takes nothing. */
  getRemaining(key: string): number {
    return this.own().getRemaining(key);
  }

  /** Decisions since the start, and the state of `keys`. */
  getStats(keys?: readonly string[]): RateLimitStats {
    return this.own().getStats(keys);
  }

  private own(): RateLimiterService {
    return (this.limiter ??= this.open(simpleLimits(this.requestsPerMinute)));
  }
}

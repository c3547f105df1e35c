// Apart from the other errors: these need Nest, and what runs without Nest must not load it.
import { HttpException } from '@nestjs/common';

/** What a `RateLimitExceededError` is about. */
export interface RateLimitRefusal {
  /** The limits that refused: a name of `rateLimit.limits`, or of a rule. */
  readonly limitName: string;
  /** Which of them: `minute`, `tokens`; absent when the counters could not be reached and refusing is the configured answer. */
  readonly exceeded?: string;
  /** Its figure. */
  readonly limit?: number;
  /** Until the same request would pass; absent where waiting does not help. */
  readonly retryAfterMs?: number;
}

const REFUSED_BY: Readonly<Record<string, string>> = {
  second: 'requests per second',
  minute: 'requests per minute',
  hour: 'requests per hour',
  day: 'requests per day',
  window: 'requests in its window',
  tokens: 'tokens per minute',
  concurrency: 'requests at a time',
};

/** A request that a rate limit refuses: 429 in OpenAI's shape. 503 where the counters could not be reached. */
export class RateLimitExceededError extends HttpException implements RateLimitRefusal {
  /** Stable, machine-readable. */
  readonly code: 'RATE_LIMIT_EXCEEDED' | 'RATE_LIMIT_UNAVAILABLE';
  readonly limitName: string;
  readonly exceeded?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;

  constructor({ limitName, exceeded, limit, retryAfterMs }: RateLimitRefusal) {
    const seconds = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000);
    const wait = seconds === undefined ? '' : ` Please try again in ${seconds} s.`;
    const known = exceeded !== undefined;
    const message = known
      ? `Rate limit reached: ${limit} ${REFUSED_BY[exceeded]} (${limitName}).${wait}`
      : `The rate limit (${limitName}) cannot be checked at the moment.${wait}`;
    const type = !known ? 'server_error' : exceeded === 'tokens' ? 'tokens' : 'requests';
    const code = known ? 'rate_limit_exceeded' : 'rate_limit_unavailable';
    super({ error: { message, type, param: null, code } }, known ? 429 : 503);
    this.name = new.target.name;
    this.message = message;
    this.code = known ? 'RATE_LIMIT_EXCEEDED' : 'RATE_LIMIT_UNAVAILABLE';
    this.limitName = limitName;
    this.exceeded = exceeded;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
  }
}

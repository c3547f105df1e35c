import { RateLimitExceededError } from '../common/http-errors.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { isLarge } from './body/body-size.js';
import { RequestContext } from './request-context.js';
import { estimateTokens } from './token-estimate/token-estimate.js';

/** What a call in this process counts under: a key, or a key and a name in `rateLimit.limits`. */
export type InProcessLimit = string | { readonly key: string; readonly limit?: string };

/** What counts and limits. */
export interface LimitCounters {
  readonly rateLimiter: RateLimiterService;
  readonly tokenCounter: TokenCounterService;
}

/** A call whose limits were taken, in the place of an HTTP request. */
export interface LimitedCall {
  /** For the call's `CallOptions`: its usage settles the reservation. */
  readonly request: object;
  /** Frees the slot; unless it failed, unknown usage leaves the reserved tokens as they are. */
  end(failed: boolean): void;
}

/**
 * Takes a request, and the tokens that its body may use, as `RateLimitGuard` does for a route.
 * @throws RateLimitExceededError if the limit denies it
 */
export async function takeLimits(counters: LimitCounters, body: object, of: InProcessLimit): Promise<LimitedCall> {
  const { rateLimiter, tokenCounter } = counters;
  const { key, limit } = typeof of === 'string' ? { key: of } : of;
  const { options } = rateLimiter;
  const limits = limit === undefined ? options.limit : options.named.get(limit);
  const request = {};
  const memory = RequestContext.of(request);
  const { tokensPerMinute } = limits ?? {};
  const counting = { counter: tokenCounter, tokensPerMinute: tokensPerMinute ?? Infinity, isLarge: isLarge({ body }), memory };
  const tokens = tokensPerMinute === undefined ? 0 : await estimateTokens(body, counting);
  const reservation = await rateLimiter.reserveAsync(key, { tokens, ...(limit !== undefined && { limit }) });
  if (!reservation.allowed) {
    const { exceeded, retryAfterMs, limit: figure } = reservation;
    throw new RateLimitExceededError({
      limitName: limit ?? options.limit.name,
      exceeded,
      limit: exceeded === 'tokens' ? tokensPerMinute : figure,
      retryAfterMs,
    });
  }
  memory.hold(rateLimiter, reservation);
  let isOver = false;
  return {
    request,
    end(failed) {
      if (!isOver) memory.end(failed);
      isOver = true;
    },
  };
}

import { RateLimitExceededError } from '../common/http-errors.js';
import { checkString, refuseArgument } from '../common/options.js';
import type { RateLimit } from '../rate-limit/limits.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import { Reservation } from '../rate-limit/reservation.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { isLarge } from './body/body-object.js';
import { rateLimitHeaders } from './guard/limit-headers.js';
import { setHeaders as setAll, type HeaderTarget } from './response-headers.js';
import { policyHeader, quotasOf, rateLimitRefusal, type LimitQuotas } from './guard/quotas.js';
import { RequestContext } from './request-context.js';
import { estimateTokens } from './token-estimate/token-estimate.js';

/**
 * The key that an in-process call is charged to, optionally with a name from `rateLimit.limits`.
 */
export type InProcessLimit = string | { readonly key: string; readonly limit?: string };

/** Replaces the HTTP request for an in-process call: its usage settles the reservation. */
export interface LimitedRequestFields {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: unknown;
}

/** The limiter and the token counter. */
export interface LimitCounters {
  readonly rateLimiter: RateLimiterService;
  readonly tokenCounter: TokenCounterService;
}

/** Limits that were taken for a call. */
export interface LimitedCall {
  /** Sets the headers that `RateLimitGuard` sets. */
  readonly setHeaders: (target: HeaderTarget) => void;
  /** Frees the slot. A call that failed gives back the tokens that it did not use. */
  readonly end: (failed: boolean) => void;
}

/**
 * Takes a request, and the tokens that its body may use, as `RateLimitGuard` does for a route.
 * @throws RateLimitExceededError if the limit denies it; InvalidArgumentError for an unknown limit
 */
export async function takeLimits(counters: LimitCounters, request: LimitedRequestFields, of: InProcessLimit): Promise<LimitedCall> {
  const { rateLimiter, tokenCounter } = counters;
  const { key, limit: name } = typeof of === 'string' ? { key: of } : of;
  const scope = { key: checkString('rateLimit.key', key, refuseArgument), limit: rateLimiter.limitNamed(name) };
  const { limit } = scope;
  const context = RequestContext.of(request);
  const { tokensPerMinute } = limit;
  const counting = { counter: tokenCounter, tokensPerMinute: tokensPerMinute ?? Infinity, isLarge: isLarge(request), memory: context };
  const tokens = tokensPerMinute === undefined ? 0 : await estimateTokens(request.body, counting);
  if (tokensPerMinute !== undefined) context.estimated = { tokens, tokensPerMinute };
  const decision = await rateLimiter.decide([scope], 1, tokens);
  const setHeaders = (target: HeaderTarget): void => {
    if (!rateLimiter.options.headers || decision.standings.length === 0) return;
    setAll(target, rateLimitHeaders(quotasFor(limit), decision));
  };
  if (!decision.allowed) {
    throw new RateLimitExceededError(rateLimitRefusal(limit, limit.name, decision, tokens));
  }
  context.hold.add(rateLimiter, new Reservation(decision, { scopes: [scope], tokens }));
  let isOver = false;
  const end = (failed: boolean): void => {
    if (!isOver) context.hold.end(failed);
    isOver = true;
  };
  return { setHeaders, end };
}

const known = new WeakMap<RateLimit, LimitQuotas>();

/** The same for every call under a limit. */
function quotasFor(limit: RateLimit): LimitQuotas {
  let quotas = known.get(limit);
  if (quotas === undefined) {
    const limits = [{ limit, quotas: quotasOf(limit.name, limit), isOfKey: true }];
    known.set(limit, (quotas = { limits, policyHeader: policyHeader(limits) }));
  }
  return quotas;
}

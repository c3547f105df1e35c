import { RateLimitExceededError } from '../../common/http-errors.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import type { CallLayer } from './layer.js';

/** Idle keys that stay in the table: V8 makes a new one when it becomes empty. */
const IDLE_KEYS = 1_000;

/**
 * Limits the calls that an API key has in flight in this process: each has a connection to a
 * provider for as long as its client reads. The master key, which apps share, has no limit.
 * @param inFlight calls by key
 */
export function callsPerKey(most: number, inFlight = new Map<string, number>()): CallLayer {
  return (next) => async (view) => {
    const { principal } = view.call;
    if (principal === undefined || principal === MASTER_PRINCIPAL) return next(view);
    const { limitKey } = principal;
    const count = inFlight.get(limitKey) ?? 0;
    if (count >= most) {
      const limitName = 'llmClient.maxCallsPerKey';
      throw new RateLimitExceededError({ limitName, exceeded: 'concurrency', limit: most, retryAfterMs: 1_000 });
    }
    inFlight.set(limitKey, count + 1);
    view.call.whenOver(() => {
      const left = (inFlight.get(limitKey) ?? 1) - 1;
      if (left > 0 || inFlight.size <= IDLE_KEYS) inFlight.set(limitKey, left);
      else inFlight.delete(limitKey);
    });
    return next(view);
  };
}

import { RateLimitExceededError } from '../common/http-errors.js';
import { MASTER_PRINCIPAL, type Principal } from '../http/principal.js';

/**
 * Limits the calls that an API key has in flight in this process: each has a connection to a
 * provider for as long as its client reads. The master key, which apps share, has no limit.
 */
export class CallsPerKey {
  private readonly inFlight = new Map<string, number>();

  constructor(private readonly most: number) {}

  /**
   * Counts a call until the returned function is called; `undefined`: its request has no key.
   * @throws RateLimitExceededError
   */
  begin(principal: Principal | undefined): (() => void) | undefined {
    if (principal === undefined || principal === MASTER_PRINCIPAL || this.most === Infinity) return undefined;
    const { limitKey } = principal;
    const count = this.inFlight.get(limitKey) ?? 0;
    if (count >= this.most)
      throw new RateLimitExceededError({
        limitName: 'llmClient.maxCallsPerKey',
        exceeded: 'concurrency',
        limit: this.most,
        retryAfterMs: 1_000,
      });
    this.inFlight.set(limitKey, count + 1);
    return () => {
      const left = (this.inFlight.get(limitKey) ?? 1) - 1;
      if (left > 0) this.inFlight.set(limitKey, left);
      else this.inFlight.delete(limitKey);
    };
  }
}

import { RateLimitExceededError } from '../../common/http-errors.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import type { CallView, CallLayer, Next } from './layer.js';

/**
 * Limits the calls that an API key has in flight in this process: each has a connection to a
 * provider for as long as its client reads. The master key, which apps share, has no limit.
 */
export class CallsPerKey implements CallLayer {
  readonly name = 'calls-per-key';
  private readonly inFlight = new Map<string, number>();

  constructor(private readonly most: number) {}

  /** @throws RateLimitExceededError (rejects) */
  async run(view: CallView, next: Next): Promise<unknown> {
    const { principal } = view.call;
    if (principal !== undefined && principal !== MASTER_PRINCIPAL) view.call.whenOver(this.begin(principal.limitKey));
    return next(view);
  }

  /** Counts a call until the returned function is called. */
  private begin(limitKey: string): () => void {
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

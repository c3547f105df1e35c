/** Failures in a row after which Redis, or a node of a Cluster, is not called any more. */
export const FAILURES_TO_OPEN = 3;
const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 2_000;

/**
 * Delays between attempts to reach Redis again: random around 100 ms at first, then around twice
 * the last, at most 2 s.
 */
export class Backoff {
  private delayMs = FIRST_DELAY_MS;

  next(): number {
    const delayMs = Math.min(LAST_DELAY_MS, this.delayMs * (0.5 + Math.random()));
    this.delayMs = Math.min(LAST_DELAY_MS, this.delayMs * 2);
    return delayMs;
  }

  reset(): void {
    this.delayMs = FIRST_DELAY_MS;
  }
}

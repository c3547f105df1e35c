/**
 * How many retries a client may make, over all of its requests: a share of the requests it is given, and a few a second whatever happens.
 * Where a provider fails for everybody, retries would double and treble the load on what is left of it.
 */
export class RetryBudget {
  private tokens: number;
  private atMs: number;
  /** Retries that were not made. */
  exhausted = 0;

  /**
   * @param ratio Retries per request, from 0.
   * @param perSecond Retries a second that are there without any request.
   */
  constructor(
    private readonly ratio: number,
    private readonly perSecond: number,
    nowMs: number,
  ) {
    this.tokens = this.capacity;
    this.atMs = nowMs;
  }

  /** Saved up for ten seconds: by the trickle, and by a hundred requests. */
  private get capacity(): number {
    return this.perSecond * 10 + this.ratio * 100;
  }

  /** A request has come. */
  deposit(): void {
    if (this.tokens < this.capacity) this.tokens = Math.min(this.capacity, this.tokens + this.ratio);
  }

  /** Whether a retry may be made; it is counted as made. */
  withdraw(nowMs: number): boolean {
    // A clock that is put back gives nothing.
    const seconds = Math.max(0, nowMs - this.atMs) / 1000;
    this.atMs = nowMs;
    this.tokens = Math.min(this.capacity, this.tokens + seconds * this.perSecond);
    if (this.tokens < 1) {
      this.exhausted++;
      return false;
    }
    this.tokens -= 1;
    return true;
  }
}

/** Share of the rate that is removed after a 429. */
const CUT = 0.22;
/** The old rate is reached again after so many requests at it, and not before so many seconds. */
const PLATEAU_REQUESTS = 55;
const SHORTEST_PLATEAU_MS = 5_500;
/** At this multiple of the old rate, the pace no longer limits. */
const LAST_SHARE = 4;
const MINUTE_MS = 60_000;

/**
 * The request rate after a 429 that no reported limit explains, according to CUBIC (RFC 9438). It
 * starts at 78 % of the old rate, approaches it quickly, stays near it for a while, and then grows,
 * the faster the longer no 429 occurs.
 */
export class Pace {
  /**
   * Since the probe, which took the first: what comes back while its answer is awaited may go at
   * once.
   */
  private credit = 0;
  private atMs: number;
  private readonly plateauMs: number;

  /**
   * @param perMinute Rate of the requests that were served before the 429.
   * @param startMs When the probe was answered.
   * @param probedMs When it was sent.
   */
  constructor(
    private readonly perMinute: number,
    private readonly startMs: number,
    probedMs: number,
  ) {
    this.atMs = probedMs;
    // One 429 ends each search: it takes more than 50 requests to keep them below 2 %.
    this.plateauMs = Math.max(SHORTEST_PLATEAU_MS, (PLATEAU_REQUESTS * MINUTE_MS) / perMinute);
  }

  isOver(nowMs: number): boolean {
    return this.shareAt(nowMs) >= LAST_SHARE;
  }

  /** Until a request may go; 0: now. */
  waitMs(nowMs: number): number {
    const credit = this.creditAt(nowMs);
    return credit >= 1 ? 0 : (1 - credit) / this.perMsAt(nowMs);
  }

  /** Requests a minute at this moment. */
  perMinuteAt(nowMs: number): number {
    return this.perMinute * this.shareAt(nowMs);
  }

  take(nowMs: number): void {
    this.credit = this.creditAt(nowMs) - 1;
    this.atMs = nowMs;
  }

  /** At most what one second brings is saved up. */
  private creditAt(nowMs: number): number {
    const perMs = this.perMsAt(nowMs);
    return Math.min(this.credit + (nowMs - this.atMs) * perMs, Math.max(1, perMs * 1_000));
  }

  private perMsAt(nowMs: number): number {
    return this.perMinuteAt(nowMs) / MINUTE_MS;
  }

  private shareAt(nowMs: number): number {
    const { startMs, plateauMs } = this;
    return 1 + CUT * ((nowMs - startMs) / plateauMs - 1) ** 3;
  }
}

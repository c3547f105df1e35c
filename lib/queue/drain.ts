/** Calls and service times that are remembered. */
const REMEMBERED = 64;
/** Older ones say nothing about the rate of now. */
const WINDOW_MS = 60_000;

const SHORTEST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** How fast waiting calls go, and how long calls take at their deployments. */
export class Drain {
  private readonly goneAtMs: number[] = [];
  private readonly serviceMs: number[] = [];
  private served = 0;

  /** A waiting call has got its deployment. */
  gone(nowMs: number): void {
    this.goneAtMs.push(nowMs);
    if (this.goneAtMs.length > REMEMBERED) this.goneAtMs.shift();
  }

  /** An attempt has succeeded after this time. */
  ended(durationMs: number): void {
    this.serviceMs[this.served++ % REMEMBERED] = durationMs;
  }

  /** Calls that leave for a deployment, per second; 0 where none did in the last minute. */
  perSecond(nowMs: number): number {
    const recent = this.goneAtMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
    if (recent.length === 0) return 0;
    // One call tells no rate: it counts as one of a second.
    return recent.length / Math.max(1, (nowMs - recent[0]) / 1000);
  }

  /** Median of the last service times; 0 without any. */
  get medianServiceMs(): number {
    const { serviceMs } = this;
    return serviceMs.length === 0 ? 0 : [...serviceMs].sort((a, b) => a - b)[serviceMs.length >> 1];
  }

  /** When `waiting` calls will be gone at the rate of now: 1 to 60 s, to the second. */
  retryAfterMs(waiting: number, nowMs: number): number {
    const rate = this.perSecond(nowMs);
    if (rate === 0) return LONGEST_RETRY_MS;
    const waitMs = Math.ceil(waiting / rate) * 1000;
    return Math.min(Math.max(waitMs, SHORTEST_RETRY_MS), LONGEST_RETRY_MS);
  }
}

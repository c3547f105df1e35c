import type { ReportedLimit } from './reported-limits.js';

/** Assumed refill time if a provider does not report when its limit is full again. */
const USUAL_WINDOW_MS = 60_000;
/** Resets are rounded to seconds, so a smaller shift proves nothing. */
const SHOWING_SHIFT_MS = 2_000;

/** A reported reset, and what had been sent by then. */
interface Reference {
  readonly resetAtMs: number;
  readonly sent: number;
}

/** A limit at the time of the provider's report, and the usage since then. */
export class ReportedBucket {
  private limit = 0;
  /** Remaining quota at `atMs`, when `sentBefore` had been sent by our own count. */
  private remaining = 0;
  private atMs = -Infinity;
  private sentBefore = 0;
  /** Refill per millisecond. */
  private refill = 0;
  private resetAtMs = 0;
  /** When the reporting request was sent: later requests are not in `remaining`. */
  private sentAtMs = -Infinity;
  private reportedAtMs = 0;
  private reference: Reference | undefined = undefined;
  /** Whether the limit refills all at once, when its window ends, instead of gradually. */
  private isStepped = false;

  /** @param sent By our own count, up to and including the request whose answer reports it. */
  update({ limit, remaining, resetMs }: ReportedLimit, sent: { readonly atMs: number; readonly total: number }, nowMs: number): void {
    // Answers can arrive out of order; the answer to the latest request is the newest.
    if (sent.atMs < this.sentAtMs) return;
    const missing = limit - remaining;
    if (resetMs !== undefined && resetMs > 0 && missing > 0) this.refill = missing / resetMs;
    else if (this.refill === 0 || limit !== this.limit) this.refill = limit / USUAL_WINDOW_MS;
    this.limit = limit;
    this.remaining = remaining;
    this.atMs = this.sentAtMs = sent.atMs;
    this.sentBefore = sent.total;
    this.reportedAtMs = nowMs;
    this.resetAtMs = sent.atMs + (resetMs ?? missing / this.refill);
    if (resetMs !== undefined) this.compareResets(sent);
  }

  /**
   * Called before a request is sent. Without it, requests sent while the limit was full would be
   * offset against later refills forever.
   */
  advance(sent: number, nowMs: number): void {
    this.remaining = this.level(sent, nowMs);
    this.sentBefore = sent;
    this.atMs = Math.max(this.atMs, nowMs);
    // The end of the next window is not reported yet.
    if (this.isStepped && nowMs >= this.resetAtMs) this.resetAtMs = nowMs + USUAL_WINDOW_MS;
  }

  /** Until `cost` fits, in milliseconds; 0: it fits now. @param sent In all, by our own count. */
  waitMs(cost: number, sent: number, nowMs: number): number {
    // A request above the whole limit never fits, so it is sent when the limit is unused.
    const missing = Math.min(cost, this.limit) - this.level(sent, nowMs);
    if (missing <= 0) return 0;
    return this.isStepped && nowMs < this.resetAtMs ? this.resetAtMs - nowMs : missing / this.refill;
  }

  /** Limit, remaining quota as far as this process knows, and the age of the report. */
  figures(sent: number, nowMs: number): { readonly limit: number; readonly remaining: number; readonly ageMs: number } {
    return { limit: this.limit, remaining: Math.max(0, Math.floor(this.level(sent, nowMs))), ageMs: nowMs - this.reportedAtMs };
  }

  /** At least minus the limit, because the provider would have denied everything beyond it. */
  private level(sent: number, nowMs: number): number {
    const { limit, remaining, sentBefore } = this;
    const back = this.isStepped ? (nowMs >= this.resetAtMs ? Infinity : 0) : Math.max(0, nowMs - this.atMs) * this.refill;
    return Math.max(Math.min(limit, remaining + back) - (sent - sentBefore), -limit);
  }

  /**
   * In a bucket that refills gradually, each request postpones the reset; the end of a window does
   * not move.
   */
  private compareResets({ atMs, total }: { readonly atMs: number; readonly total: number }): void {
    const { reference, resetAtMs } = this;
    const isRunning = reference !== undefined && reference.resetAtMs > atMs;
    const expectedMs = isRunning ? (total - reference.sent) / this.refill : 0;
    if (isRunning && expectedMs < SHOWING_SHIFT_MS) return;
    if (isRunning) this.isStepped = resetAtMs - reference.resetAtMs < expectedMs / 2;
    this.reference = { resetAtMs, sent: total };
  }
}

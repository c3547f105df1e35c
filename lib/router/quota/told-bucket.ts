import type { ToldLimit } from './told-limits.js';

/** Where a provider does not tell when its limit is full again. */
const USUAL_WINDOW_MS = 60_000;
/** Resets are told to the second: less than this shift of one shows nothing. */
const SHOWING_SHIFT_MS = 2_000;

/** A reset that was told, and what had been sent by then. */
interface Reference {
  readonly resetAtMs: number;
  readonly sent: number;
}

/** A limit at the moment for which the provider told it, and what was sent since. */
export class ToldBucket {
  private limit = 0;
  /** What was left at `atMs`, when `sentBefore` had been sent by our own count. */
  private remaining = 0;
  private atMs = -Infinity;
  private sentBefore = 0;
  /** What comes back in a millisecond. */
  private refill = 0;
  private resetAtMs = 0;
  /** When the request was sent whose answer told it: later requests are not in `remaining`. */
  private sentAtMs = -Infinity;
  private toldAtMs = 0;
  private reference: Reference | undefined = undefined;
  /** Whether the limit comes back all at once, when its window ends, and not bit by bit. */
  private isStepped = false;

  /** @param sent By our own count, up to and with the request whose answer tells it. */
  tell({ limit, remaining, resetMs }: ToldLimit, sent: { readonly atMs: number; readonly total: number }, nowMs: number): void {
    // Answers overtake one another: the one to the latest request knows most.
    if (sent.atMs < this.sentAtMs) return;
    const missing = limit - remaining;
    if (resetMs !== undefined && resetMs > 0 && missing > 0) this.refill = missing / resetMs;
    else if (this.refill === 0 || limit !== this.limit) this.refill = limit / USUAL_WINDOW_MS;
    this.limit = limit;
    this.remaining = remaining;
    this.atMs = this.sentAtMs = sent.atMs;
    this.sentBefore = sent.total;
    this.toldAtMs = nowMs;
    this.resetAtMs = sent.atMs + (resetMs ?? missing / this.refill);
    if (resetMs !== undefined) this.compareResets(sent);
  }

  /**
   * A request is about to be sent. Without it, what was sent while the limit was full and what came
   * back since would be set off against each other for ever.
   */
  advance(sent: number, nowMs: number): void {
    this.remaining = this.level(sent, nowMs);
    this.sentBefore = sent;
    this.atMs = Math.max(this.atMs, nowMs);
    // The next window is not told yet.
    if (this.isStepped && nowMs >= this.resetAtMs) this.resetAtMs = nowMs + USUAL_WINDOW_MS;
  }

  /** Until `cost` fits, in milliseconds; 0: it fits now. @param sent In all, by our own count. */
  waitMs(cost: number, sent: number, nowMs: number): number {
    // More than the whole limit never fits: such a request goes when all of it is there.
    const missing = Math.min(cost, this.limit) - this.level(sent, nowMs);
    if (missing <= 0) return 0;
    return this.isStepped && nowMs < this.resetAtMs ? this.resetAtMs - nowMs : missing / this.refill;
  }

  /** Limit, what is left now as far as this process knows, and since when the limit is known. */
  figures(sent: number, nowMs: number): { readonly limit: number; readonly remaining: number; readonly ageMs: number } {
    return { limit: this.limit, remaining: Math.max(0, Math.floor(this.level(sent, nowMs))), ageMs: nowMs - this.toldAtMs };
  }

  /** At least minus the limit: of one window the provider would have refused the rest. */
  private level(sent: number, nowMs: number): number {
    const { limit, remaining, sentBefore } = this;
    const back = this.isStepped ? (nowMs >= this.resetAtMs ? Infinity : 0) : Math.max(0, nowMs - this.atMs) * this.refill;
    return Math.max(Math.min(limit, remaining + back) - (sent - sentBefore), -limit);
  }

  /**
   * A bucket that refills is full the later, the more is sent; the end of a window stays where it
   * is.
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

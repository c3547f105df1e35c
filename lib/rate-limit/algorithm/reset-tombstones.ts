/**
 * So many are remembered. With more, the oldest is forgotten, and its key counts as never reset.
 */
const MOST = 4096;
const MINUTE_MS = 60_000;

interface Reset {
  /** The last one of the key. */
  atMs: number;
  /** Requests that were in flight at a reset and have not ended. */
  inFlight: number;
}

/**
 * Keys that were reset while their requests were in flight. When those requests are released later,
 * they must not free what was charged since.
 */
export class ResetTombstones {
  private readonly resets = new Map<string, Reset>();

  /** Remembers that a key with so many requests in flight was reset. */
  add(id: string, inFlight: number, atMs: number): void {
    const { resets } = this;
    for (const [first, reset] of resets) {
      const isOver = reset.inFlight === 0 && atMs - reset.atMs >= MINUTE_MS;
      if (resets.size < MOST && !isOver) break;
      resets.delete(first);
    }
    const before = resets.get(id)?.inFlight ?? 0;
    resets.set(id, { atMs, inFlight: before + inFlight });
  }

  /**
   * Whether the request that was allowed at `takenMs` was in flight at a reset; if so it has ended
   * now. At the very instant of the reset that cannot be told: then it counts as such while some
   * have not ended, so that requests in flight are never counted as fewer than they are.
   */
  end(id: string, takenMs: number): boolean {
    const reset = this.resets.get(id);
    if (reset === undefined || reset.inFlight === 0 || takenMs > reset.atMs) return false;
    reset.inFlight -= 1;
    return true;
  }

  /** Whether a reset has forgotten what was taken at `takenMs`. */
  covers(id: string, takenMs: number): boolean {
    const reset = this.resets.get(id);
    return reset !== undefined && takenMs <= reset.atMs;
  }
}

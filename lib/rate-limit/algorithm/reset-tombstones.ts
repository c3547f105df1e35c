import type { KeyState } from './key-state.js';
import type { Policy } from './policy.js';

/** So many are remembered: with more, the first that was reset is as one never reset. */
const MOST = 4096;
const MINUTE_MS = 60_000;

interface Reset {
  /** When the key was reset last. */
  atMs: number;
  /** Places that were taken before, and are still to be given back. */
  places: number;
}

/** Keys that were reset while requests of theirs were under way: what these give back later is nobody's. */
export class Forgotten {
  private readonly resets = new Map<string, Reset>();

  /** Remembers that a key was reset. */
  add({ policy, low, high, inFlight }: KeyState, atMs: number): void {
    const { resets } = this;
    for (const [id, reset] of resets) {
      if (resets.size < MOST && !isOver(reset, atMs)) break;
      resets.delete(id);
    }
    const id = idOf(policy, low, high);
    const known = resets.get(id);
    if (known === undefined) resets.set(id, { atMs, places: inFlight });
    else {
      known.atMs = atMs;
      known.places += inFlight;
    }
  }

  /**
   * Whether a place that was taken at `takenMs` went with its key; if so it is given back by that. Of one taken at the very instant of the reset nobody knows: it
   * counts as gone as long as some are to come, so that places are never fewer than requests under way.
   */
  hasPlace(policy: Policy, low: number, high: number, takenMs: number): boolean {
    if (this.resets.size === 0) return false;
    const reset = this.resets.get(idOf(policy, low, high));
    if (reset === undefined || reset.places === 0 || takenMs > reset.atMs) return false;
    reset.places -= 1;
    return true;
  }

  /** Whether what was taken at `takenMs` went with its key. */
  has(policy: Policy, low: number, high: number, takenMs: number): boolean {
    if (this.resets.size === 0) return false;
    const reset = this.resets.get(idOf(policy, low, high));
    return reset !== undefined && takenMs <= reset.atMs;
  }
}

/** Whether nothing can come any more of what was taken before. */
function isOver({ atMs, places }: Reset, nowMs: number): boolean {
  return places === 0 && nowMs - atMs >= MINUTE_MS;
}

function idOf({ family }: Policy, low: number, high: number): string {
  return `${family}/${low}/${high}`;
}

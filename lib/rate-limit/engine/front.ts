import { KeySpace } from '../algorithm/key-space.js';
import { KeyState } from '../algorithm/key-state.js';
import type { Policy } from '../algorithm/policy.js';

/** So many keys are decided faster in JavaScript than by a call. */
export const FRONT_KEYS = 4_096;
/** A space that may hold no more than this many times as many keys has all of them in JavaScript for good. */
export const SMALL_SPACE = 2;
/** Keys that leave the front with each decision, once it is too small for all: faster than new ones come. */
const SENT_BACK = 2;
/** Of so many neighbours the one goes that was used least recently. */
const COMPARED = 4;

/** Where the keys are that the front does not hold. */
export interface KeysBehind {
  /** Takes a key out, with its place, and writes its state into `numbers`. Returns how many numbers that are, 0 if it is not held. */
  lend(policy: Policy, low: number, high: number): number;
  /** Puts a key there, with the state that is written in `numbers`. */
  takeBack(state: KeyState, length: number, nowMs: number): void;
  /** A lent key has left its place for good, or comes back. */
  makeRoom(): void;
  /** Where a state is written. */
  readonly numbers: Float64Array;
}

/**
 * Keys of a space that only this thread uses, in front of the addon, which is a call away: all of them as long as they are few, after that those that have
 * a handle, as to keep the most frequent of a hundred thousand there takes longer than to ask the addon for them. A key is in one of both places at any
 * time, with its whole state, so the front changes what a decision costs and never what it says.
 */
export class Front {
  readonly keys: KeySpace;
  /** Whether new keys come here. */
  isGrowing = true;
  private readonly lent = new Set<KeyState>();

  /** @param most Keys that it holds at most. */
  constructor(
    private readonly behind: KeysBehind,
    private readonly most = FRONT_KEYS,
  ) {
    // It sends keys back and forgets none.
    this.keys = new KeySpace(null, Infinity, (state) => {
      if (this.lent.delete(state)) behind.makeRoom();
    });
  }

  /** To be called before each decision that the front may not make alone. */
  retreat(nowMs: number): void {
    const { keys, lent } = this;
    if (this.isGrowing && keys.size < this.most) return;
    this.isGrowing = false;
    for (let sent = 0; sent < SENT_BACK && keys.size > lent.size; sent++) {
      const state = keys.next();
      if (!lent.has(state)) this.sendBack(state, nowMs);
    }
  }

  /** Brings a key to the front, if it is held behind and there is a place for it. */
  fetch(policy: Policy, low: number, high: number, nowMs: number): KeyState | null {
    const { keys } = this;
    const leaving = keys.size < this.most ? null : this.longUnused();
    if (keys.size >= this.most && leaving === null) return null;
    const state = this.bring(policy, low, high);
    if (state !== null && leaving !== null) this.sendBack(leaving, nowMs);
    return state;
  }

  /** Brings a key to the front, if it is held behind, whether or not there is a place for it. */
  bring(policy: Policy, low: number, high: number): KeyState | null {
    const { keys, behind } = this;
    if (behind.lend(policy, low, high) === 0) return null;
    const state = new KeyState(keys.lines, policy, low, high);
    state.readAll(behind.numbers, keys.originMs);
    this.lent.add(state);
    return keys.hold(state);
  }

  /** Sends a key back, if it is here. */
  giveBack(policy: Policy, low: number, high: number, nowMs: number): void {
    const state = this.keys.findState(policy, low, high);
    if (state !== null) this.sendBack(state, nowMs);
  }

  /** Nobody who came lately: where more keys than have a place come in turn, all would be on the move. */
  private longUnused(): KeyState | null {
    const { keys } = this;
    let oldest = keys.next();
    for (let compared = 1; compared < COMPARED; compared++) {
      const other = keys.next();
      if (other.touched < oldest.touched) oldest = other;
    }
    return keys.isRecent(oldest, this.most) ? null : oldest;
  }

  /** A state with more numbers than can be written stays. */
  private sendBack(state: KeyState, nowMs: number): void {
    const { keys, behind } = this;
    state.pruneAll(nowMs);
    if (state.numbersOfAll > behind.numbers.length) return;
    const length = state.writeAll(behind.numbers, keys.originMs);
    keys.drop(state);
    behind.takeBack(state, length, keys.toEpoch(nowMs));
  }
}

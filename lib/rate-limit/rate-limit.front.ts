import { KeySpace } from './rate-limit.key-space.js';
import { KeyState } from './rate-limit.key-state.js';
import type { Policy } from './rate-limit.policy.js';

/** So many keys are decided faster in JavaScript than by a call. */
export const FRONT_KEYS = 4_096;
/** A space that may hold no more keys than this has all of them in JavaScript for good. */
export const SMALL_SPACE_KEYS = 2 * FRONT_KEYS;
/** Keys that leave the front with each decision, once it has to go: faster than new ones come. */
const SENT_BACK = 2;

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
 * Keys of a space that only this thread uses, in front of the addon, which is a call away: all of them as long as they are few, and those that have a
 * handle for good. A key is in one of both places at any time, with its whole state, so the front changes what a decision costs and never what it says.
 */
export class Front {
  readonly keys: KeySpace;
  /** Whether new keys come here. */
  isGrowing = true;
  private readonly lent = new Set<KeyState>();

  constructor(private readonly behind: KeysBehind) {
    // More than come before it begins to send them back: it forgets none.
    this.keys = new KeySpace(null, SMALL_SPACE_KEYS, (state) => {
      if (this.lent.delete(state)) behind.makeRoom();
    });
  }

  /** To be called before each decision that the front may not make alone. */
  retreat(nowMs: number): void {
    const { keys, lent } = this;
    if (this.isGrowing && keys.size < FRONT_KEYS) return;
    this.isGrowing = false;
    for (let sent = 0; sent < SENT_BACK && keys.size > lent.size; sent++) {
      const state = keys.next();
      if (!lent.has(state)) this.sendBack(state, nowMs);
    }
  }

  /** Brings the key of a handle to the front, if it is held behind. */
  fetch(policy: Policy, low: number, high: number): KeyState | null {
    const { keys, behind } = this;
    if (keys.size >= FRONT_KEYS || behind.lend(policy, low, high) === 0) return null;
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

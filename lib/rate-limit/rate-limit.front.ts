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
  /** Takes a key out, with its place, and writes its state into \`numbers\`. Returns how many numbers that are, 0 if it is not held. */
  lend(policy: Policy, low: number, high: number): number;
  /** Puts a key there, with the state that is written in \`numbers\`. */
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
export class FrontSpace extends KeySpace {
  /** Whether new keys come here. */
  isGrowing = true;
  private readonly lent = new Set<KeyState>();

  constructor(private readonly behind: KeysBehind) {
    // More than come before it begins to send them back: it forgets none.
    super(null, SMALL_SPACE_KEYS);
  }

  /** To be called before each decision that the front may not make alone. */
  retreat(nowMs: number): void {
    if (this.isGrowing && this.size < FRONT_KEYS) return;
    this.isGrowing = false;
    for (let sent = 0; sent < SENT_BACK && this.size > this.lent.size; sent++) {
      const state = this.next();
      if (!this.lent.has(state)) this.sendBack(state, nowMs);
    }
  }

  /** Brings the key of a handle to the front, if it is held behind. */
  fetch(policy: Policy, low: number, high: number): KeyState | null {
    if (this.size >= FRONT_KEYS || this.behind.lend(policy, low, high) === 0) return null;
    const state = new KeyState(this.lines, policy, low, high);
    state.readAll(this.behind.numbers, this.originMs);
    this.lent.add(state);
    return this.hold(state);
  }

  /** Sends a key back, if it is here. */
  giveBack(policy: Policy, low: number, high: number, nowMs: number): void {
    const state = this.findState(policy, low, high);
    if (state !== null) this.sendBack(state, nowMs);
  }

  protected override drop(state: KeyState): void {
    super.drop(state);
    if (this.lent.delete(state)) this.behind.makeRoom();
  }

  /** A state with more numbers than can be written stays. */
  private sendBack(state: KeyState, nowMs: number): void {
    const { numbers } = this.behind;
    state.pruneAll(nowMs);
    if (state.numbersOfAll > numbers.length) return;
    const length = state.writeAll(numbers, this.originMs);
    this.drop(state);
    this.behind.takeBack(state, length, this.toEpoch(nowMs));
  }
}

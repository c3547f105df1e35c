import { KeySpace } from './rate-limit.key-space.js';
import { KeyState } from './rate-limit.key-state.js';
import type { Policy } from './rate-limit.policy.js';

/** Keys that a front holds at most: as many as are hot at a time, in a few megabytes. */
export const FRONT_KEYS = 16_384;
/** Marks of the keys that were asked about behind the front lately. */
const MARKS = 16_384;
/** A key comes to the front when it was asked about so often lately: while there is room, and where another has to go. */
const TIMES = 2;
const TIMES_WHEN_FULL = 3;
/** To exchange two keys costs as much as some dozens of decisions. */
const CALLS_PER_EXCHANGE = 32;

/** Where the keys are that the front does not hold. */
export interface KeysBehind {
  /** Takes a key out, with its place, and writes its state into `numbers`. Returns how many numbers that are, 0 if it is not held. */
  lend(policy: Policy, low: number, high: number): number;
  /** Puts a key back, with the state that is written in `numbers`. */
  takeBack(state: KeyState, length: number, nowMs: number): void;
  /** The place of a lent key is free. */
  makeRoom(): void;
  /** Where a state is written. */
  readonly numbers: Float64Array;
}

/**
 * The hottest keys of a space that only this thread uses, out of a larger space that is a call away: a key is in one of both at any time, with its whole
 * state, so the front changes what a decision costs and never what it says.
 */
export class FrontSpace extends KeySpace {
  private readonly marks = new Int32Array(MARKS);
  private readonly times = new Uint8Array(MARKS);
  private calls = 0;

  constructor(
    private readonly behind: KeysBehind,
    maxKeys: number,
  ) {
    super(null, maxKeys);
  }

  /** Whether a key with this mark, a part of its hash, which was decided behind, is asked about often enough to come to the front. */
  isHot(mark: number): boolean {
    this.calls += 1;
    const place = mark & (MARKS - 1);
    if (this.marks[place] !== mark) {
      this.marks[place] = mark;
      this.times[place] = 1;
      return false;
    }
    const times = (this.times[place] += 1);
    if (this.size < this.maxKeys) return times >= TIMES;
    if (times < TIMES_WHEN_FULL || this.calls < CALLS_PER_EXCHANGE) return false;
    this.calls = 0;
    return true;
  }

  /** Brings a key to the front, if it is held behind. */
  fetch(policy: Policy, low: number, high: number, nowMs: number): KeyState | null {
    this.makeRoom(nowMs);
    if (this.size >= this.maxKeys || this.behind.lend(policy, low, high) === 0) return null;
    const state = new KeyState(policy, low, high);
    state.readAll(this.behind.numbers, this.originMs);
    return this.hold(state);
  }

  /** Sends a key back, if it is here. */
  giveBack(policy: Policy, low: number, high: number, nowMs: number): void {
    const state = this.find(policy, low, high);
    if (state !== null) this.sendBack(state, nowMs);
  }

  protected override drop(state: KeyState): void {
    super.drop(state);
    this.behind.makeRoom();
  }

  protected override evict(victim: KeyState, nowMs: number): boolean {
    if (!victim.isIdle(nowMs)) return this.sendBack(victim, nowMs);
    this.drop(victim);
    return true;
  }

  /** `false`: its state has more numbers than can be written. It stays. */
  private sendBack(state: KeyState, nowMs: number): boolean {
    const { numbers } = this.behind;
    state.pruneAll(nowMs);
    if (state.numbersOfAll > numbers.length) return false;
    this.behind.takeBack(state, state.writeAll(numbers, this.originMs), this.toEpoch(nowMs));
    super.drop(state);
    return true;
  }
}

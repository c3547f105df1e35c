import { DecisionCode } from './rate-limit.engine.js';
import { KeyIndex } from './rate-limit.key-index.js';
import { KeyState } from './rate-limit.key-state.js';
import type { Policy } from './rate-limit.policy.js';

/** Up to so many keys the least recently used one is found exactly. */
const EXACT_LRU_KEYS = 1024;
/** Above that, so many neighbours are compared. */
const COMPARED = 16;
const COMPARED_AT_MOST = 256;
/** Keys that a new key makes the sweep look at: the sweep is faster than growth. */
const SWEPT = 2;
/** The latest time an engine understands, in the year 2109. */
const LATEST_MS = 2 ** 42 - 1;

/** The keys of one space, bounded. No timers: what is idle goes when new keys come. */
export class KeySpace {
  allowed = 0;
  denied = 0;
  evicted = 0;
  /** How often it is open. */
  opened = 1;
  private readonly index = new KeyIndex();
  /** Without gaps. */
  private readonly states: KeyState[] = [];
  private uses = 0;
  /** What its own times count from: the first that it heard of. Small numbers are cheaper to keep. */
  protected originMs = 0;
  private isBegun = false;
  private latestMs = 0;
  /** Where the sweep stands. */
  private hand = 0;

  constructor(
    readonly name: string | null,
    public maxKeys: number,
  ) {}

  get size(): number {
    return this.states.length;
  }

  /** The space's time, which never runs back: what is idle may be dropped, and a clock that is put back must not bring it to mind. */
  at(nowMs: number): number {
    const ms = Math.floor(nowMs) - this.originMs;
    if (ms > this.latestMs || !this.isBegun) this.advance(ms);
    return this.latestMs;
  }

  /** A time of the space as the caller counts it. */
  toEpoch(atMs: number): number {
    return atMs + this.originMs;
  }

  /** The reverse; may be before the space's beginning. */
  fromEpoch(ms: number): number {
    return ms - this.originMs;
  }

  private advance(ms: number): void {
    if (this.isBegun) {
      this.latestMs = Math.min(ms, LATEST_MS - this.originMs);
    } else {
      this.isBegun = true;
      this.originMs = ms > 0 ? Math.min(ms, LATEST_MS) : 0;
    }
  }

  /** What is held under a key's hash; it was used. */
  find(policy: Policy, low: number, high: number): KeyState | null {
    const number = this.index.find(low, high, policy.family);
    if (number < 0) return null;
    const state = this.states[number];
    this.touch(state);
    return state;
  }

  /** Counts a decision. */
  count(code: number): void {
    if (code === DecisionCode.allowed) this.allowed += 1;
    else this.denied += 1;
  }

  /** Makes a key the one that was used last. */
  touch(state: KeyState): void {
    if (state.touched !== this.uses || this.uses === 0) state.touched = ++this.uses;
  }

  /** A key that `find` did not find, made at `nowMs`. */
  insert(policy: Policy, low: number, high: number, nowMs: number): KeyState {
    this.makeRoom(nowMs);
    return this.hold(new KeyState(policy, low, high));
  }

  delete(policy: Policy, low: number, high: number): void {
    const number = this.index.find(low, high, policy.family);
    if (number >= 0) this.drop(this.states[number]);
  }

  protected hold(state: KeyState): KeyState {
    this.touch(state);
    state.number = this.states.push(state) - 1;
    this.index.add(state.low, state.high, state.policy.family, state.number);
    return state;
  }

  protected drop(state: KeyState): void {
    const { number } = state;
    state.dropped = true;
    this.index.remove(state.low, state.high, state.policy.family);
    const last = this.states.pop() as KeyState;
    if (last === state) return;
    this.states[number] = last;
    last.number = number;
    this.index.renumber(last.low, last.high, last.policy.family, number);
  }

  protected makeRoom(nowMs: number): void {
    for (let looked = 0; looked < SWEPT && this.states.length > 0; looked++) {
      const state = this.next();
      if (state.isIdle(nowMs)) this.drop(state);
    }
    while (this.states.length >= this.maxKeys && this.states.length > 0) if (!this.evict(this.victim(nowMs), nowMs)) return;
  }

  /** A key has to go. Whether it did. */
  protected evict(victim: KeyState, nowMs: number): boolean {
    if (!victim.isIdle(nowMs)) this.evicted += 1;
    this.drop(victim);
    return true;
  }

  private victim(nowMs: number): KeyState {
    const { length } = this.states;
    const exact = length <= EXACT_LRU_KEYS;
    let oldest = this.next();
    for (let index = 1; !oldest.isIdle(nowMs); index++) {
      // Neighbours came about the same time: where all are new, the search goes on.
      const isOld = oldest.touched < this.uses - length / 2;
      if (index >= (exact ? length : isOld ? COMPARED : COMPARED_AT_MOST)) break;
      const other = this.next();
      if (rank(other, nowMs) < rank(oldest, nowMs)) oldest = other;
    }
    return oldest;
  }

  /** The key after the last one, round and round. */
  private next(): KeyState {
    this.hand = this.hand + 1 < this.states.length ? this.hand + 1 : 0;
    return this.states[this.hand];
  }
}

/** What goes first: idle keys, then those without a request under way, least recently used first. */
function rank(state: KeyState, nowMs: number): number {
  if (state.isIdle(nowMs)) return -1;
  return state.inFlight > 0 ? state.touched + Number.MAX_SAFE_INTEGER / 2 : state.touched;
}

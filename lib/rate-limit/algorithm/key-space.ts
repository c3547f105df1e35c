import { DecisionCode } from '../engine/engine.js';
import { Forgotten } from './reset-tombstones.js';
import { KeyIndex } from './key-index.js';
import { KeyLines, Line } from './key-table.js';
import { KeyState } from './key-state.js';
import type { Policy } from './policy.js';

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
  /** Keys that are held. */
  size = 0;
  /** What is read and written of most keys, by the number of a line. */
  readonly lines = new KeyLines();
  private readonly index = new KeyIndex();
  private readonly forgotten = new Forgotten();
  /** The rest, by the number of a key's first line. */
  private readonly states: (KeyState | undefined)[] = [];
  private uses = 0;
  /** The line that was used last, -1 if it was dropped since. */
  private newest = -1;
  /** What its own times count from: the first that it heard of. Small numbers are cheaper to keep. */
  originMs = 0;
  /** No number before the first time. */
  private latestMs = NaN;
  /** Where the sweep stands. */
  private hand = 0;

  constructor(
    readonly name: string | null,
    public maxKeys: number,
    /** To be told of a key that goes. */
    private readonly onDrop?: (state: KeyState) => void,
  ) {}

  /** The space's time, which never runs back: what is idle may be dropped, and a clock that is put back must not bring it to mind. */
  at(nowMs: number): number {
    const ms = Math.floor(nowMs) - this.originMs;
    if (ms !== this.latestMs) this.advance(ms);
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
    if (Number.isNaN(this.latestMs)) {
      this.originMs = ms > 0 ? Math.min(ms, LATEST_MS) : 0;
      this.latestMs = 0;
    } else if (ms > this.latestMs) {
      this.latestMs = Math.min(ms, LATEST_MS - this.originMs);
    }
  }

  /** The line of a key by its hash, -1 if it is not held; it was used. */
  find(policy: Policy, low: number, high: number): number {
    const { newest } = this;
    return newest >= 0 && this.lines.isOf(newest, low, high, policy.family) ? newest : this.findOther(policy, low, high);
  }

  private findOther(policy: Policy, low: number, high: number): number {
    const line = this.index.find(low, high, policy.family);
    if (line >= 0) this.putFirst(line);
    return line;
  }

  /** Everything about the key of a line. */
  state(line: number): KeyState {
    return this.states[line] as KeyState;
  }

  /** The same, found by a key's hash. */
  findState(policy: Policy, low: number, high: number): KeyState | null {
    const line = this.find(policy, low, high);
    return line < 0 ? null : this.state(line);
  }

  /** Counts a decision. */
  count(code: number): void {
    if (code === DecisionCode.allowed) this.allowed += 1;
    else this.denied += 1;
  }

  /** Makes a key the one that was used last. */
  touch(line: number): void {
    if (line !== this.newest) this.putFirst(line);
  }

  /** Whether no more than so many others were used since. */
  isRecent(state: KeyState, others: number): boolean {
    return this.uses - state.touched <= others;
  }

  private putFirst(line: number): void {
    this.newest = line;
    this.lines.set(line, Line.touched, ++this.uses);
  }

  /** A key that `find` did not find, made at `nowMs`. */
  insert(policy: Policy, low: number, high: number, nowMs: number): KeyState {
    this.makeRoom(nowMs);
    return this.hold(new KeyState(this.lines, policy, low, high));
  }

  /** Forgets a key, and that what is under way of it has taken anything. */
  reset(policy: Policy, low: number, high: number): void {
    const line = this.index.find(low, high, policy.family);
    if (line < 0) return;
    const state = this.state(line);
    if (state.inFlight > 0 || policy.tokensPerMinute !== Infinity) this.forgotten.add(state, this.latestMs);
    this.drop(state);
  }

  /** Gives back a place under a key: that of a request that was let pass at `takenMs`, or any if that is infinite. Whether the key is held here, or was. */
  release(policy: Policy, low: number, high: number, takenMs: number): boolean {
    const taken = this.fromEpoch(takenMs);
    if (this.forgotten.hasPlace(policy, low, high, taken)) return true;
    const state = this.findState(policy, low, high);
    state?.release();
    return state !== null;
  }

  /** Whether a reset has forgotten what was taken at `takenMs`. */
  hasForgotten(policy: Policy, low: number, high: number, takenMs: number): boolean {
    return this.forgotten.has(policy, low, high, this.fromEpoch(takenMs));
  }

  /** Adds a key with what it brings. */
  hold(state: KeyState): KeyState {
    const { line } = state;
    while (this.states.length <= line) this.states.push(undefined);
    this.states[line] = state;
    this.size += 1;
    this.touch(line);
    this.index.add(state.low, state.high, state.policy.family, line);
    return state;
  }

  drop(state: KeyState): void {
    this.index.remove(state.low, state.high, state.policy.family);
    this.states[state.line] = undefined;
    if (state.line === this.newest) this.newest = -1;
    this.size -= 1;
    state.drop();
    if (this.size === 0) this.states.length = 0;
    this.onDrop?.(state);
  }

  private makeRoom(nowMs: number): void {
    for (let looked = 0; looked < SWEPT && this.size > 0; looked++) {
      const state = this.next();
      if (state.isIdle(nowMs)) this.drop(state);
    }
    while (this.size >= this.maxKeys && this.size > 0) {
      const victim = this.victim(nowMs);
      if (!victim.isIdle(nowMs)) this.evicted += 1;
      this.drop(victim);
    }
  }

  private victim(nowMs: number): KeyState {
    const { size } = this;
    const exact = size <= EXACT_LRU_KEYS;
    let oldest = this.next();
    for (let index = 1; !oldest.isIdle(nowMs); index++) {
      // Neighbours came about the same time: where all are new, the search goes on.
      const isOld = oldest.touched < this.uses - size / 2;
      if (index >= (exact ? size : isOld ? COMPARED : COMPARED_AT_MOST)) break;
      const other = this.next();
      if (rank(other, nowMs) < rank(oldest, nowMs)) oldest = other;
    }
    return oldest;
  }

  /** The key after the last one, round and round. */
  next(): KeyState {
    for (;;) {
      this.hand = this.hand + 1 < this.states.length ? this.hand + 1 : 0;
      const state = this.states[this.hand];
      if (state !== undefined) return state;
    }
  }
}

/** What goes first: idle keys, then those without a request under way, least recently used first. */
function rank(state: KeyState, nowMs: number): number {
  if (state.isIdle(nowMs)) return -1;
  return state.inFlight > 0 ? state.touched + Number.MAX_SAFE_INTEGER / 2 : state.touched;
}

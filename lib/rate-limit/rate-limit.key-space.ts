import { KeyState } from './rate-limit.key-state.js';
import type { Policy } from './rate-limit.policy.js';

/** Up to so many keys the least recently used one is found exactly. */
const EXACT_LRU_KEYS = 1024;
/** Above that, so many neighbours are compared. */
const COMPARED = 16;
const COMPARED_AT_MOST = 256;
/** Keys that a new key makes the sweep look at: the sweep is faster than growth. */
const SWEPT = 2;
/** The latest time an engine understands, in the year 2248. */
const LATEST_MS = 2 ** 43 - 1;

type Family = Map<string, KeyState>;

/** The keys of one space, bounded. No timers: what is idle goes when new keys come. */
export class KeySpace {
  allowed = 0;
  denied = 0;
  evicted = 0;
  size = 0;
  /** How often it is open. */
  opened = 1;
  /** By the number of the family. */
  private readonly families: Family[] = [];
  private uses = 0;
  private latestMs = 0;
  /** Where the sweep stands, in one family after the other. */
  private hand: Iterator<[Family, string, KeyState]> | undefined;

  constructor(
    readonly name: string | null,
    public maxKeys: number,
  ) {}

  /** The space's time, which never runs back: what is idle may be dropped, and a clock that is put back must not bring it to mind. */
  at(nowMs: number): number {
    const ms = Math.floor(nowMs);
    if (ms > this.latestMs) this.latestMs = Math.min(ms, LATEST_MS);
    return this.latestMs;
  }

  find(policy: Policy, key: string): KeyState | null {
    const state = this.families[policy.family]?.get(key);
    if (state === undefined) return null;
    this.touch(state);
    return state;
  }

  /** Makes a key the one that was used last. */
  touch(state: KeyState): void {
    state.touched = ++this.uses;
  }

  /** A key that `find` did not find, made at `nowMs`. */
  insert(policy: Policy, key: string, nowMs: number): KeyState {
    this.makeRoom(nowMs);
    while (this.families.length <= policy.family) this.families.push(new Map());
    const state = new KeyState(policy);
    this.touch(state);
    this.families[policy.family].set(key, state);
    this.size += 1;
    return state;
  }

  delete(policy: Policy, key: string): void {
    const family = this.families[policy.family];
    const state = family?.get(key);
    if (state !== undefined) this.drop(family, key, state);
  }

  private drop(family: Family, key: string, state: KeyState): void {
    family.delete(key);
    state.dropped = true;
    this.size -= 1;
  }

  private makeRoom(nowMs: number): void {
    for (let looked = 0; looked < SWEPT && this.size > 0; looked++) {
      const [family, key, state] = this.next();
      if (state.isIdle(nowMs)) this.drop(family, key, state);
    }
    while (this.size >= this.maxKeys && this.size > 0) {
      const victim = this.victim(nowMs);
      if (!victim[2].isIdle(nowMs)) this.evicted += 1;
      this.drop(...victim);
    }
  }

  private victim(nowMs: number): [Family, string, KeyState] {
    const exact = this.size <= EXACT_LRU_KEYS;
    let oldest = this.next();
    for (let index = 1; !oldest[2].isIdle(nowMs); index++) {
      // Neighbours came about the same time: where all are new, the search goes on.
      const isOld = oldest[2].touched < this.uses - this.size / 2;
      if (index >= (exact ? this.size : isOld ? COMPARED : COMPARED_AT_MOST)) break;
      const other = this.next();
      if (rank(other[2], nowMs) < rank(oldest[2], nowMs)) oldest = other;
    }
    return oldest;
  }

  /** The key after the last one, round and round. */
  private next(): [Family, string, KeyState] {
    for (;;) {
      this.hand ??= this.walk();
      const step = this.hand.next();
      if (!step.done) return step.value;
      this.hand = undefined;
    }
  }

  private *walk(): Generator<[Family, string, KeyState]> {
    for (const family of this.families) for (const [key, state] of family) yield [family, key, state];
  }
}

/** What goes first: idle keys, then those without a request under way, least recently used first. */
function rank(state: KeyState, nowMs: number): number {
  if (state.isIdle(nowMs)) return -1;
  return state.inFlight > 0 ? state.touched + Number.MAX_SAFE_INTEGER / 2 : state.touched;
}

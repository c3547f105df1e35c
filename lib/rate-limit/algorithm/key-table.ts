import { DecisionCode, type Ask, type Settlement, type SpaceStats } from '../engine/engine.js';
import { Standing, summarize, type Decision } from './decision.js';
import { KeyIndex, type HashedKey } from './key-index.js';
import { KeyState } from './key-state.js';
import type { Policy } from './policy.js';

/** Up to so many keys the least recently used one is found exactly. */
const EXACT_LRU_KEYS = 1024;
/** Above that, so many neighbours are compared. */
const COMPARED = 16;
const COMPARED_AT_MOST = 256;
/** Keys that a new key makes the sweep look at, so that it is faster than growth. */
const SWEPT = 2;
/** The latest time an engine understands, in the year 2109. */
const LATEST_MS = 2 ** 42 - 1;

/** A key of the table, and the policy that governs it. */
export interface TableScope {
  readonly policy: Policy;
  readonly key: HashedKey;
}

/**
 * The keys of one space, limited in number. Without timers: idle keys are dropped when new ones
 * arrive.
 */
export class KeyTable {
  private allowed = 0;
  private denied = 0;
  private evicted = 0;
  private readonly index = new KeyIndex();
  /** By the number in the index, without gaps. */
  private readonly states: KeyState[] = [];
  private readonly resets = new ResetTombstones();
  private uses = 0;
  /**
   * The table's times count from the first one: V8 stores small integers in an object's fields and
   * larger ones outside.
   */
  private originMs = 0;
  private latestMs = -1;
  /** Where the sweep stands. */
  private hand = 0;

  constructor(
    readonly name: string,
    public maxKeys: number,
  ) {}

  get stats(): SpaceStats {
    const { allowed, denied, evicted } = this;
    return { keys: this.states.length, checks: allowed + denied, allowed, denied, evicted };
  }

  /** Decides and, if allowed, takes. */
  check(scope: TableScope, ask: Ask): Decision {
    const atMs = this.at(ask.nowMs);
    const state = this.find(scope, atMs);
    const decision = new Standing(scope.policy, state, atMs).decide({ cost: ask.cost, tokens: ask.tokens, inFlight: 1 });
    if (this.count(decision)) (state ?? this.add(scope, atMs)).take(scope.policy, ask, atMs);
    return this.dated(decision);
  }

  /** The same for several scopes, all or nothing. */
  checkAll(scopes: readonly TableScope[], ask: Ask): Decision {
    const atMs = this.at(ask.nowMs);
    const standings = scopes.map((scope) => new Standing(scope.policy, this.find(scope, atMs), atMs));
    const decisions = standings.map((standing, index) => {
      const times = timesNamed(scopes, index);
      return standing.decide({ cost: ask.cost * times, tokens: ask.tokens * times, inFlight: times });
    });
    const isAllowed = decisions.every(({ code }) => code === DecisionCode.allowed);
    // If one denies, nothing is charged to the others either.
    const decision = summarize(decisions, isAllowed ? decisions : standings.map((standing) => standing.left()));
    if (this.count(decision)) for (const scope of scopes) (this.find(scope, atMs) ?? this.add(scope, atMs)).take(scope.policy, ask, atMs);
    return this.dated(decision);
  }

  /** Returns what `check` would decide, without taking or counting anything. */
  peek(scope: TableScope, { cost, tokens, nowMs }: Ask): Decision {
    const atMs = this.at(nowMs);
    return this.dated(new Standing(scope.policy, this.find(scope, atMs), atMs).decide({ cost, tokens, inFlight: 1 }));
  }

  settle(scope: TableScope, { reservedTokens, actualTokens, takenAtMs, nowMs }: Settlement): void {
    const atMs = this.at(nowMs);
    const sinceMs = takenAtMs - this.originMs;
    const state = this.find(scope, atMs);
    const [minute] = scope.policy.windows;
    if (state === null || minute?.code !== DecisionCode.minute || this.resets.covers(resetId(scope), sinceMs)) return;
    if (atMs - sinceMs < minute.lengthMs) state.log(0).adjust(sinceMs, actualTokens - reservedTokens);
  }

  release(scope: TableScope, takenAtMs: number): void {
    if (this.resets.end(resetId(scope), takenAtMs - this.originMs)) return;
    const state = this.find(scope, this.latestMs);
    if (state !== null && state.inFlight > 0) state.inFlight -= 1;
  }

  /** Forgets a key, and that its requests in flight have taken anything. */
  reset(scope: TableScope): void {
    const state = this.find(scope, this.latestMs);
    if (state === null) return;
    if (state.inFlight > 0 || scope.policy.tokensPerMinute !== Infinity) this.resets.add(resetId(scope), state.inFlight, this.latestMs);
    this.drop(state);
  }

  /**
   * The table's time, which never runs back: idle keys may be dropped, and a clock that is put back
   * must not bring them to mind.
   */
  private at(nowMs: number): number {
    const ms = nowMs > 0 ? Math.min(Math.floor(nowMs), LATEST_MS) : 0;
    if (this.latestMs < 0) this.originMs = ms;
    this.latestMs = Math.max(this.latestMs, ms - this.originMs);
    return this.latestMs;
  }

  private dated(decision: Decision): Decision {
    decision.atMs += this.originMs;
    return decision;
  }

  /** Returns whether the request is allowed. */
  private count({ code }: Decision): boolean {
    const isAllowed = code === DecisionCode.allowed;
    if (isAllowed) this.allowed += 1;
    else this.denied += 1;
    return isAllowed;
  }

  /** The state of a key as it is at `atMs`, which was used. */
  private find({ key }: TableScope, atMs: number): KeyState | null {
    const number = this.index.find(key);
    if (number < 0) return null;
    const state = this.states[number];
    state.lastUse = ++this.uses;
    state.prune(atMs);
    return state;
  }

  private add({ policy, key }: TableScope, atMs: number): KeyState {
    this.makeRoom(atMs);
    const state = new KeyState(key, policy);
    state.lastUse = ++this.uses;
    state.number = this.states.push(state) - 1;
    this.index.set(key, state.number);
    return state;
  }

  private makeRoom(nowMs: number): void {
    for (let looked = 0; looked < SWEPT && this.states.length > 0; looked++) {
      const state = this.next();
      if (state.isIdle(nowMs)) this.drop(state);
    }
    while (this.states.length >= this.maxKeys && this.states.length > 0) {
      const victim = this.victim(nowMs);
      if (!victim.isIdle(nowMs)) this.evicted += 1;
      this.drop(victim);
    }
  }

  /** An idle key, otherwise the least recently used one; those with a request in flight go last. */
  private victim(nowMs: number): KeyState {
    const { length } = this.states;
    let oldest = this.next();
    for (let compared = 1; !oldest.isIdle(nowMs); compared++) {
      // Neighbours arrived at about the same time: if all are new, the search continues.
      const isOld = oldest.lastUse < this.uses - length / 2;
      if (compared >= (length <= EXACT_LRU_KEYS ? length : isOld ? COMPARED : COMPARED_AT_MOST)) break;
      const other = this.next();
      if (other.isIdle(nowMs)) return other;
      const isFree = other.inFlight === 0;
      if (isFree === (oldest.inFlight === 0) ? other.lastUse < oldest.lastUse : isFree) oldest = other;
    }
    return oldest;
  }

  /** The key after the last one, round and round. */
  private next(): KeyState {
    this.hand = this.hand + 1 < this.states.length ? this.hand + 1 : 0;
    return this.states[this.hand];
  }

  /** The last key takes its number. */
  private drop(state: KeyState): void {
    this.index.remove(state);
    const last = this.states.pop() as KeyState;
    if (last === state) return;
    last.number = state.number;
    this.states[last.number] = last;
    this.index.set(last, last.number);
  }
}

function resetId({ key: { low, high, family } }: TableScope): string {
  return `${family}/${low}/${high}`;
}

/** How often the scope with this index was named, up to there. */
function timesNamed(scopes: readonly TableScope[], index: number): number {
  const id = resetId(scopes[index]);
  return scopes.slice(0, index + 1).filter((scope) => resetId(scope) === id).length;
}

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
 * they must not free later charges.
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

  /** Whether a reset has cleared the charge of `takenMs`. */
  covers(id: string, takenMs: number): boolean {
    const reset = this.resets.get(id);
    return reset !== undefined && takenMs <= reset.atMs;
  }
}

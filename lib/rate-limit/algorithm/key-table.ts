import { createHash } from 'node:crypto';
import { DecisionCode, type Ask, type Settlement, type SpaceStats } from '../engine/engine.js';
import { Standing, summarize, type Decision } from './decision.js';
import { KeyState } from './key-state.js';
import type { Policy } from './policy.js';
import { ResetTombstones } from './reset-tombstones.js';

/** Up to so many keys the least recently used one is found exactly. */
const EXACT_LRU_KEYS = 1024;
/** Above that, so many neighbours are compared. */
const COMPARED = 16;
const COMPARED_AT_MOST = 256;
/** Keys that a new key makes the sweep look at, so that it is faster than growth. */
const SWEPT = 2;
/** The latest time an engine understands, in the year 2109. */
const LATEST_MS = 2 ** 42 - 1;
/** Longer keys are held as digests. */
const LONGEST_KEY = 64;

/** A key as the table knows it, under the policy that governs it. */
export interface TableScope {
  readonly policy: Policy;
  readonly id: string;
}

/** Clients choose keys, so the table holds no long ones: with a megabyte each they would fill the memory. */
export function tableScope(policy: Policy, key: string): TableScope {
  if (key.length <= LONGEST_KEY) return { policy, id: `${policy.family}/${key}` };
  return { policy, id: `${policy.family}#${createHash('sha256').update(key, 'utf16le').digest('base64')}` };
}

/** The keys of one space, bounded. No timers: idle keys are dropped when new ones come. */
export class KeyTable {
  private allowed = 0;
  private denied = 0;
  private evicted = 0;
  private readonly states = new Map<string, KeyState>();
  /** In the order of the sweep. */
  private readonly order: KeyState[] = [];
  private readonly resets = new ResetTombstones();
  private uses = 0;
  private latestMs = 0;
  /** Where the sweep stands. */
  private hand = 0;

  constructor(
    readonly name: string,
    public maxKeys: number,
  ) {}

  get stats(): SpaceStats {
    const { allowed, denied, evicted } = this;
    return { keys: this.order.length, checks: allowed + denied, allowed, denied, evicted };
  }

  check(scope: TableScope, ask: Ask): Decision {
    return this.checkAll([scope], ask);
  }

  /** Decides and, if all scopes allow, takes. */
  checkAll(scopes: readonly TableScope[], ask: Ask): Decision {
    const atMs = this.at(ask.nowMs);
    const decisions = scopes.map((scope, index) => {
      const times = timesNamed(scopes, index);
      return this.standing(scope, atMs).decide({ cost: ask.cost * times, tokens: ask.tokens * times, inFlight: times });
    });
    const isAllowed = decisions.every(({ code }) => code === DecisionCode.allowed);
    if (isAllowed) {
      this.allowed += 1;
      for (const scope of scopes) this.held(scope, atMs).take(scope.policy, ask, atMs);
      return scopes.length === 1 ? decisions[0] : summarize(decisions, decisions);
    }
    this.denied += 1;
    // Nothing is taken from the others either.
    return scopes.length === 1
      ? decisions[0]
      : summarize(
          decisions,
          scopes.map((scope) => this.standing(scope, atMs).left()),
        );
  }

  peek(scope: TableScope, { cost, tokens, nowMs }: Ask): Decision {
    return this.standing(scope, this.at(nowMs)).decide({ cost, tokens, inFlight: 1 });
  }

  settle({ policy, id }: TableScope, { reservedTokens, actualTokens, takenAtMs, nowMs }: Settlement): void {
    const atMs = this.at(nowMs);
    const state = this.find(id);
    const [minute] = policy.windows;
    if (state === undefined || minute?.code !== DecisionCode.minute || this.resets.covers(id, takenAtMs)) return;
    state.prune(atMs);
    if (atMs - takenAtMs < minute.lengthMs) state.logs[0].adjust(takenAtMs, actualTokens - reservedTokens);
  }

  release({ id }: TableScope, takenAtMs: number): void {
    if (this.resets.end(id, takenAtMs)) return;
    const state = this.find(id);
    if (state !== undefined && state.inFlight > 0) state.inFlight -= 1;
  }

  /** Forgets a key, and that its requests in flight have taken anything. */
  reset({ policy, id }: TableScope): void {
    const state = this.states.get(id);
    if (state === undefined) return;
    if (state.inFlight > 0 || policy.tokensPerMinute !== Infinity) this.resets.add(id, state.inFlight, this.latestMs);
    this.drop(state);
  }

  /** The table's time, which never runs back: idle keys may be dropped, and a clock that is put back must not bring them to mind. */
  private at(nowMs: number): number {
    const ms = Math.min(Math.floor(nowMs), LATEST_MS);
    if (ms > this.latestMs) this.latestMs = ms;
    return this.latestMs;
  }

  private standing({ policy, id }: TableScope, atMs: number): Standing {
    const state = this.find(id) ?? null;
    state?.prune(atMs);
    return new Standing(policy, state, atMs);
  }

  /** The state of a key, which was used. */
  private find(id: string): KeyState | undefined {
    const state = this.states.get(id);
    if (state !== undefined) state.lastUse = ++this.uses;
    return state;
  }

  private held({ policy, id }: TableScope, atMs: number): KeyState {
    const known = this.states.get(id);
    if (known !== undefined) return known;
    this.makeRoom(atMs);
    const state = new KeyState(id, policy);
    state.lastUse = ++this.uses;
    state.place = this.order.push(state) - 1;
    this.states.set(id, state);
    return state;
  }

  private makeRoom(nowMs: number): void {
    for (let looked = 0; looked < SWEPT && this.order.length > 0; looked++) {
      const state = this.next();
      if (state.isIdle(nowMs)) this.drop(state);
    }
    while (this.order.length >= this.maxKeys && this.order.length > 0) {
      const victim = this.victim(nowMs);
      if (!victim.isIdle(nowMs)) this.evicted += 1;
      this.drop(victim);
    }
  }

  /** An idle key, otherwise the least recently used one; those with a request in flight go last. */
  private victim(nowMs: number): KeyState {
    const { length } = this.order;
    let oldest = this.next();
    for (let compared = 1; !oldest.isIdle(nowMs); compared++) {
      // Neighbours came about the same time: where all are new, the search goes on.
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
    this.hand = this.hand + 1 < this.order.length ? this.hand + 1 : 0;
    return this.order[this.hand];
  }

  /** The last key of the order takes its place. */
  private drop(state: KeyState): void {
    this.states.delete(state.id);
    const last = this.order.pop() as KeyState;
    if (last === state) return;
    this.order[state.place] = last;
    last.place = state.place;
  }
}

/** How often the scope with this index was named, up to there. */
function timesNamed(scopes: readonly TableScope[], index: number): number {
  return scopes.reduce((times, { id }, other) => (other <= index && id === scopes[index].id ? times + 1 : times), 0);
}

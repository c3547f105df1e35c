import { FastLiteLLMError } from '../../common/errors.js';
import { PoolAccounting } from '../engine/engine.js';
import { HEADER, Header, MAX_MEMBERS, Own, ownAt, roomFor, wordsFor } from './layout.js';

/** The counts of a pool whose members live in one thread. */
export class LocalPool {
  readonly room: number;
  readonly words: Int32Array;
  private readonly members = new Set<number>();
  private readonly places = new Map<string, { readonly place: number; readonly holders: Set<number> }>();
  private readonly free: number[] = [];
  private used = 0;

  constructor(
    readonly maxConnections: number,
    private readonly most = MAX_MEMBERS,
  ) {
    this.room = roomFor(maxConnections);
    this.words = new Int32Array(wordsFor(this.room, most));
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  join(onLeave: () => void = () => {}): PoolAccounting {
    for (let member = 0; member < this.most; member++) {
      if (this.members.has(member)) continue;
      this.members.add(member);
      return new LocalAccounting(this, member, onLeave);
    }
    throw new FastLiteLLMError('OUT_OF_RESOURCES', `a pool has at most ${this.most} members`);
  }

  place(member: number, origin: string): number {
    let entry = this.places.get(origin);
    if (entry === undefined) {
      const place = this.free.pop() ?? (this.used < this.room ? this.used++ : -1);
      if (place < 0) return -1;
      this.places.set(origin, (entry = { place, holders: new Set() }));
    }
    entry.holders.add(member);
    return entry.place;
  }

  forget(member: number, place: number): void {
    for (const [origin, entry] of this.places) {
      if (entry.place !== place || !entry.holders.delete(member) || entry.holders.size > 0) continue;
      this.places.delete(origin);
      this.free.push(place);
    }
  }

  reserve(member: number, place: number, mostPerEndpoint: number): number {
    const { words } = this;
    if (words[HEADER + place] >= mostPerEndpoint) return 0;
    if (words[Header.connections] >= this.maxConnections) return -1;
    this.count(member, place, 1);
    return 1;
  }

  release(member: number, place: number): void {
    if (this.words[ownAt(this.room, member) + HEADER + place] > 0) this.count(member, place, -1);
  }

  origins(): ReadonlyMap<number, string> {
    return new Map(Array.from(this.places, ([origin, { place }]) => [place, origin]));
  }

  leave(member: number): void {
    if (!this.members.delete(member)) return;
    const { words, room } = this;
    const own = ownAt(room, member);
    words[Header.connections] -= words[own + Own.connections];
    for (let place = 0; place < room; place++) words[HEADER + place] -= words[own + HEADER + place];
    words.fill(0, own, ownAt(room, member + 1));
    for (const { place } of [...this.places.values()]) this.forget(member, place);
  }

  private count(member: number, place: number, difference: 1 | -1): void {
    const { words } = this;
    const own = ownAt(this.room, member);
    words[HEADER + place] += difference;
    words[Header.connections] += difference;
    words[own + HEADER + place] += difference;
    words[own + Own.connections] += difference;
  }
}

class LocalAccounting extends PoolAccounting {
  readonly words: Int32Array;
  readonly room: number;
  readonly shared = false;

  constructor(
    private readonly pool: LocalPool,
    readonly member: number,
    private readonly onLeave: () => void,
  ) {
    super();
    this.words = pool.words;
    this.room = pool.room;
  }

  place(origin: string): number {
    return this.pool.place(this.member, origin);
  }

  forget(place: number): void {
    this.pool.forget(this.member, place);
  }

  reserve(place: number, mostPerEndpoint: number): number {
    return this.pool.reserve(this.member, place, mostPerEndpoint);
  }

  release(place: number): void {
    this.pool.release(this.member, place);
  }

  origins(): ReadonlyMap<number, string> {
    return this.pool.origins();
  }

  leave(): void {
    this.pool.leave(this.member);
    this.onLeave();
  }
}

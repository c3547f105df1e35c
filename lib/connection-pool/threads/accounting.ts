import { FastLiteLLMError } from '../../common/errors.js';
import { PoolAccounting } from '../engine/engine.js';
import { HEADER, Header, MAX_MEMBERS, Own, ownAt, roomFor, wordsFor } from './layout.js';

/** The counts of a pool whose members live in one thread. */
export class LocalPool {
  readonly room: number;
  readonly words: Int32Array;
  readonly members = new Set<number>();
  readonly places = new Map<string, { readonly place: number; readonly holders: Set<number> }>();
  readonly free: number[] = [];
  used = 0;

  constructor(
    readonly maxConnections: number,
    private readonly most = MAX_MEMBERS,
  ) {
    this.room = roomFor(maxConnections);
    this.words = new Int32Array(wordsFor(this.room, most));
  }

  join(onLeave: () => void = () => {}): PoolAccounting {
    for (let member = 0; member < this.most; member++) {
      if (this.members.has(member)) continue;
      this.members.add(member);
      return new LocalAccounting(this, member, onLeave);
    }
    throw new FastLiteLLMError('OUT_OF_RESOURCES', `the pool already has ${this.most} members, the maximum`);
  }
}

/** One member of a `LocalPool`. */
class LocalAccounting extends PoolAccounting {
  readonly words: Int32Array;
  readonly room: number;
  readonly shared = false;
  private readonly own: number;
  private hasLeft = false;

  constructor(
    private readonly pool: LocalPool,
    readonly member: number,
    private readonly onLeave: () => void,
  ) {
    super();
    this.words = pool.words;
    this.room = pool.room;
    this.own = ownAt(pool.room, member);
  }

  place(origin: string): number {
    const { pool, room, member } = this;
    let entry = pool.places.get(origin);
    if (entry === undefined) {
      const place = pool.free.pop() ?? (pool.used < room ? pool.used++ : -1);
      if (place < 0) return -1;
      pool.places.set(origin, (entry = { place, holders: new Set() }));
    }
    entry.holders.add(member);
    return entry.place;
  }

  forget(place: number): void {
    const { places, free } = this.pool;
    for (const [origin, entry] of places) {
      if (entry.place !== place || !entry.holders.delete(this.member) || entry.holders.size > 0) continue;
      places.delete(origin);
      free.push(place);
    }
  }

  reserve(place: number, mostPerEndpoint: number): number {
    const { words } = this;
    if (words[HEADER + place] >= mostPerEndpoint) return 0;
    if (words[Header.connections] >= this.pool.maxConnections) return -1;
    this.count(place, 1);
    return 1;
  }

  release(place: number): void {
    if (this.words[this.own + HEADER + place] > 0) this.count(place, -1);
  }

  origins(): ReadonlyMap<number, string> {
    return new Map(Array.from(this.pool.places, ([origin, { place }]) => [place, origin]));
  }

  leave(): void {
    // The number may belong to another member by now.
    if (this.hasLeft) return;
    this.hasLeft = true;
    const { pool, words, room, own } = this;
    pool.members.delete(this.member);
    words[Header.connections] -= words[own + Own.connections];
    for (let place = 0; place < room; place++) words[HEADER + place] -= words[own + HEADER + place];
    words.fill(0, own, own + HEADER + 2 * room);
    for (const { place } of [...pool.places.values()]) this.forget(place);
    this.onLeave();
  }

  private count(place: number, difference: 1 | -1): void {
    const { words, own } = this;
    words[HEADER + place] += difference;
    words[Header.connections] += difference;
    words[own + HEADER + place] += difference;
    words[own + Own.connections] += difference;
  }
}

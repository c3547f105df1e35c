import { InvalidArgumentError } from '../../common/errors.js';
import type { PoolBooks } from '../engine/engine.js';
import { HEADER, Header, Own, ownAt, SlotState } from '../threads/layout.js';

// Constants of this module: a property of another module's exports is one that V8 reads anew at each use.
const { free: FREE, idle: IDLE, leased: LEASED, returning: RETURNING } = SlotState;

/** What the table keeps of one endpoint. */
export interface EndpointSlots<C> {
  readonly origin: string;
  /** The idle connection that was returned last: the warmest socket is leased first. */
  idle: C | undefined;
  /** Connections of this instance, leased and idle. */
  connections: number;
  /** Its place in the books, -1 while this instance has no connection to it. */
  place: number;
}

/**
 * What the table keeps of one connection, as fields of the connection itself: each array that is looked into costs V8 its map, its length and its address, and
 * a lease has time for few.
 */
export interface Slotted<C> {
  readonly endpoint: EndpointSlots<C>;
  /** Its latest id: its slot, and a generation that the next lease ends. */
  id: number;
  /** `SlotState`. */
  state: number;
  /** When it is too old to be kept. */
  readonly diesAtMs: number;
  /** While it is idle, those beside it among the idle ones of its endpoint. */
  older: C | undefined;
  newer: C | undefined;
}

/** The limits that a table keeps. */
export interface SlotLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly maxIdleMs: number;
}

/** Ids stay small integers, which JavaScript keeps without allocating. */
const LARGEST_ID = 2 ** 31 - 1;

/**
 * The connections of one instance: which are leased, which idle and for how long, and the ids under which they are known. Knows no sockets; leasing and
 * returning cost a few loads and stores.
 */
export class SlotTable<C extends Slotted<C>> {
  /** By slot, when an idle connection's time is over, for the sweep; of those that are not idle, `Infinity`. */
  readonly expiresAtMs: Float64Array;

  /** By slot. Slots begin with 1, so that no id is 0. */
  private readonly connections: (C | undefined)[] = [undefined];
  /** The last ids of slots that are free. */
  private readonly unused: number[] = [];
  /** An id's slot is `id & mask`, and what lies above it its generation. */
  private readonly mask: number;
  private readonly generation: number;
  private readonly words: Int32Array;
  private readonly own: number;
  private readonly leasedAt: number;
  private readonly maxIdleMs: number;

  constructor(
    private readonly books: PoolBooks,
    private readonly limits: SlotLimits,
  ) {
    const { maxConnections, maxIdleMs } = limits;
    this.maxIdleMs = maxIdleMs;
    // By shifts, as a power would be a double and make one of every id.
    this.mask = (1 << (32 - Math.clz32(maxConnections))) - 1;
    this.generation = this.mask + 1;
    this.expiresAtMs = new Float64Array(maxConnections + 1).fill(Infinity);
    this.words = books.words;
    this.own = ownAt(books.room, books.member);
    this.leasedAt = this.own + HEADER + books.room;
  }

  /** Connections of this instance. */
  get size(): number {
    return this.words[this.own + Own.connections];
  }

  /** Whether there is no place for another connection: who waits for one, to whatever endpoint, comes before all who ask then. */
  get isFull(): boolean {
    return Atomics.load(this.words, Header.connections) >= this.limits.maxConnections;
  }

  /** Somebody began (1) or ended (-1) waiting here. */
  countWaiting(difference: 1 | -1): void {
    this.words[this.own + Own.waiting] += difference;
  }

  /** Whether the time of an idle connection is over. */
  isOver(connection: C, nowMs: number): boolean {
    return this.expiresAtMs[connection.id & this.mask] <= nowMs;
  }

  /** Leases the connection to an endpoint that was returned last: its new id. */
  lease(endpoint: EndpointSlots<C>, idle: C): number {
    const { older } = idle;
    endpoint.idle = older;
    if (older !== undefined) {
      older.newer = undefined;
      idle.older = undefined;
    }
    idle.state = LEASED;
    this.expiresAtMs[idle.id & this.mask] = Infinity;
    this.words[this.leasedAt + endpoint.place]++;
    return (idle.id = this.idAfter(idle.id));
  }

  /** Makes a connection and leases it: its id. 0: the endpoint is at its cap, -1: the pool is. */
  open(endpoint: EndpointSlots<C>, make: (id: number) => C): number {
    const refusal = this.reserve(endpoint);
    if (refusal <= 0) return refusal;
    const id = this.idAfter(this.unused.pop() ?? this.connections.length);
    // Its slot is taken from here on: what makes it may ask for another one.
    this.connections[id & this.mask] = undefined;
    try {
      this.connections[id & this.mask] = make(id);
    } catch (error) {
      this.giveUp(endpoint, id);
      throw error;
    }
    return id;
  }

  /** Returns a leased connection: idle from now on. */
  giveBack(connection: C, nowMs: number): void {
    const { endpoint, diesAtMs } = connection;
    const { idle } = endpoint;
    const tooLongMs = nowMs + this.maxIdleMs;
    connection.state = IDLE;
    if (idle !== undefined) {
      connection.older = idle;
      idle.newer = connection;
    }
    endpoint.idle = connection;
    this.expiresAtMs[connection.id & this.mask] = tooLongMs < diesAtMs ? tooLongMs : diesAtMs;
    this.words[this.leasedAt + endpoint.place]--;
  }

  /** A leased connection that is given back once its last answer is complete. */
  markReturning(connection: C): void {
    connection.state = RETURNING;
  }

  /** Leases a connection that is returning to somebody else: its new id. */
  renew(connection: C): number {
    connection.state = LEASED;
    return (connection.id = this.idAfter(connection.id));
  }

  /** Takes a connection out, leased or idle. */
  remove(connection: C): void {
    const { endpoint, id } = connection;
    if (connection.state === IDLE) {
      this.unlink(endpoint, connection);
      this.expiresAtMs[id & this.mask] = Infinity;
      this.words[this.leasedAt + endpoint.place]++;
    }
    connection.state = FREE;
    this.giveUp(endpoint, id);
  }

  /** The connection of an id, `undefined` for one that is unknown or of an earlier lease. */
  find(id: number): C | undefined {
    const connection = this.connections[id & this.mask];
    return connection?.id === id ? connection : undefined;
  }

  /**
   * The connection of a leased id.
   * @throws InvalidArgumentError for any other.
   */
  leased(id: number): C {
    if (typeof id === 'number') {
      const connection = this.connections[id & this.mask];
      if (connection !== undefined && connection.id === id && connection.state === LEASED) return connection;
    }
    throw this.notLeased(id);
  }

  /** The connection of a slot that is taken. */
  at(slot: number): C {
    return this.connections[slot] as C;
  }

  /** The idle connection whose time is over first, of those that `may` go. */
  oldestIdle(may: (endpoint: EndpointSlots<C>) => boolean): C | undefined {
    let oldest: C | undefined;
    let atMs = Infinity;
    for (const connection of this.connections) {
      if (connection?.state !== IDLE) continue;
      const expiresAtMs = this.expiresAtMs[connection.id & this.mask];
      if (expiresAtMs >= atMs || !may(connection.endpoint)) continue;
      atMs = expiresAtMs;
      oldest = connection;
    }
    return oldest;
  }

  /** The connections in this state. */
  inState(state: number): C[] {
    return this.connections.filter((connection): connection is C => connection?.state === state);
  }

  /** Counts one more connection, as leased. 1: done, 0: the endpoint is at its cap, -1: the pool is. */
  private reserve(endpoint: EndpointSlots<C>): number {
    const { words } = this;
    const { maxConnections, maxConnectionsPerEndpoint } = this.limits;
    if (endpoint.place < 0) {
      // Not before there is room: a pool that is full takes no names either.
      if (Atomics.load(words, Header.connections) >= maxConnections) return -1;
      const place = this.books.place(endpoint.origin);
      if (place < 0) return -1;
      endpoint.place = place;
    }
    const { place } = endpoint;
    const answer = this.books.reserve(place, maxConnectionsPerEndpoint);
    if (answer > 0) {
      endpoint.connections++;
      words[this.leasedAt + place]++;
    } else if (endpoint.connections === 0) this.forget(endpoint);
    return answer;
  }

  /** Counts one less, that was leased. */
  private giveUp(endpoint: EndpointSlots<C>, id: number): void {
    this.connections[id & this.mask] = undefined;
    this.unused.push(id);
    this.words[this.leasedAt + endpoint.place]--;
    endpoint.connections--;
    this.books.release(endpoint.place);
    if (endpoint.connections === 0) this.forget(endpoint);
  }

  private forget(endpoint: EndpointSlots<C>): void {
    this.books.forget(endpoint.place);
    endpoint.place = -1;
  }

  private unlink(endpoint: EndpointSlots<C>, connection: C): void {
    const { older, newer } = connection;
    connection.older = connection.newer = undefined;
    if (newer === undefined) endpoint.idle = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
  }

  /** The next generation of the same slot. */
  private idAfter(id: number): number {
    return (id + this.generation) & LARGEST_ID;
  }

  private notLeased(id: unknown): InvalidArgumentError {
    const known = typeof id === 'number' && this.find(id) !== undefined;
    return new InvalidArgumentError(
      'id',
      id,
      known ? 'must be a leased connection, and this one was returned' : 'must be the id of a leased connection',
      known ? 'CONNECTION_RETURNED' : 'UNKNOWN_CONNECTION',
    );
  }
}

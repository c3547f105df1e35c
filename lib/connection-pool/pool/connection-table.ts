import { InvalidArgumentError } from '../../common/errors.js';
import type { PoolAccounting } from '../engine/engine.js';
import { ConnectionState, HEADER, Header, Own, ownAt } from '../threads/layout.js';

/** The table's state of one endpoint. */
export interface EndpointEntry<C> {
  readonly origin: string;
  /**
   * The idle connection that was returned last; it is leased first, because its socket is the
   * warmest.
   */
  idle: C | undefined;
  /** Connections of this instance, leased and idle. */
  connections: number;
  /** Its place in the accounting; -1 while this instance has no connection to it. */
  place: number;
}

/** The table's state of one connection, as fields of the connection itself. */
export interface ConnectionEntry<C> {
  readonly endpoint: EndpointEntry<C>;
  /** Its current id: its slot and the generation of the lease. */
  id: number;
  /** `ConnectionState`. */
  state: number;
  /** When it reaches its maximum age. */
  readonly diesAtMs: number;
  /** Its neighbours in the list of idle connections of its endpoint. */
  older: C | undefined;
  newer: C | undefined;
}

/** The limits that a table keeps. */
export interface TableLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly maxIdleMs: number;
}

/** Ids are small integers: JavaScript stores them without an allocation. */
const LARGEST_ID = 2 ** 31 - 1;

/**
 * The connections of one instance: which are leased, which are idle and for how long, and their
 * ids.
 *
 *     id = generation | slot
 *     slot: index of the connection, from 1
 *     generation: changes with every lease, so that an old id is recognized
 */
export class ConnectionTable<C extends ConnectionEntry<C>> {
  /** By slot: when an idle connection expires; `Infinity` for all others. */
  readonly expiresAtMs: Float64Array;

  /** By slot. Slots start at 1, so that no id is 0. */
  private readonly connections: (C | undefined)[] = [undefined];
  /** The last ids of free slots. */
  private readonly unused: number[] = [];
  private readonly mask: number;
  private readonly generation: number;
  private readonly words: Int32Array;
  private readonly own: number;
  private readonly leasedAt: number;
  private readonly maxIdleMs: number;

  constructor(
    private readonly accounting: PoolAccounting,
    private readonly limits: TableLimits,
  ) {
    const { maxConnections, maxIdleMs } = limits;
    this.maxIdleMs = maxIdleMs;
    this.mask = (1 << (32 - Math.clz32(maxConnections))) - 1;
    this.generation = this.mask + 1;
    this.expiresAtMs = new Float64Array(maxConnections + 1).fill(Infinity);
    this.words = accounting.words;
    this.own = ownAt(accounting.room, accounting.member);
    this.leasedAt = this.own + HEADER + accounting.room;
  }

  /** Connections of this instance. */
  get size(): number {
    return this.words[this.own + Own.connections];
  }

  /** Whether the pool is at its cap: waiters for any endpoint then go first. */
  get isFull(): boolean {
    return Atomics.load(this.words, Header.connections) >= this.limits.maxConnections;
  }

  /** Counts a waiter in (1) or out (-1). */
  countWaiting(difference: 1 | -1): void {
    this.words[this.own + Own.waiting] += difference;
  }

  /** Whether an idle connection has expired. */
  isOver(connection: C, nowMs: number): boolean {
    return this.expiresAtMs[connection.id & this.mask] <= nowMs;
  }

  /** Leases the first idle connection of an endpoint. Returns its new id. */
  lease(endpoint: EndpointEntry<C>, idle: C): number {
    const { older } = idle;
    endpoint.idle = older;
    if (older !== undefined) {
      older.newer = undefined;
      idle.older = undefined;
    }
    idle.state = ConnectionState.leased;
    this.expiresAtMs[idle.id & this.mask] = Infinity;
    this.words[this.leasedAt + endpoint.place]++;
    return (idle.id = (idle.id + this.generation) & LARGEST_ID);
  }

  /**
   * Makes a connection and leases it. Returns its id; 0: the endpoint is at its cap, -1: the pool
   * is.
   */
  open(endpoint: EndpointEntry<C>, make: (id: number) => C): number {
    const refusal = this.reserve(endpoint);
    if (refusal <= 0) return refusal;
    const id = ((this.unused.pop() ?? this.connections.length) + this.generation) & LARGEST_ID;
    // Reserves the slot: `make` may lease another connection.
    this.connections[id & this.mask] = undefined;
    try {
      this.connections[id & this.mask] = make(id);
    } catch (error) {
      this.giveUp(endpoint, id);
      throw error;
    }
    return id;
  }

  /** Returns a leased connection, which is idle then. */
  giveBack(connection: C, nowMs: number): void {
    const { endpoint, diesAtMs } = connection;
    const { idle } = endpoint;
    const tooLongMs = nowMs + this.maxIdleMs;
    connection.state = ConnectionState.idle;
    if (idle !== undefined) {
      connection.older = idle;
      idle.newer = connection;
    }
    endpoint.idle = connection;
    this.expiresAtMs[connection.id & this.mask] = tooLongMs < diesAtMs ? tooLongMs : diesAtMs;
    this.words[this.leasedAt + endpoint.place]--;
  }

  /** Leases a returning connection again. Returns its new id. */
  renew(connection: C): number {
    connection.state = ConnectionState.leased;
    return (connection.id = (connection.id + this.generation) & LARGEST_ID);
  }

  /** Removes a connection, leased or idle. */
  remove(connection: C): void {
    const { endpoint, id } = connection;
    if (connection.state === ConnectionState.idle) {
      this.unlink(endpoint, connection);
      this.expiresAtMs[id & this.mask] = Infinity;
      this.words[this.leasedAt + endpoint.place]++;
    }
    connection.state = ConnectionState.free;
    this.giveUp(endpoint, id);
  }

  /** The connection of an id; `undefined` for an unknown id or one of an earlier lease. */
  find(id: number): C | undefined {
    const connection = this.connections[id & this.mask];
    return connection?.id === id ? connection : undefined;
  }

  /**
   * The connection of a leased id.
   * @throws InvalidArgumentError for any other.
   */
  leased(id: number): C {
    const connection = typeof id === 'number' ? this.find(id) : undefined;
    if (connection?.state === ConnectionState.leased) return connection;
    throw new InvalidArgumentError(
      'id',
      id,
      connection === undefined ? 'must be the id of a leased connection' : 'must be a connection that has not been released',
      connection === undefined ? 'UNKNOWN_CONNECTION' : 'CONNECTION_RETURNED',
    );
  }

  /** The connection of a slot in use. */
  at(slot: number): C {
    return this.connections[slot] as C;
  }

  /** The idle connection that expires first, among the endpoints that `may` accepts. */
  oldestIdle(may: (endpoint: EndpointEntry<C>) => boolean): C | undefined {
    let oldest: C | undefined;
    let atMs = Infinity;
    for (const connection of this.connections) {
      if (connection?.state !== ConnectionState.idle) continue;
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

  /**
   * Counts one more leased connection. 1: counted, 0: the endpoint is at its cap, -1: the pool is.
   */
  private reserve(endpoint: EndpointEntry<C>): number {
    const { words } = this;
    const { maxConnections, maxConnectionsPerEndpoint } = this.limits;
    if (endpoint.place < 0) {
      // A pool at its cap must not store further names either.
      if (Atomics.load(words, Header.connections) >= maxConnections) return -1;
      const place = this.accounting.place(endpoint.origin);
      if (place < 0) return -1;
      endpoint.place = place;
    }
    const { place } = endpoint;
    const answer = this.accounting.reserve(place, maxConnectionsPerEndpoint);
    if (answer > 0) {
      endpoint.connections++;
      words[this.leasedAt + place]++;
    } else if (endpoint.connections === 0) this.forget(endpoint);
    return answer;
  }

  /** Counts one leased connection less. */
  private giveUp(endpoint: EndpointEntry<C>, id: number): void {
    this.connections[id & this.mask] = undefined;
    this.unused.push(id);
    this.words[this.leasedAt + endpoint.place]--;
    endpoint.connections--;
    this.accounting.release(endpoint.place);
    if (endpoint.connections === 0) this.forget(endpoint);
  }

  private forget(endpoint: EndpointEntry<C>): void {
    this.accounting.forget(endpoint.place);
    endpoint.place = -1;
  }

  private unlink(endpoint: EndpointEntry<C>, connection: C): void {
    const { older, newer } = connection;
    connection.older = connection.newer = undefined;
    if (newer === undefined) endpoint.idle = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
  }
}

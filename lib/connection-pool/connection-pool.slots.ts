import { InvalidArgumentError } from '../common/errors.js';
import type { PoolBooks } from './connection-pool.engine.js';
import { HEADER, Header, Own, ownAt, SLOT, Slot, SlotState } from './connection-pool.layout.js';

// Constants of this module: a property of another module's exports is one that V8 reads anew at each use.
const { state: STATE, id: ID, endpoint: ENDPOINT, next: NEXT, previous: PREVIOUS, expiresAt: EXPIRES_AT } = Slot;
const { free: FREE, idle: IDLE, leased: LEASED, returning: RETURNING } = SlotState;
const { leased: OWN_LEASED, waiting: OWN_WAITING, connections: OWN_CONNECTIONS } = Own;
/** Integers of an entry, and doubles. */
const ENTRY = SLOT;
const HALF_ENTRY = SLOT / 2;

/** What the table keeps of one endpoint. */
export interface EndpointSlots {
  readonly origin: string;
  /** Its number in the table, given by `add`. */
  number: number;
  /** The idle connection that was returned last, -1 without one: the warmest socket is leased first. */
  idle: number;
  /** Connections of this instance, leased and idle. */
  connections: number;
  /** Its place in the books, -1 while this instance has no connection to it. */
  place: number;
}

/** The limits that a table keeps. */
export interface SlotLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly maxIdleMs: number;
  readonly maxAgeMs: number;
}

/** Ids stay small integers, which JavaScript keeps without allocating. */
const LARGEST_ID = 2 ** 31 - 1;

/**
 * The connections of one instance as integers: which are leased, which idle and for how long, and the ids under which they are known. An id is a slot and
 * a generation that the next lease of the slot ends. Knows no sockets; leasing and returning cost a few loads and stores.
 */
export class SlotTable {
  /** `SLOT` integers per connection, for the sweep. */
  readonly slots: Int32Array;
  /** An id's slot is `id & mask`. */
  readonly mask: number;

  private readonly times: Float64Array;
  private readonly born: Float64Array;
  private readonly endpoints: EndpointSlots[] = [];
  private readonly unused: number[] = [];
  private readonly words: Int32Array;
  private readonly own: number;
  private readonly leasedAt: number;
  private free = 0;

  constructor(
    private readonly books: PoolBooks,
    private readonly limits: SlotLimits,
  ) {
    const { maxConnections } = limits;
    // By shifts, as a power would be a double and make one of every id.
    this.mask = (1 << (32 - Math.clz32(maxConnections))) - 1;
    this.slots = new Int32Array(maxConnections * ENTRY);
    this.times = new Float64Array(this.slots.buffer);
    this.born = new Float64Array(maxConnections);
    for (let slot = 0; slot < maxConnections; slot++) this.slots[slot * ENTRY + NEXT] = slot + 1 < maxConnections ? slot + 1 : -1;
    this.words = books.words;
    this.own = ownAt(books.room, books.member);
    this.leasedAt = this.own + HEADER + books.room;
  }

  /** Connections of this instance that are leased. */
  get leased(): number {
    return this.words[this.own + OWN_LEASED];
  }

  /** Connections of this instance. */
  get connections(): number {
    return this.words[this.own + OWN_CONNECTIONS];
  }

  /** Whether there is no place for another connection: who waits for one, to whatever endpoint, comes before all who ask then. */
  get isFull(): boolean {
    return Atomics.load(this.words, Header.connections) >= this.limits.maxConnections;
  }

  /** Somebody began (1) or ended (-1) waiting here. */
  countWaiting(difference: 1 | -1): void {
    this.words[this.own + OWN_WAITING] += difference;
  }

  /** Takes an endpoint in. */
  add(endpoint: EndpointSlots): void {
    endpoint.number = this.unused.pop() ?? this.endpoints.length;
    this.endpoints[endpoint.number] = endpoint;
  }

  /** Forgets an endpoint without connections. */
  drop({ number }: EndpointSlots): void {
    this.unused.push(number);
  }

  /** Leases the warmest idle connection. 0: there is none. Negative: its time is over, it is `-id`, and still idle. */
  lease(endpoint: EndpointSlots, nowMs: number): number {
    const slot = endpoint.idle;
    if (slot < 0) return 0;
    const { slots, words } = this;
    const at = slot * ENTRY;
    const last = slots[at + ID];
    if (this.times[slot * HALF_ENTRY + EXPIRES_AT] <= nowMs) return -last;
    const next = slots[at + NEXT];
    endpoint.idle = next;
    if (next >= 0) slots[next * ENTRY + PREVIOUS] = -1;
    slots[at + STATE] = LEASED;
    words[this.own + OWN_LEASED]++;
    words[this.leasedAt + endpoint.place]++;
    return (slots[at + ID] = this.idAfter(last));
  }

  /** Makes a connection and leases it: its id. 0: the endpoint is at its cap, -1: the pool is. */
  open(endpoint: EndpointSlots, nowMs: number): number {
    const refusal = this.reserve(endpoint);
    if (refusal <= 0) return refusal;
    const { slots } = this;
    const slot = this.free;
    const at = slot * ENTRY;
    this.free = slots[at + NEXT];
    slots[at + STATE] = LEASED;
    slots[at + ENDPOINT] = endpoint.number;
    endpoint.connections++;
    this.born[slot] = nowMs;
    // The first generation is 1, so that no id is 0.
    const last = slots[at + ID];
    return (slots[at + ID] = last === 0 ? slot + this.mask + 1 : this.idAfter(last));
  }

  /** Returns a leased connection: idle from now on. */
  giveBack(id: number, nowMs: number): void {
    const { slots } = this;
    const slot = id & this.mask;
    const at = slot * ENTRY;
    const endpoint = this.endpoints[slots[at + ENDPOINT]];
    const { idle } = endpoint;
    slots[at + STATE] = IDLE;
    slots[at + NEXT] = idle;
    slots[at + PREVIOUS] = -1;
    if (idle >= 0) slots[idle * ENTRY + PREVIOUS] = slot;
    endpoint.idle = slot;
    this.times[slot * HALF_ENTRY + EXPIRES_AT] = Math.min(nowMs + this.limits.maxIdleMs, this.born[slot] + this.limits.maxAgeMs);
    this.words[this.own + OWN_LEASED]--;
    this.words[this.leasedAt + endpoint.place]--;
  }

  /** A leased connection that is given back once its last answer is complete. */
  markReturning(id: number): void {
    this.slots[(id & this.mask) * ENTRY + STATE] = RETURNING;
  }

  /** Leases a connection that is returning to somebody else: its new id. */
  renew(id: number): number {
    const at = (id & this.mask) * ENTRY;
    this.slots[at + STATE] = LEASED;
    return (this.slots[at + ID] = this.idAfter(id));
  }

  /** Takes a connection out, leased or idle. */
  remove(id: number): void {
    const { slots, words } = this;
    const slot = id & this.mask;
    const at = slot * ENTRY;
    const endpoint = this.endpoints[slots[at + ENDPOINT]];
    if (slots[at + STATE] === IDLE) this.unlink(endpoint, slot);
    else {
      words[this.own + OWN_LEASED]--;
      words[this.leasedAt + endpoint.place]--;
    }
    slots[at + STATE] = FREE;
    slots[at + NEXT] = this.free;
    this.free = slot;
    endpoint.connections--;
    this.books.release(endpoint.place);
    if (endpoint.connections > 0) return;
    this.books.forget(endpoint.place);
    endpoint.place = -1;
  }

  /** `SlotState` of a connection, `free` for an id that is unknown or of an earlier lease. */
  state(id: number): number {
    const at = (id & this.mask) * ENTRY;
    return at < this.slots.length && this.slots[at + ID] === id && id > 0 ? this.slots[at + STATE] : FREE;
  }

  /** Whether it was opened so long ago that it is not kept. */
  isOld(id: number, nowMs: number): boolean {
    return nowMs - this.born[id & this.mask] >= this.limits.maxAgeMs;
  }

  /** Throws unless the connection is leased. */
  checkLeased(id: number): void {
    const isNumber = typeof id === 'number';
    if (isNumber && id > 0) {
      const at = (id & this.mask) * ENTRY;
      if (this.slots[at + ID] === id && this.slots[at + STATE] === LEASED) return;
    }
    const known = isNumber && this.state(id) !== FREE;
    throw new InvalidArgumentError(
      'id',
      id,
      known ? 'must be a leased connection, and this one was returned' : 'must be the id of a leased connection',
      known ? 'CONNECTION_RETURNED' : 'UNKNOWN_CONNECTION',
    );
  }

  endpointOf(id: number): EndpointSlots {
    return this.endpoints[this.slots[(id & this.mask) * ENTRY + ENDPOINT]];
  }

  /** The id that a slot has now. */
  idAt(slot: number): number {
    return this.slots[slot * ENTRY + ID];
  }

  /** The idle connection whose time is over first, of those that `may` go; 0 without one. */
  oldestIdle(may: (endpoint: EndpointSlots) => boolean): number {
    const { slots, times } = this;
    let oldest = 0;
    let atMs = Infinity;
    for (let at = 0, time = EXPIRES_AT; at < slots.length; at += ENTRY, time += ENTRY / 2) {
      if (slots[at + STATE] !== IDLE || times[time] >= atMs || !may(this.endpoints[slots[at + ENDPOINT]])) continue;
      atMs = times[time];
      oldest = slots[at + ID];
    }
    return oldest;
  }

  /** The ids of the connections in this state. */
  ids(state: number): number[] {
    const found: number[] = [];
    for (let at = 0; at < this.slots.length; at += ENTRY) {
      if (this.slots[at + STATE] === state) found.push(this.slots[at + ID]);
    }
    return found;
  }

  /** Counts one more connection. 1: done, 0: the endpoint is at its cap, -1: the pool is. */
  private reserve(endpoint: EndpointSlots): number {
    const { words, own } = this;
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
      words[own + OWN_LEASED]++;
      words[this.leasedAt + place]++;
    } else if (endpoint.connections === 0) {
      this.books.forget(place);
      endpoint.place = -1;
    }
    return answer;
  }

  private unlink(endpoint: EndpointSlots, slot: number): void {
    const { slots } = this;
    const next = slots[slot * ENTRY + NEXT];
    const previous = slots[slot * ENTRY + PREVIOUS];
    if (previous < 0) endpoint.idle = next;
    else slots[previous * ENTRY + NEXT] = next;
    if (next >= 0) slots[next * ENTRY + PREVIOUS] = previous;
  }

  /** The next generation of the same slot. */
  private idAfter(id: number): number {
    const next = id + this.mask + 1;
    return next <= LARGEST_ID ? next : (id & this.mask) + this.mask + 1;
  }
}

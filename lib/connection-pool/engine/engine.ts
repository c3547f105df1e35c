import type { EngineName } from '../../common/capability.js';

/** Of all members of a pool together. */
export interface PoolTotals {
  readonly connections: number;
  readonly leased: number;
  readonly waiting: number;
}

/**
 * One member's access to the counts of its pool: memory for the hot path (see `connection-pool.layout.ts`), names of endpoints as places in it, and the caps.
 * What a member holds is given back by `leave`, in the native engine also by the end of its thread.
 */
export abstract class PoolBooks {
  /** The memory of the pool. */
  abstract readonly words: Int32Array;
  /** Places for endpoints. */
  abstract readonly room: number;
  /** Which part of the memory is this member's. */
  abstract readonly member: number;
  /** Whether other threads count in this memory too. */
  abstract readonly shared: boolean;

  /** The place of an endpoint, the same for all members, held until `forget`; -1 where all are held. */
  abstract place(origin: string): number;

  /** Gives a place back. */
  abstract forget(place: number): void;

  /**
   * Counts one more connection of this member to the endpoint of a place: 1, or 0 where that has `mostPerEndpoint` already, or -1 where the pool is full; exact
   * among threads, however one of them ends.
   */
  abstract reserve(place: number, mostPerEndpoint: number): number;

  /** Counts one less. */
  abstract release(place: number): void;

  /** The origins of all places that somebody holds. */
  abstract origins(): ReadonlyMap<number, string>;

  /** Takes what this member counted out of the books. More than once is safe. */
  abstract leave(): void;
}

/**
 * The bookkeeping of connections: contract and injection token in one. Twins give the same answers for every history.
 * Synchronous, without a clock and without sockets: those belong to the service.
 */
export abstract class ConnectionPoolEngine {
  abstract readonly engine: EngineName;

  /**
   * Joins the pool of this name as one more member. `null` is a pool of its own. A name is one pool of the process in the native engine, whose threads
   * share it exactly, and one per engine in the TypeScript one.
   * @throws Error with the code `INVALID_ARGUMENT` where a member counts with another `maxConnections`, `OUT_OF_RESOURCES` for the 65th member.
   */
  abstract join(name: string | null, maxConnections: number): PoolBooks;

  /** Writes the slots of connections whose time is over at `nowMs` into `found`, in order, as many as it takes, and returns how many. */
  abstract expired(expiresAtMs: Float64Array, nowMs: number, found: Int32Array): number;

  /** Adds the members up. `leased` gets the leased connections per place. */
  abstract totals(words: Int32Array, room: number, leased: Int32Array): PoolTotals;
}

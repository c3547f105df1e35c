import type { EngineName } from '../../common/capability.js';

/** Totals of all members of a pool. */
export interface PoolTotals {
  readonly connections: number;
  readonly leased: number;
  readonly waiting: number;
}

/**
 * One member's access to the counts of its pool: memory (see `threads/layout.ts`), the positions of
 * endpoints in it, and the caps. `leave`, and in the native engine the end of its thread, releases
 * what a member holds.
 */
export abstract class PoolAccounting {
  /** The memory of the pool. */
  abstract readonly words: Int32Array;
  /** Places for endpoints. */
  abstract readonly room: number;
  /** The member's part of the memory. */
  abstract readonly member: number;
  /** Whether other threads count in this memory. */
  abstract readonly shared: boolean;

  /** The place of an endpoint, the same for all members, until `forget`; -1 if all are taken. */
  abstract place(origin: string): number;

  /** Frees a place. */
  abstract forget(place: number): void;

  /**
   * Counts one more connection of this member. 1: counted, 0: the endpoint is at its cap, -1: the
   * pool is. Exact among threads, also when one of them ends in between.
   */
  abstract reserve(place: number, mostPerEndpoint: number): number;

  /** Counts one connection less. */
  abstract release(place: number): void;

  /** The origins of all places in use. */
  abstract origins(): ReadonlyMap<number, string>;

  /** Removes the counts of this member. May be called more than once. */
  abstract leave(): void;
}

/** Counts the connections of pools. Both engines give the same answers for every history. */
export abstract class ConnectionPoolEngine {
  abstract readonly engine: EngineName;

  /**
   * Joins the pool of this name as a new member; `null` is a pool of its own. In the native engine
   * all threads of the process share the pool of a name, in the TypeScript one all instances of the
   * engine.
   * @throws Error `INVALID_ARGUMENT` for another `maxConnections`, `OUT_OF_RESOURCES` for the 65th
   * member.
   */
  abstract join(name: string | null, maxConnections: number): PoolAccounting;

  /**
   * Writes the slots that have expired at `nowMs` into `found`, in order, up to its length. Returns
   * how many.
   */
  abstract expired(expiresAtMs: Float64Array, nowMs: number, found: Int32Array): number;

  /** Adds up the members. Writes the leased connections of each place into `leased`. */
  abstract totals(words: Int32Array, room: number, leased: Int32Array): PoolTotals;
}

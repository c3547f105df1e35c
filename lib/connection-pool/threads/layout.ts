/**
 * Layout of a pool's counts: an `Int32Array` that JavaScript and the addon read alike. The members
 * of a pool are its instances, of one thread or, in memory of the addon, of several.
 *
 *     header      16   Header: totals of all members
 *     per place   room connections of each endpoint
 *     per member  16   Own: totals of the member
 *                 room its connections of each endpoint
 *                 room how many of those are leased
 *
 * Only `PoolAccounting.reserve` and `release` write totals, together with the member's share: in
 * shared memory that is one call of the addon, which the end of a thread cannot interrupt.
 */
export const HEADER = 16;
/** Totals of all members. */
export const Header = { connections: 0 } as const;
/** Totals of one member. */
export const Own = { connections: 0, waiting: 1 } as const;
/** Instances that can share a pool at a time. */
export const MAX_MEMBERS = 64;

/**
 * Places for endpoints: one for each connection and one for each member that is about to open one,
 * in whole cache lines.
 */
export function roomFor(maxConnections: number): number {
  return (maxConnections + MAX_MEMBERS + 15) & ~15;
}

/** Integers of memory for so many members. */
export function wordsFor(room: number, members: number): number {
  return HEADER + room + members * (HEADER + 2 * room);
}

/** Where the part of a member starts. */
export function ownAt(room: number, member: number): number {
  return HEADER + room + member * (HEADER + 2 * room);
}

/** State of a connection in a `ConnectionTable`. */
export const ConnectionState = { free: 0, idle: 1, leased: 2, returning: 3 } as const;

/**
 * Where the counts of a pool lie in its memory, an `Int32Array` that JavaScript and the addon read alike. A pool's members are its instances: of one
 * thread or, where the memory is the addon's, of several.
 *
 * header: 16 integers (`Header`) · connections per endpoint, in all: `room` · then for every member 16 integers (`Own`), its connections per
 * endpoint: `room`, and how many of those are leased: `room`. Only `PoolBooks.reserve` and `release` write what is counted in all, together with the
 * member's share of it: where threads share the memory that is one call of the addon, in the middle of which no thread can be ended from outside. All else a
 * member writes in its own part alone, so what it held is known when it is gone.
 */
export const HEADER = 16;
/** What is counted of all members. */
export const Header = { connections: 0 } as const;
/** Counts of one member. */
export const Own = { connections: 0, waiting: 1 } as const;
/** Instances that may share a pool at a time. */
export const MAX_MEMBERS = 64;

/** Endpoints that have a place in the memory: one for every connection, and one for every member that is about to open one; whole cache lines. */
export function roomFor(maxConnections: number): number {
  return (maxConnections + MAX_MEMBERS + 15) & ~15;
}

/** Integers that the memory of `members` takes. */
export function wordsFor(room: number, members: number): number {
  return HEADER + room + members * (HEADER + 2 * room);
}

/** Where the part of a member begins. */
export function ownAt(room: number, member: number): number {
  return HEADER + room + member * (HEADER + 2 * room);
}

/** What a connection in the table of an instance (`SlotTable`) is at the moment. */
export const SlotState = { free: 0, idle: 1, leased: 2, returning: 3 } as const;

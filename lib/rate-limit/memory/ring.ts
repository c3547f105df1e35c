/**
 * A member of a ring: it joins and leaves in constant time, wherever it is. One member is its head,
 * and nothing else: its `newer` is the oldest member, its `older` the newest one.
 */
export interface Linked {
  older: Linked;
  newer: Linked;
}

/** The head of an empty ring. */
export class RingHead implements Linked {
  older: Linked = this;
  newer: Linked = this;
}

/** Adds a member that is in no ring after the newest one. */
export function join(head: Linked, member: Linked): void {
  member.older = head.older;
  member.newer = head;
  head.older.newer = member;
  head.older = member;
}

/** Takes a member out, if it is in a ring. */
export function leave(member: Linked): void {
  member.older.newer = member.newer;
  member.newer.older = member.older;
  member.older = member.newer = member;
}

/** The members, the oldest first. */
export function* membersOf(head: Linked): Generator<Linked> {
  for (let member = head.newer; member !== head; member = member.newer) yield member;
}

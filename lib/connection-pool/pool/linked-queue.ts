/** A member of a queue, with its neighbours. */
export interface Queued<T> {
  older: T | undefined;
  newer: T | undefined;
}

/**
 * A queue that members can leave from anywhere. A `Set` in the old generation keeps removed
 * members, with their requests, alive until the next full garbage collection.
 */
export class LinkedQueue<T extends Queued<T>> {
  first: T | undefined = undefined;
  private last: T | undefined = undefined;

  add(member: T): void {
    member.older = this.last;
    member.newer = undefined;
    if (this.last === undefined) this.first = member;
    else this.last.newer = member;
    this.last = member;
  }

  /** Returns whether it was in the queue. */
  delete(member: T): boolean {
    const { older, newer } = member;
    if (older !== undefined) older.newer = newer;
    else if (this.first === member) this.first = newer;
    else return false;
    if (newer !== undefined) newer.older = older;
    else this.last = older;
    member.older = member.newer = undefined;
    return true;
  }
}

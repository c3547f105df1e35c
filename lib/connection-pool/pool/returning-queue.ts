/** A connection that is returned when its answer is complete. */
export interface Returning {
  readonly isBusy: boolean;
  readonly usable: boolean;
  /** Its neighbours in the queue. */
  older: Returning | undefined;
  newer: Returning | undefined;
}

/** After so many misses the first connection moves to the end: its answer may take minutes. */
const MOST_MISSES = 8;

/**
 * The connections to one endpoint that are returned when their answers are complete, in the order
 * of their requests. undici reports the end one turn late; `ready` finds it earlier.
 */
export class ReturningQueue<C extends Returning> {
  first: C | undefined = undefined;
  private last: C | undefined = undefined;
  private misses = 0;

  add(connection: C): void {
    connection.older = this.last;
    connection.newer = undefined;
    if (this.last === undefined) this.first = connection;
    else this.last.newer = connection;
    this.last = connection;
  }

  /** Removes a connection; does nothing for one that is not in the queue. */
  delete(connection: C): void {
    const { older, newer } = connection;
    if (older !== undefined) older.newer = newer;
    else if (this.first === connection) this.first = newer as C | undefined;
    else return;
    if (newer !== undefined) newer.older = older;
    else this.last = older as C | undefined;
    connection.older = connection.newer = undefined;
  }

  /** The first usable connection without a request in flight, among the first `most`. */
  ready(most: number): C | undefined {
    let connection = this.first;
    for (let left = most; connection !== undefined && left > 0; left--) {
      if (!connection.isBusy && connection.usable) return connection;
      connection = connection.newer as C | undefined;
    }
    if (this.first !== undefined && ++this.misses >= MOST_MISSES) {
      this.misses = 0;
      const { first } = this;
      this.delete(first);
      this.add(first);
    }
    return undefined;
  }
}

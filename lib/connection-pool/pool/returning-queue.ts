/** A connection that is returned once its answer is complete. */
export interface Returning {
  readonly isBusy: boolean;
  readonly usable: boolean;
  /** Those beside it in the line. */
  older: Returning | undefined;
  newer: Returning | undefined;
}

/** So often the first may be found busy, before others are tried in its place: its answer may take minutes. */
const MOST_MISSES = 8;

/**
 * The connections to one endpoint that are returned once their answers are complete, in the order of their requests: of answers alike the first is complete first.
 * undici tells so a turn later than it is; who looks before has a socket that is still warm, for which undici sets no timer in between.
 */
export class ReturningLine<C extends Returning> {
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

  /** Whether it was there or not. */
  delete(connection: C): void {
    const { older, newer } = connection;
    if (older !== undefined) older.newer = newer;
    else if (this.first === connection) this.first = newer as C | undefined;
    else return;
    if (newer !== undefined) newer.older = older;
    else this.last = older as C | undefined;
    connection.older = connection.newer = undefined;
  }

  /** One of the first that is usable and has nothing under way any more. */
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

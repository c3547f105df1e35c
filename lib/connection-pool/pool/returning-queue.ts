import { LinkedQueue, type Queued } from './linked-queue.js';

/** After so many misses the first connection moves to the end: its answer may take minutes. */
const MOST_MISSES = 8;

/** A connection that is returned when its answer is complete. */
export interface Returning<C> extends Queued<C> {
  readonly isBusy: boolean;
  readonly usable: boolean;
}

/**
 * The connections to one endpoint that are released when their answers are complete, in the order
 * of their requests. undici reports the end one turn late; `ready` detects it earlier.
 */
export class ReturningQueue<C extends Returning<C>> extends LinkedQueue<C> {
  private misses = 0;

  /** The first usable connection without a request in flight, among the first `most`. */
  ready(most: number): C | undefined {
    let connection = this.first;
    for (let left = most; connection !== undefined && left > 0; left--) {
      if (!connection.isBusy && connection.usable) return connection;
      connection = connection.newer;
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

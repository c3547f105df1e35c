/** Holds that are remembered to be shown: an app may reserve and never settle. */
const MOST_UNSETTLED_HOLDS = 100_000;

/** A hold and its place. */
interface Held {
  readonly nanoUsd: number;
  /** Its place among the unsettled holds; -1 if it is not there. */
  place: number;
}

/**
 * The holds that are not settled yet. Each has its index, because adding to and removing from a
 * set, or a ring of linked holds, takes 80 ns.
 */
export class UnsettledHolds<Hold extends Held> {
  private readonly places: (Hold | undefined)[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.places.length - this.free.length;
  }

  /** Adds a hold, unless it holds nothing or was added before. */
  add(hold: Hold): void {
    if (hold.nanoUsd === 0 || hold.place >= 0) return;
    const place = this.free.pop() ?? this.places.length;
    if (place >= MOST_UNSETTLED_HOLDS) return;
    this.places[place] = hold;
    hold.place = place;
  }

  delete(hold: Hold): void {
    if (hold.place < 0) return;
    this.places[hold.place] = undefined;
    this.free.push(hold.place);
    hold.place = -1;
  }

  all(): Hold[] {
    return this.places.filter((hold) => hold !== undefined);
  }
}

/** Numbers of one account. */
export const FIGURES = 8;
const ACCOUNTS_PER_PAGE = 64;

/** Where the numbers of one account are. */
export interface FigurePlace {
  readonly figures: Float64Array;
  /** Index of the first one. */
  readonly at: number;
}

/**
 * The figures of all accounts, side by side: those of one are 64 bytes, so a decision waits for
 * memory once. As fields of an object, each would be a separate heap object.
 */
export class FigureSpace {
  private page = new Float64Array(0);
  private next = 0;
  private readonly free: FigurePlace[] = [];

  /** A place with zeros. */
  take(): FigurePlace {
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    if (this.next === this.page.length) {
      this.page = new Float64Array(ACCOUNTS_PER_PAGE * FIGURES);
      this.next = 0;
    }
    const at = this.next;
    this.next += FIGURES;
    return { figures: this.page, at };
  }

  giveBack(place: FigurePlace): void {
    place.figures.fill(0, place.at, place.at + FIGURES);
    this.free.push(place);
  }
}

/** Slots for requests in flight. Those without a place wait in line. */
export class CountingSlots {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(maxConcurrent: number) {
    this.free = maxConcurrent;
  }

  /** Takes a place, which `release` returns. `false`: there was none within `maxWaitMs`. */
  async take(maxWaitMs: number): Promise<boolean> {
    if (this.free > 0) {
      this.free--;
      return true;
    }
    return new Promise((resolve) => {
      const served = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(served);
        resolve(false);
      }, maxWaitMs);
      this.waiting.add(served);
    });
  }

  /** The first in line gets the place. */
  release(): void {
    const [first] = this.waiting;
    if (first === undefined) {
      this.free++;
      return;
    }
    this.waiting.delete(first);
    first();
  }
}

/**
 * Counts the versions of a router that calls can still use. Calls do not count themselves in: each
 * holds its version, and the garbage collector reports when the last one has let go of it.
 */
export class LiveVersions {
  private readonly numbers = new Set<number>();
  private readonly collected = new FinalizationRegistry<number>((number) => this.numbers.delete(number));
  private last = 0;

  /** Number of the newest version; 0 before the first. */
  get newest(): number {
    return this.last;
  }

  /** Number of the oldest version in use. */
  get oldest(): number {
    // A set keeps the order in which versions were added.
    return this.numbers.values().next().value ?? this.last;
  }

  /** Versions in use, the newest included. */
  get count(): number {
    return this.numbers.size;
  }

  /** Adds the version after the newest one. @param version Its `number` must be `newest + 1`. */
  add(version: { readonly number: number }): void {
    this.last = version.number;
    this.numbers.add(version.number);
    this.collected.register(version, version.number);
  }
}

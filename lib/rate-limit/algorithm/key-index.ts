/** A key under a family, as 64 bits of a hash. */
export interface HashedKey {
  readonly low: number;
  readonly high: number;
  readonly family: number;
}

/**
 * Numbers of an entry: both halves of the hash, the family, and the key's number counted from 1.
 */
const STRIDE = 4;
const FAMILY = 2;
const NUMBER = 3;
const SMALLEST = 16;

/**
 * An open-addressed table from hashes to numbers. An entry is a quarter of a cache line, and
 * contains no text of the key.
 */
export class KeyIndex {
  private entries = new Int32Array(SMALLEST * STRIDE);
  private mask = SMALLEST - 1;
  private size = 0;

  /** The number of a key, -1 if it is not there. */
  find({ low, high, family }: HashedKey): number {
    const at = this.place(low, high, family) * STRIDE;
    return this.entries[at + NUMBER] - 1;
  }

  /** Adds a key, or gives it another number. */
  set({ low, high, family }: HashedKey, number: number): void {
    const at = this.place(low, high, family) * STRIDE;
    const isNew = this.entries[at + NUMBER] === 0;
    this.entries.set([low, high, family, number + 1], at);
    if (!isNew) return;
    this.size += 1;
    if (this.size * 4 > this.mask * 3) this.resize((this.mask + 1) * 2);
  }

  /** Removes a key that is there, and moves up those after it that found their place taken. */
  remove({ low, high, family }: HashedKey): void {
    const { entries, mask } = this;
    let hole = this.place(low, high, family);
    for (let place = (hole + 1) & mask; entries[place * STRIDE + NUMBER] !== 0; place = (place + 1) & mask) {
      const home = entries[place * STRIDE] & mask;
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      entries.copyWithin(hole * STRIDE, place * STRIDE, (place + 1) * STRIDE);
      hole = place;
    }
    entries[hole * STRIDE + NUMBER] = 0;
    this.size -= 1;
    if (mask >= SMALLEST && this.size * 8 < mask) this.resize((mask + 1) / 4);
  }

  /** Where a key is, or the empty place for it. */
  private place(low: number, high: number, family: number): number {
    const { entries, mask } = this;
    for (let place = low & mask; ; place = (place + 1) & mask) {
      const at = place * STRIDE;
      if (entries[at + NUMBER] === 0) return place;
      if (entries[at] === low && entries[at + 1] === high && entries[at + FAMILY] === family) return place;
    }
  }

  private resize(capacity: number): void {
    const { entries } = this;
    const places = Math.max(SMALLEST, capacity);
    this.entries = new Int32Array(places * STRIDE);
    this.mask = places - 1;
    for (let at = 0; at < entries.length; at += STRIDE) {
      if (entries[at + NUMBER] === 0) continue;
      const to = this.place(entries[at], entries[at + 1], entries[at + FAMILY]) * STRIDE;
      this.entries.set(entries.subarray(at, at + STRIDE), to);
    }
  }
}

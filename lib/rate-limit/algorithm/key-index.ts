/** Numbers of an entry: both halves of the hash, the family, and the key's number counted from 1. */
const STRIDE = 4;
const FAMILY = 2;
const NUMBER = 3;
const SMALLEST = 16;

/** An open-addressed table from hashes to numbers: an entry is a quarter of a cache line, and nothing of it is the garbage collector's. */
export class KeyIndex {
  private entries = new Int32Array(SMALLEST * STRIDE);
  private mask = SMALLEST - 1;
  private size = 0;

  /** The number of a key, -1 for one that is not there. */
  find(low: number, high: number, family: number): number {
    const { entries, mask } = this;
    for (let place = low & mask; ; place = (place + 1) & mask) {
      const at = place * STRIDE;
      const number = entries[at + NUMBER];
      if (number === 0) return -1;
      if (entries[at] === low && entries[at + 1] === high && entries[at + FAMILY] === family) return number - 1;
    }
  }

  /** Adds a key that is not there. */
  add(low: number, high: number, family: number, number: number): void {
    if ((this.size + 1) * 4 > (this.mask + 1) * 3) this.resize((this.mask + 1) * 2);
    this.size += 1;
    this.enter(low, high, family, number + 1);
  }

  /** Removes a key that is there, and moves up those behind that were kept from their place. */
  remove(low: number, high: number, family: number): void {
    const { entries, mask } = this;
    let hole = this.placeOf(low, high, family);
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

  private placeOf(low: number, high: number, family: number): number {
    const { entries, mask } = this;
    let place = low & mask;
    for (;;) {
      const at = place * STRIDE;
      if (entries[at] === low && entries[at + 1] === high && entries[at + FAMILY] === family && entries[at + NUMBER] !== 0) return place;
      place = (place + 1) & mask;
    }
  }

  private enter(low: number, high: number, family: number, stored: number): void {
    const { entries, mask } = this;
    let place = low & mask;
    while (entries[place * STRIDE + NUMBER] !== 0) place = (place + 1) & mask;
    const at = place * STRIDE;
    entries[at] = low;
    entries[at + 1] = high;
    entries[at + FAMILY] = family;
    entries[at + NUMBER] = stored;
  }

  private resize(capacity: number): void {
    const { entries } = this;
    const places = Math.max(SMALLEST, capacity);
    this.entries = new Int32Array(places * STRIDE);
    this.mask = places - 1;
    for (let at = 0; at < entries.length; at += STRIDE) {
      if (entries[at + NUMBER] !== 0) this.enter(entries[at], entries[at + 1], entries[at + FAMILY], entries[at + NUMBER]);
    }
  }
}

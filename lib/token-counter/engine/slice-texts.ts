import type { SliceCounts } from './engine.js';

/** Texts that are the raw contents of JSON strings, and their counts. */
export class SliceTexts {
  sum = 0;
  private counted = 0;
  private readonly counts: Uint32Array;
  private readonly units: Uint32Array;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly places: Uint32Array,
  ) {
    this.counts = new Uint32Array(places.length / 2);
    this.units = new Uint32Array(places.length / 2);
  }

  /** The texts, until the sum of their counts exceeds `limit`. */
  *upTo(limit: number): Generator<string> {
    const { bytes, places } = this;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (this.counted < this.counts.length && this.sum <= limit) {
      const raw = buffer.toString('utf8', places[2 * this.counted], places[2 * this.counted + 1]);
      const text = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
      this.units[this.counted] = text.length;
      yield text;
    }
  }

  add(tokens: number): void {
    this.counts[this.counted++] = tokens;
    this.sum += tokens;
  }

  result(): SliceCounts {
    const { counts, units, counted } = this;
    return { counts, units, counted };
  }
}

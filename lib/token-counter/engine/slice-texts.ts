import type { SliceCounts } from './engine.js';

/** Bytes that are decoded in one turn of the event loop: about a millisecond. */
const BYTES_PER_TURN = 1 << 18;
const BACKSLASH = 0x5c;
const U = 0x75;
/** `\u0000` */
const LONGEST_ESCAPE = 6;

/** Texts that are the raw contents of JSON strings, and their counts. */
export class SliceTexts {
  sum = 0;
  private counted = 0;
  private readonly counts: Uint32Array;
  private readonly units: Uint32Array;
  private readonly buffer: Buffer;

  constructor(
    bytes: Uint8Array,
    private readonly places: Uint32Array,
  ) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.counts = new Uint32Array(places.length / 2);
    this.units = new Uint32Array(places.length / 2);
  }

  /** The texts, until the sum of their counts exceeds `limit`. */
  *upTo(limit: number): Generator<string> {
    for (const [start, end] of this.placesUpTo(limit)) yield this.took(decoded(this.buffer, start, end));
  }

  /** The same, for long texts in several turns of the event loop. */
  async *upToInTurns(limit: number): AsyncGenerator<string> {
    for (const [start, end] of this.placesUpTo(limit)) {
      let text = '';
      for (let from = start, to: number; from < end; from = to) {
        if (from > start) await new Promise((resolve) => setImmediate(resolve));
        to = partEnd(this.buffer, from, end);
        text += decoded(this.buffer, from, to);
      }
      yield this.took(text);
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

  private *placesUpTo(limit: number): Generator<readonly [start: number, end: number]> {
    const { places, counts } = this;
    while (this.counted < counts.length && this.sum <= limit) yield [places[2 * this.counted], places[2 * this.counted + 1]];
  }

  private took(text: string): string {
    this.units[this.counted] = text.length;
    return text;
  }
}

function decoded(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Where the part that starts at `start` ends: not within an escape, nor within a character. */
export function partEnd(bytes: Uint8Array, start: number, end: number, most = BYTES_PER_TURN): number {
  let at = start + most;
  if (at >= end) return end;
  for (let back = at - 1; back >= at - LONGEST_ESCAPE && back >= start; back--) {
    if (bytes[back] !== BACKSLASH) continue;
    let run = 1;
    while (back - run >= start && bytes[back - run] === BACKSLASH) run++;
    // In a run of backslashes, every other one begins an escape.
    if (run % 2 === 1 && back + (bytes[back + 1] === U ? LONGEST_ESCAPE : 2) > at) at = back;
    break;
  }
  while ((bytes[at] & 0xc0) === 0x80) at--;
  return at;
}

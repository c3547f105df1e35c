/** The tokens of a file: their ids, and their bytes in one buffer. */
export class TokenTable {
  constructor(
    readonly ids: Uint32Array,
    /** Where the bytes of each token end. */
    readonly ends: Uint32Array,
    readonly bytes: Uint8Array,
  ) {}

  /** A table of tokens that are not together in memory. */
  static of(tokens: ReadonlyMap<number, Uint8Array>): TokenTable {
    const ends = new Uint32Array(tokens.size);
    let end = 0;
    let index = 0;
    for (const bytes of tokens.values()) ends[index++] = end += bytes.length;
    return new TokenTable(Uint32Array.from(tokens.keys()), ends, Buffer.concat([...tokens.values()]));
  }

  startOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1];
  }

  lengthOf(index: number): number {
    return this.ends[index] - this.startOf(index);
  }

  bytesOf(index: number): Uint8Array {
    return this.bytes.subarray(this.startOf(index), this.ends[index]);
  }

  /** The ids of the tokens of one byte, by that byte. */
  byteIds(): (number | undefined)[] {
    const ids: (number | undefined)[] = new Array<undefined>(256).fill(undefined);
    for (let index = 0; index < this.ids.length; index++)
      if (this.lengthOf(index) === 1) ids[this.bytes[this.startOf(index)]] = this.ids[index];
    return ids;
  }
}

/** A vocabulary as a `tokenizer.json` spells it, and its merges. */
export interface SpelledVocabulary {
  /** The tokens in UTF-8, concatenated. */
  readonly texts: Uint8Array;
  readonly lengths: Uint32Array;
  readonly ids: Uint32Array;
  /** By rank: the two tokens that merge, and the one that they make. */
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  readonly made: Uint32Array;
}

/**
 * Writes the bytes of the token `texts[start..end]` to `target` at `at`; returns their end, or -1.
 */
export type Respell = (texts: Uint8Array, start: number, end: number, target: Uint8Array, at: number) => number;

/** The tokens by their bytes, except tokens without bytes. */
export function respelled({ texts, lengths, ids }: SpelledVocabulary, respell: Respell): TokenTable {
  const bytes = new Uint8Array(texts.length);
  const [kept, ends] = [new Uint32Array(ids.length), new Uint32Array(ids.length)];
  let count = 0;
  let end = 0;
  for (let index = 0, start = 0; index < ids.length; index++) {
    const found = respell(texts, start, (start += lengths[index]), bytes, end);
    if (found < 0) continue;
    kept[count] = ids[index];
    ends[count++] = end = found;
  }
  return new TokenTable(kept.subarray(0, count), ends.subarray(0, count), bytes.subarray(0, end));
}

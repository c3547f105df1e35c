import { Vocabulary } from './vocabulary.js';

/** Tokens that merging their bytes does not make: a piece is one as a whole. */
export class WholePieces {
  private readonly vocabulary: Vocabulary;
  /** By their places in `vocabulary`. */
  private readonly ids: readonly number[];
  private readonly lengths: ReadonlyMap<number, number>;

  constructor(tokens: readonly (readonly [id: number, bytes: Uint8Array])[]) {
    this.vocabulary = Vocabulary.build(
      tokens.length,
      tokens.map(([, bytes], place) => [place, bytes] as const),
    );
    this.ids = tokens.map(([id]) => id);
    this.lengths = new Map(tokens.map(([id, bytes]) => [id, bytes.length]));
  }

  /** The token that `text[start..end]` is, or -1. `prefixes` are the hashes of `text`. */
  find(text: Uint8Array, prefixes: Int32Array, start: number, end: number): number {
    const place = this.vocabulary.find(text, prefixes, start, end);
    return place < 0 ? -1 : this.ids[place];
  }

  /** Bytes of those of the tokens that are here. */
  decodedLength(ids: Uint32Array): number {
    let length = 0;
    for (const id of ids) length += this.lengths.get(id) ?? 0;
    return length;
  }
}

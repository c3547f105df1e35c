/** The tokens of the engines' tables: their ids rise with their rank. */
export class NumberedTokens {
  /** Where the bytes of each start in the source. */
  readonly starts: Uint32Array;
  readonly lengths: Uint8Array;

  constructor(
    readonly size: number,
    /** The bytes of all tokens are parts of it. */
    readonly source: Uint8Array,
    /** The file's id of each; `null` if these are the same. */
    readonly external: Uint32Array | null,
    private readonly inner: Int32Array | null,
  ) {
    this.starts = new Uint32Array(size);
    this.lengths = new Uint8Array(size);
  }

  set(id: number, start: number, length: number): void {
    this.starts[id] = start;
    this.lengths[id] = length;
  }

  /** The tables' id of one of the file. */
  innerOf(id: number): number {
    return this.inner === null ? id : this.inner[id];
  }

  /** The bytes of a token; none for an id without a token. */
  bytesOf(id: number): Uint8Array {
    return this.source.subarray(this.starts[id], this.starts[id] + this.lengths[id]);
  }

  /** The tokens by ascending id. */
  *entries(): Generator<readonly [id: number, bytes: Uint8Array]> {
    for (let id = 0; id < this.size; id++) if (this.lengths[id] > 0) yield [id, this.bytesOf(id)];
  }

  *values(): Generator<Uint8Array> {
    for (const [, bytes] of this.entries()) yield bytes;
  }
}

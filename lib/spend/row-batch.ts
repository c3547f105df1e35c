const FIRST_BYTES = 16 * 1024;
/** Larger buffers are not kept for the next batch. */
const MOST_KEPT_BYTES = 1024 * 1024;
/** Bytes of a UTF-16 code unit in UTF-8, at most. */
const BYTES_PER_UNIT = 3;
/** From this length on, it is worth measuring a row instead of reserving the most. */
const LONG_ROW = 4_096;
const [BEGIN, COMMA, END] = [...Buffer.from('[,]')];

let kept: Buffer | undefined;

/**
 * The rows of one statement, as the text of a JSON array:
 *
 *     [{"id":"a",…},{"id":"b",…}]
 *          ends ─▲            ▲
 *
 * The text is in a buffer, because strings that wait for a statement survive the next garbage
 * collections, which copy them: that costs more than serializing them.
 */
export class RowBatch {
  private bytes: Buffer;
  /** The end of each row in `bytes`. */
  private readonly ends: number[] = [];

  constructor() {
    this.bytes = kept ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
    kept = undefined;
    this.bytes[0] = BEGIN;
  }

  static of(rows: readonly string[]): RowBatch {
    const batch = new RowBatch();
    for (const row of rows) batch.add(row);
    return batch;
  }

  get count(): number {
    return this.ends.length;
  }

  /** Size of the rows in bytes. */
  get size(): number {
    return this.end - 1;
  }

  /** Where the next row begins. */
  private get end(): number {
    return this.ends.length === 0 ? 1 : this.ends[this.ends.length - 1];
  }

  /** Adds a row and returns its size in bytes, with its separator. */
  add(row: string): number {
    const { ends, end: begin } = this;
    const most = begin + (row.length < LONG_ROW ? row.length * BYTES_PER_UNIT : Buffer.byteLength(row)) + 2;
    if (most > this.bytes.length) this.grow(most);
    const { bytes } = this;
    let end = begin;
    if (ends.length > 0) bytes[end++] = COMMA;
    end += bytes.write(row, end);
    ends.push(end);
    return end - begin;
  }

  /** Returns the array's text in UTF-8, without a copy. */
  json(): Buffer {
    const { bytes, end } = this;
    bytes[end] = END;
    return bytes.subarray(0, end + 1);
  }

  rows(): string[] {
    const { bytes, ends } = this;
    return ends.map((end, at) => bytes.toString('utf8', at === 0 ? 1 : ends[at - 1] + 1, end));
  }

  /** Gives the buffer to the next batch. Nothing may use this batch afterwards. */
  recycle(): void {
    if (this.bytes.length <= MOST_KEPT_BYTES) kept = this.bytes;
    this.bytes = Buffer.alloc(0);
    this.ends.length = 0;
  }

  private grow(least: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(least, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.end);
    this.bytes = grown;
  }
}

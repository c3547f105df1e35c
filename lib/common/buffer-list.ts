/** Number of chunks that are kept regardless of their size; most bodies have no more. */
const FEW = 16;
/** Bytes from which on a chunk is kept without a copy. */
const LARGE = 1024;
const BLOCK_BYTES = 16 * 1024;
const NONE = Buffer.alloc(0);

/**
 * Bytes that arrive in chunks. Small chunks are copied together, because each takes some 120 bytes:
 * a body of 8 MB sent byte by byte took 1 GB.
 */
export class BufferList {
  /** In bytes. */
  length = 0;
  private chunks: Buffer[] = [];
  /** Small chunks after `chunks`: the first `used` bytes of `block`. */
  private block: Buffer = NONE;
  private used = 0;

  push(chunk: Buffer): void {
    this.length += chunk.length;
    if (this.chunks.length < FEW || chunk.length >= LARGE) {
      if (this.used > 0) this.endBlock();
      this.chunks.push(chunk);
      return;
    }
    if (this.used + chunk.length > this.block.length) {
      if (this.used > 0) this.endBlock();
      this.block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    }
    this.block.set(chunk, this.used);
    this.used += chunk.length;
  }

  /** All bytes; a copy where they are more than one chunk, which then takes their place. */
  bytes(): Buffer {
    if (this.used > 0) this.endBlock();
    const { chunks } = this;
    if (chunks.length === 0) return NONE;
    if (chunks.length > 1) this.chunks = [Buffer.concat(chunks, this.length)];
    return this.chunks[0];
  }

  /** All bytes, which the list keeps no longer. */
  take(): Buffer {
    const bytes = this.bytes();
    this.chunks = [];
    this.length = 0;
    return bytes;
  }

  private endBlock(): void {
    const { block, used } = this;
    // A large chunk may follow one byte.
    this.chunks.push(used < block.length / 2 ? Buffer.from(block.subarray(0, used)) : block.subarray(0, used));
    this.block = NONE;
    this.used = 0;
  }
}

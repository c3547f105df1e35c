import type { Vocabulary } from './vocabulary.js';

/** Bytes of the longest block. */
export const MAX_BLOCK_BYTES = 128;

const NO_MERGE = 0x7fffffff;

/**
 * Merges up to `MAX_BLOCK_BYTES` bytes as the reference does it: the lowest rank first, the leftmost of equals, found by looking at all of them. One of
 * these serves an encoding; what it merged is there until the next block.
 */
export class BlockMerge {
  /** The token of the part that starts at a byte; only where `isBound`. */
  private readonly ids = new Int32Array(MAX_BLOCK_BYTES);
  /** The token that the part at a byte makes with the next one. */
  private readonly merges = new Int32Array(MAX_BLOCK_BYTES);
  /** Where the part behind the one at a byte starts; 0 where none starts. */
  private readonly next = new Uint8Array(MAX_BLOCK_BYTES);
  private readonly previous = new Uint8Array(MAX_BLOCK_BYTES);
  private length = 0;

  constructor(private readonly vocabulary: Vocabulary) {}

  /** Merges `bytes[start..end]`, of which `prefixes` are the hashes, and returns the number of tokens. */
  merge(bytes: Uint8Array, prefixes: Int32Array, start: number, end: number): number {
    const { ids, merges, next, previous, vocabulary } = this;
    const { pairs, single } = vocabulary;
    const length = (this.length = end - start);
    for (let at = 0, byte = bytes[start]; at < length; at++) {
      ids[at] = single[byte];
      next[at] = at + 1;
      previous[at] = at - 1;
      const after = at + 1 < length ? bytes[start + at + 1] : 0;
      const made = at + 1 < length ? pairs[byte | (after << 8)] : -1;
      merges[at] = made < 0 ? NO_MERGE : made;
      byte = after;
    }
    let count = length;
    for (;;) {
      let lowest = NO_MERGE;
      let at = 0;
      for (let other = 0; other < length; other++) {
        const merge = merges[other];
        if (merge < lowest) {
          lowest = merge;
          at = other;
        }
      }
      if (lowest === NO_MERGE) return count;
      count--;
      const middle = next[at];
      const after = next[middle];
      ids[at] = lowest;
      next[at] = after;
      next[middle] = 0;
      merges[middle] = NO_MERGE;
      merges[at] = NO_MERGE;
      if (after < length) {
        previous[after] = at;
        const made = vocabulary.find(bytes, prefixes, start + at, start + next[after]);
        if (made >= 0) merges[at] = made;
      }
      if (at > 0) {
        const before = previous[at];
        const made = vocabulary.find(bytes, prefixes, start + before, start + after);
        merges[before] = made < 0 ? NO_MERGE : made;
      }
    }
  }

  /** Whether [from, to) of the block is one of its tokens. */
  has(from: number, to: number): boolean {
    return from < this.length && this.next[from] === to;
  }

  /** Writes the tokens from the one that starts at `from` on, and returns where they end in `ids`. */
  write(from: number, ids: Uint32Array, at: number): number {
    for (; from < this.length; from = this.next[from]) ids[at++] = this.ids[from];
    return at;
  }
}

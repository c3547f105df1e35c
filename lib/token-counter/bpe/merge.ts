import { hashPrefixes, type Vocabulary } from './vocabulary.js';

/** Most bytes that `BlockMerge` merges; its lists have a byte for a place. */
export const MAX_BLOCK_BYTES = 240;

const NO_MERGE = 0x7fffffff;
/** Pairs whose lowest rank is kept, as a power of two. */
const GROUP_BITS = 4;
const GROUP = 1 << GROUP_BITS;

/**
 * Byte-pair merging of at most `MAX_BLOCK_BYTES` bytes: each round merges the pair of the lowest
 * rank, the leftmost of equals. One instance serves an encoding and holds the result until the
 * next.
 */
export class BlockMerge {
  /** The token of the part that starts at a byte. */
  private readonly ids = new Int32Array(MAX_BLOCK_BYTES);
  /** The token that the part makes with the next part, or `NO_MERGE`. */
  private readonly merges = new Int32Array(MAX_BLOCK_BYTES + GROUP);
  /** The lowest of each `GROUP` of `merges`. */
  private readonly lowest = new Int32Array(MAX_BLOCK_BYTES >> GROUP_BITS);
  /** Where the next part starts; 0 at a byte at which no part starts. */
  private readonly next = new Uint8Array(MAX_BLOCK_BYTES);
  private readonly previous = new Uint8Array(MAX_BLOCK_BYTES);
  private length = 0;

  constructor(private readonly vocabulary: Vocabulary) {}

  /** Merges `bytes[start..end]`, with the hashes `prefixes`, and returns the number of tokens. */
  merge(bytes: Uint8Array, prefixes: Int32Array, start: number, end: number): number {
    const { ids, merges, next, previous, vocabulary } = this;
    this.begin(bytes, start, end);
    const { length } = this;
    let count = length;
    for (let at = this.lowestPair(); at >= 0; at = this.lowestPair()) {
      const rank = merges[at];
      const from = at > 0 ? previous[at] : at;
      let to = at;
      // Adjacent equal pairs need no search, because no merge creates a pair of a lower rank.
      for (; merges[at] === rank; at = next[at]) {
        count--;
        const middle = next[at];
        const after = next[middle];
        ids[at] = rank;
        next[at] = after;
        next[middle] = 0;
        merges[middle] = NO_MERGE;
        let made = -1;
        if (after < length) {
          previous[after] = at;
          made = vocabulary.find(bytes, prefixes, start + at, start + next[after]);
        }
        merges[at] = made < 0 ? NO_MERGE : made;
        if (at > 0) {
          const before = previous[at];
          const joined = vocabulary.find(bytes, prefixes, start + before, start + after);
          merges[before] = joined < 0 ? NO_MERGE : joined;
        }
        to = middle;
      }
      for (let group = from >> GROUP_BITS; group <= to >> GROUP_BITS; group++) this.updateGroup(group);
    }
    return count;
  }

  /** One part for each byte. */
  private begin(bytes: Uint8Array, start: number, end: number): void {
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
    merges.fill(NO_MERGE, length, length + GROUP);
    for (let group = 0; group << GROUP_BITS < length; group++) this.updateGroup(group);
  }

  private updateGroup(group: number): void {
    const { merges } = this;
    const from = group << GROUP_BITS;
    let lowest = merges[from];
    for (let at = from + 1; at < from + GROUP; at++) if (merges[at] < lowest) lowest = merges[at];
    this.lowest[group] = lowest;
  }

  /** The leftmost pair of the lowest rank; -1 if no pair makes a token. */
  private lowestPair(): number {
    const { lowest, length } = this;
    let best = NO_MERGE;
    let found = -1;
    for (let group = 0; group << GROUP_BITS < length; group++) {
      if (lowest[group] < best) {
        best = lowest[group];
        found = group;
      }
    }
    return found < 0 ? -1 : this.merges.indexOf(best, found << GROUP_BITS);
  }

  /** Returns true if one of the block's tokens is [from, to). */
  has(from: number, to: number): boolean {
    return from < this.length && this.next[from] === to;
  }

  /** Writes the tokens from byte `from` on to `ids` at `at`, and returns where they end. */
  write(from: number, ids: Uint32Array, at: number): number {
    for (; from < this.length; from = this.next[from]) ids[at++] = this.ids[from];
    return at;
  }
}

/** Pairs between two pauses: about a millisecond. */
const PAIRS_PER_STEP = 4096;

/**
 * Byte-pair merging of a piece of any length in near-linear time: lowest rank first, leftmost of
 * equals, as tiktoken, whose time is quadratic. Yields after about each millisecond of work.
 */
export function* mergePiece(bytes: Uint8Array, vocabulary: Vocabulary): Generator<undefined, Uint32Array> {
  const prefixes = new Int32Array(bytes.length + 1);
  hashPrefixes(bytes, prefixes, bytes.length);
  const whole = vocabulary.find(bytes, prefixes, 0, bytes.length);
  if (whole >= 0) return Uint32Array.of(whole);
  yield undefined;
  return yield* new Merge(bytes, prefixes, vocabulary).run();
}

/**
 * The parts of a piece as a linked list, indexed by the first byte of each part:
 *
 *     bytes      t   h   e   r   e        parts: "th", "e", "re"
 *     next       2   .   3   5   .        start of the next part
 *     previous  -1   .   0   2   .        start of the part before
 *     ranks      r1 -1   r2 -1  -1        rank of the part joined with the next part; -1: no token
 *
 * The queue keeps the entry of a pair that has changed; `ranks` shows that it is stale. A part only
 * grows, so an old rank never becomes valid again. Ranks are merged in ascending order: no merge of
 * OpenAI's encodings makes a pair of a lower rank (`ranks.test.ts`).
 */
class Merge {
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly ranks: Int32Array;
  private readonly queue = new RankQueue();
  private parts: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly prefixes: Int32Array,
    private readonly vocabulary: Vocabulary,
  ) {
    this.parts = bytes.length;
    this.next = new Int32Array(bytes.length + 1);
    this.previous = new Int32Array(bytes.length + 1);
    this.ranks = new Int32Array(bytes.length);
  }

  *run(): Generator<undefined, Uint32Array> {
    const { length } = this.bytes;
    let left = PAIRS_PER_STEP;
    for (let at = 0; at <= length; at++) {
      this.next[at] = at + 1;
      this.previous[at] = at - 1;
      if (at < length) this.setRank(at, at + 2);
      if (--left === 0) {
        left = PAIRS_PER_STEP;
        yield undefined;
      }
    }
    for (let rank = this.queue.nextRank(); rank >= 0; rank = this.queue.nextRank()) {
      const positions = this.queue.take(rank);
      for (let from = 0; from < positions.length; from += PAIRS_PER_STEP) {
        const to = Math.min(positions.length, from + PAIRS_PER_STEP);
        this.mergeAll(rank, positions, from, to);
        left -= to - from;
        if (left <= 0) {
          left = PAIRS_PER_STEP;
          yield undefined;
        }
      }
    }
    return this.tokens();
  }

  private mergeAll(rank: number, positions: ArrayLike<number>, from: number, to: number): void {
    const { next, previous, ranks } = this;
    for (let i = from; i < to; i++) {
      const at = positions[i];
      if (ranks[at] !== rank) continue;
      const eaten = next[at];
      const after = next[eaten];
      next[at] = after;
      previous[after] = at;
      ranks[eaten] = -1;
      this.parts -= 1;
      if (previous[at] >= 0) this.setRank(previous[at], after);
      this.setRank(at, after < this.bytes.length ? next[after] : after + 1);
    }
  }

  /** Sets the rank of the part at `at` joined with the next part, which ends at `end`. */
  private setRank(at: number, end: number): void {
    const rank = end > this.bytes.length ? -1 : this.vocabulary.find(this.bytes, this.prefixes, at, end);
    this.ranks[at] = rank;
    if (rank >= 0) this.queue.put(rank, at);
  }

  private tokens(): Uint32Array {
    const ids = new Uint32Array(this.parts);
    let written = 0;
    for (let at = 0; at < this.bytes.length; at = this.next[at]) {
      ids[written++] = this.vocabulary.find(this.bytes, this.prefixes, at, this.next[at]);
    }
    return ids;
  }
}

interface Bucket {
  readonly positions: number[];
  ascending: boolean;
}

/**
 * Priority queue of positions by rank: one bucket per rank and a binary heap of the ranks. A text
 * has few ranks and many positions, so adding a position takes near-constant time.
 */
class RankQueue {
  private readonly buckets = new Map<number, Bucket>();
  private readonly heap: number[] = [];

  put(rank: number, position: number): void {
    const bucket = this.buckets.get(rank);
    if (bucket === undefined) {
      this.buckets.set(rank, { positions: [position], ascending: true });
      this.pushRank(rank);
      return;
    }
    const { positions } = bucket;
    if (position < positions[positions.length - 1]) bucket.ascending = false;
    positions.push(position);
  }

  /** The lowest rank, or -1 if the queue is empty. */
  nextRank(): number {
    return this.heap.length > 0 ? this.heap[0] : -1;
  }

  /** Removes the lowest rank, which is `rank`, and returns its positions in ascending order. */
  take(rank: number): ArrayLike<number> {
    const { positions, ascending } = this.buckets.get(rank) as Bucket;
    this.buckets.delete(rank);
    this.popRank();
    return ascending ? positions : Int32Array.from(positions).sort();
  }

  private pushRank(rank: number): void {
    const { heap } = this;
    let at = heap.push(rank) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= rank) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = rank;
  }

  private popRank(): void {
    const { heap } = this;
    const rank = heap.pop() as number;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && heap[child + 1] < heap[child]) child += 1;
      if (heap[child] >= rank) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = rank;
  }
}

import { RankQueue } from './rank-queue.js';
import { hashPrefixes, type Vocabulary } from './vocabulary.js';

/** Pairs looked at between two pauses: about a millisecond. */
const PAIRS_PER_STEP = 4096;

/**
 * Byte-pair merging of one piece in near-linear time, with the same result as the reference's, which looks at every pair after every
 * merge: always the lowest rank first, the leftmost where ranks are equal. Yields whenever a millisecond or so of work is done.
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
 * A part is known by its first byte: `next` and `previous` link the parts, `ranks` holds the rank of a part joined with its right neighbour.
 * Queue entries are not removed when a part changes, `ranks` tells that they are stale: a part only grows, so no rank comes back to it.
 *
 * A merge never makes a pair of a lower rank than its own. That holds because each token of these vocabularies is what merging its bytes
 * gives: a pair of a lower rank would have been merged before, by a way that does not lead through the merge just made. The tests check every token.
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
      if (at < length) this.rank(at, at + 2);
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
      if (previous[at] >= 0) this.rank(previous[at], after);
      this.rank(at, after < this.bytes.length ? next[after] : after + 1);
    }
  }

  /** Notes the rank of the part at `at` joined with its neighbour, which ends at `end`; past the last byte: there is none. */
  private rank(at: number, end: number): void {
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

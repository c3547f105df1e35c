import type { Vocabulary } from './token-counter.vocabulary.js';

/** Merges done between two pauses: about a millisecond. */
const MERGES_PER_STEP = 4096;
/** A queue entry is `rank * POSITIONS + position`: an exact double for every rank and position there can be. */
const POSITIONS = 2 ** 32;

/**
 * Byte-pair merging of one piece in near-linear time, with the same result as the reference's, which looks at every pair after every
 * merge: always the lowest rank first, the leftmost where ranks are equal. Yields whenever a millisecond or so of work is done.
 *
 * A part is known by its first byte: `next` and `previous` link the parts, `ranks` holds the rank of a part joined with its right
 * neighbour. Queue entries are not removed when a part changes; `ranks` tells that they are stale. A part only grows, so no
 * rank comes back to it and an old entry cannot pass for a new one.
 */
export function* mergePiece(bytes: Uint8Array, vocabulary: Vocabulary): Generator<undefined, Uint32Array> {
  const prefixes = vocabulary.hashPrefixes(bytes);
  const whole = vocabulary.find(bytes, prefixes, 0, bytes.length);
  if (whole >= 0) return Uint32Array.of(whole);
  const merge = new Merge(bytes, prefixes, vocabulary);
  yield undefined;
  while (!merge.advance(MERGES_PER_STEP)) yield undefined;
  return merge.tokens();
}

class Merge {
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly ranks: Int32Array;
  private readonly queue: Float64Array;
  private queued = 0;
  private parts: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly prefixes: Int32Array,
    private readonly vocabulary: Vocabulary,
  ) {
    const { length } = bytes;
    this.parts = length;
    this.next = new Int32Array(length + 1);
    this.previous = new Int32Array(length + 1);
    this.ranks = new Int32Array(length);
    // At most one entry per byte to begin with; each merge takes one out and puts at most two in, and there are fewer merges than bytes.
    this.queue = new Float64Array(length * 2);
    for (let at = 0; at <= length; at++) {
      this.next[at] = at + 1;
      this.previous[at] = at - 1;
    }
    for (let at = 0; at < length; at++) {
      const rank = (this.ranks[at] = at + 2 <= length ? vocabulary.find(bytes, prefixes, at, at + 2) : -1);
      if (rank >= 0) this.queue[this.queued++] = rank * POSITIONS + at;
    }
    for (let at = (this.queued >> 1) - 1; at >= 0; at--) this.sink(at, this.queue[at]);
  }

  /** Takes up to `count` entries from the queue; true when it is empty. */
  advance(count: number): boolean {
    const { next, previous, ranks } = this;
    const { length } = this.bytes;
    for (; count > 0 && this.queued > 0; count--) {
      const entry = this.take();
      const rank = Math.floor(entry / POSITIONS);
      const at = entry - rank * POSITIONS;
      if (ranks[at] !== rank) continue;
      const eaten = next[at];
      const after = next[eaten];
      next[at] = after;
      previous[after] = at;
      ranks[eaten] = -1;
      this.parts -= 1;
      this.rerank(at, after < length ? next[after] : -1);
      if (previous[at] >= 0) this.rerank(previous[at], after);
    }
    return this.queued === 0;
  }

  tokens(): Uint32Array {
    const ids = new Uint32Array(this.parts);
    let written = 0;
    for (let at = 0; at < this.bytes.length; at = this.next[at]) {
      ids[written++] = this.vocabulary.find(this.bytes, this.prefixes, at, this.next[at]);
    }
    return ids;
  }

  /** Notes the rank of the part at `at` joined with its neighbour, which ends at `end`; -1: there is none. */
  private rerank(at: number, end: number): void {
    const rank = end < 0 ? -1 : this.vocabulary.find(this.bytes, this.prefixes, at, end);
    this.ranks[at] = rank;
    if (rank >= 0) this.put(rank * POSITIONS + at);
  }

  private put(entry: number): void {
    const { queue } = this;
    let at = this.queued++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (queue[parent] <= entry) break;
      queue[at] = queue[parent];
      at = parent;
    }
    queue[at] = entry;
  }

  private take(): number {
    const first = this.queue[0];
    this.queued -= 1;
    if (this.queued > 0) this.sink(0, this.queue[this.queued]);
    return first;
  }

  /** Puts `entry` at `at` or below it, where it belongs. */
  private sink(at: number, entry: number): void {
    const { queue, queued } = this;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queued) break;
      if (child + 1 < queued && queue[child + 1] < queue[child]) child += 1;
      if (queue[child] >= entry) break;
      queue[at] = queue[child];
      at = child;
    }
    queue[at] = entry;
  }
}

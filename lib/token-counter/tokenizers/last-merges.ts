import { characterLength } from './spanned-pairs.js';
import type { Merges, TokenizerModel } from './tokenizer-model.js';

/** Parts of most tokens; there is room for more where a token has more. */
const USUAL_PARTS = 256;
const POINTS = 0x11_0000;
/** Numbers of a slot of the table of pairs. */
const SLOT = 4;

/**
 * For each id below `ids` the merge that completes the token when its own bytes are merged, as an
 * index into the merges; -1 for a token that merging its bytes does not make.
 */
export function lastMerges(model: TokenizerModel, ids: number): Int32Array {
  const { tokens, merges } = model;
  const merging = new Merging(merges);
  const split = model.split === 'characters' ? characterSplitter(model) : byteSplitter(model);
  const last = new Int32Array(ids).fill(-1);
  for (let index = 0; index < tokens.ids.length; index++) {
    const parts = split(tokens.startOf(index), tokens.ends[index], merging.room(tokens.lengthOf(index)));
    const merge = parts < 2 ? -1 : merging.last(parts);
    if (merge >= 0 && merges.made[merge] === tokens.ids[index]) last[tokens.ids[index]] = merge;
  }
  return last;
}

/** Writes the ids that merging starts from, and returns their number; 0 if one is missing. */
type Splitter = (start: number, end: number, parts: Uint32Array) => number;

function byteSplitter({ tokens: { bytes }, byteIds }: TokenizerModel): Splitter {
  const ids = Uint32Array.from(byteIds);
  return (start, end, parts) => {
    for (let at = start; at < end; at++) parts[at - start] = ids[bytes[at]];
    return end - start;
  };
}

function characterSplitter({ tokens, byteIds }: TokenizerModel): Splitter {
  const { bytes } = tokens;
  const ids = new Int32Array(POINTS).fill(-1);
  for (let byte = 0; byte < 0x80; byte++) ids[byte] = byteIds[byte];
  for (let index = 0; index < tokens.ids.length; index++) {
    const start = tokens.startOf(index);
    const length = tokens.lengthOf(index);
    if (length > 1 && length === characterLength(bytes[start])) ids[pointAt(bytes, start, length)] = tokens.ids[index];
  }
  return (start, end, parts) => {
    let count = 0;
    for (let at = start; at < end;) {
      const length = characterLength(bytes[at]);
      const id = ids[pointAt(bytes, at, length)];
      if (id < 0) return 0;
      parts[count++] = id;
      at += length;
    }
    return count;
  };
}

/** The character of `length` bytes of UTF-8. */
function pointAt(bytes: Uint8Array, start: number, length: number): number {
  let point = length === 1 ? bytes[start] : bytes[start] & (0xff >> (length + 1));
  for (let at = start + 1; at < start + length; at++) point = (point << 6) | (bytes[at] & 0x3f);
  return point;
}

/** Merges the parts of one token at a time, the lowest rank first, in shared buffers. */
class Merging {
  private readonly pairs: PairTable;
  private parts = new Uint32Array(USUAL_PARTS);
  /** The merge of each part with the next one, or -1. */
  private next = new Int32Array(USUAL_PARTS);

  constructor(private readonly merges: Merges) {
    this.pairs = new PairTable(merges);
  }

  /** The parts, with room for so many. */
  room(parts: number): Uint32Array {
    if (parts > this.parts.length) {
      this.parts = new Uint32Array(parts * 2);
      this.next = new Int32Array(parts * 2);
    }
    return this.parts;
  }

  /** The merge that makes one of all the parts; -1 if several stay. */
  last(count: number): number {
    const { parts, next, pairs } = this;
    const { made } = this.merges;
    for (let at = 0; at + 1 < count; at++) next[at] = pairs.find(parts[at], parts[at + 1]);
    let merge = -1;
    for (; count > 1; count--) {
      const at = this.lowest(count - 1);
      if (at < 0) return -1;
      merge = next[at];
      parts[at] = made[merge];
      parts.copyWithin(at + 1, at + 2, count);
      next.copyWithin(at, at + 1, count - 1);
      if (at + 2 < count) next[at] = pairs.find(parts[at], parts[at + 1]);
      if (at > 0) next[at - 1] = pairs.find(parts[at - 1], parts[at]);
    }
    return merge;
  }

  /** Where the leftmost merge of the lowest rank is; -1 if there is none. */
  private lowest(count: number): number {
    const { next } = this;
    const { rank } = this.merges;
    let found = -1;
    let lowest = Infinity;
    for (let at = 0; at < count; at++) {
      const merge = next[at];
      if (merge >= 0 && rank[merge] < lowest) {
        found = at;
        lowest = rank[merge];
      }
    }
    return found;
  }
}

/** Merges by their two ids: open addressing. Of equal pairs, the last one counts. */
class PairTable {
  /** In a slot: both ids and the index of the merge plus one, 0 if it is free. One cache line. */
  private readonly slots: Int32Array;
  private readonly mask: number;

  constructor({ left, right }: Merges) {
    const count = 2 ** Math.ceil(Math.log2(left.length * 2 + 2));
    this.slots = new Int32Array(count * SLOT);
    this.mask = count - 1;
    for (let merge = 0; merge < left.length; merge++) {
      const at = this.slotOf(left[merge], right[merge]);
      this.slots[at] = left[merge];
      this.slots[at + 1] = right[merge];
      this.slots[at + 2] = merge + 1;
    }
  }

  /** The merge of two ids, or -1. */
  find(left: number, right: number): number {
    return this.slots[this.slotOf(left, right) + 2] - 1;
  }

  private slotOf(left: number, right: number): number {
    const { slots, mask } = this;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT;
      if (slots[at + 2] === 0 || (slots[at] === left && slots[at + 1] === right)) return at;
    }
  }
}

import { MAX_BLOCK_BYTES, mergePiece, type BlockMerge } from './merge.js';
import type { RankFile } from './ranks.js';
import { hashPrefixes, type Vocabulary } from './vocabulary.js';

/** Bytes of a window, and of the blocks between two pauses: few enough for the CPU's caches. */
const WINDOW_BYTES = 8192;
/** Bytes that a block, or a window, merges again. A token has up to 128 bytes. */
const BLOCK_OVERLAP = 40;
const WINDOW_OVERLAP = 512;
/** Windows after blocks without a common token, before blocks are tried again. */
const WINDOWS_BEFORE_BLOCKS = 4;
/**
 * Of bytes that repeat themselves: tokens among which one cycle is sought, those that are tried as
 * its start, bytes at the end whose tokens may be others once the text goes on, and bytes that have
 * to be the same at least and at most, which is a step.
 */
const CYCLE_TOKENS = 512;
const CYCLE_TRIES = 32;
const CYCLE_MARGIN = 256;
const CYCLE_BYTES = 1024;
const MOST_CYCLE_BYTES = 1 << 18;

/**
 * Merges a piece of any length part by part, with the result of `mergePiece`, in time and memory
 * that grow with the length alone.
 *
 * A list of tokens is the merge of all its bytes if each two neighbours are the merge of theirs.
 * Two overlapping parts can therefore be joined at any token that both have:
 *
 *     tokens so far   ... | abc | de | f |
 *     next block                | de | fg | hi ...      both have "de": ... | abc | de | fg | hi
 *
 * Where bytes repeat themselves, so do their tokens, by the same rule: they are copied.
 *
 * Blocks of common text share a token after a few bytes. Where two share none, as in runs of one
 * character, `mergePiece` merges a window that starts at a token; if needed, ever longer windows.
 */
export function* mergeIncrementally(bytes: Uint8Array, ranks: RankFile, windowBytes = WINDOW_BYTES): Generator<undefined, Uint32Array> {
  const { vocabulary, merge: blocks } = ranks;
  const list = new TokenList(bytes, vocabulary);
  const prefixes = new Int32Array(Math.min(bytes.length, windowBytes + MAX_BLOCK_BYTES) + 1);
  let windows = isRunAcrossBlocks(bytes) ? WINDOWS_BEFORE_BLOCKS : 0;
  while (list.end < bytes.length) {
    if (list.repeatCycle()) {
      // Copied.
    } else if (windows > 0) {
      windows--;
      const overlap = Math.min(WINDOW_OVERLAP, windowBytes >> 2);
      for (let scale = 1; !list.join(yield* list.mergeWindow(windowBytes * scale, overlap * scale)); scale *= 4);
    } else if (!list.extend(blocks, prefixes, windowBytes)) windows = WINDOWS_BEFORE_BLOCKS;
    yield undefined;
  }
  return list.ids();
}

/**
 * Whether the first two blocks of bytes overlap in a run of one character, so that they share no
 * token: as 350 blanks and a word. Of a long piece the second block has nothing else.
 */
function isRunAcrossBlocks(bytes: Uint8Array): boolean {
  if (bytes.length <= MAX_BLOCK_BYTES) return false;
  const start = MAX_BLOCK_BYTES - BLOCK_OVERLAP;
  const end = bytes.length <= 2 * MAX_BLOCK_BYTES ? MAX_BLOCK_BYTES : start + MAX_BLOCK_BYTES;
  for (let at = start + 1; at < end; at++) if (bytes[at] !== bytes[start]) return false;
  return true;
}

/** The tokens of the bytes from `start` on. */
interface MergedWindow {
  readonly start: number;
  readonly tokens: Uint32Array;
}

/** The tokens of the first bytes of a piece. */
class TokenList {
  /** Bytes that are merged. */
  end = 0;
  private readonly tokens: Uint32Array;
  private count = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly vocabulary: Vocabulary,
  ) {
    // As many as there can be: copying the tokens of megabytes to a larger array takes 90 ms.
    this.tokens = new Uint32Array(bytes.length);
  }

  ids(): Uint32Array {
    return this.tokens.subarray(0, this.count);
  }

  /** Merges up to `most` more bytes by blocks. Returns false if a block shares no token. */
  extend(blocks: BlockMerge, prefixes: Int32Array, most: number): boolean {
    const from = this.tokenStartBefore(BLOCK_OVERLAP);
    const bytes = this.bytes.subarray(from, from + Math.min(most, prefixes.length - 1));
    // After a long token, a block ends before bytes that are not merged yet.
    if (from + Math.min(bytes.length, MAX_BLOCK_BYTES) <= this.end) return false;
    hashPrefixes(bytes, prefixes, bytes.length);
    for (let start = 0; ; start += MAX_BLOCK_BYTES - BLOCK_OVERLAP) {
      const end = Math.min(bytes.length, start + MAX_BLOCK_BYTES);
      blocks.merge(bytes, prefixes, start, end);
      if (!this.joinBlock(blocks, from + start)) return false;
      this.end = from + end;
      if (end === bytes.length) return true;
    }
  }

  /**
   * Copies tokens while the bytes repeat those between two ends of the same token. Returns false if
   * the repetition is short.
   */
  repeatCycle(): boolean {
    const { bytes, tokens, vocabulary } = this;
    let count = this.count;
    let to = this.end;
    while (count > 1 && this.end - to < CYCLE_MARGIN) to -= vocabulary.lengthOf(tokens[--count]);
    const last = count - 1;
    const until = Math.min(bytes.length, to + MOST_CYCLE_BYTES);
    if (last < 1 || until - to < CYCLE_BYTES) return false;
    let from = to;
    let tries = CYCLE_TRIES;
    for (let first = last - 1; first >= Math.max(0, last - CYCLE_TOKENS) && tries > 0; first--) {
      from -= vocabulary.lengthOf(tokens[first + 1]);
      if (tokens[first] !== tokens[last]) continue;
      tries--;
      let same = 0;
      while (to + same < until && bytes[from + same] === bytes[to + same]) same++;
      const times = Math.floor(same / (to - from));
      if (same < CYCLE_BYTES || to + times * (to - from) <= this.end) continue;
      this.count = count;
      const cycle = last - first;
      for (let time = 0; time < times; time++) this.tokens.copyWithin(count + time * cycle, first + 1, count);
      this.count += times * cycle;
      this.end = to + times * (to - from);
      return true;
    }
    return false;
  }

  /** Merges `length` bytes from a token on that starts at least `overlap` bytes before the end. */
  *mergeWindow(length: number, overlap: number): Generator<undefined, MergedWindow> {
    const start = this.tokenStartBefore(overlap);
    return { start, tokens: yield* mergePiece(this.bytes.subarray(start, start + length), this.vocabulary) };
  }

  /** Appends a window from the first shared token on. Returns false if there is none. */
  join({ start, tokens }: MergedWindow): boolean {
    let end = start;
    for (const token of tokens) end += this.vocabulary.lengthOf(token);
    if (end <= this.end) return false;
    let count = this.count;
    let to = this.end;
    while (to > start) to -= this.vocabulary.lengthOf(this.tokens[--count]);
    // In both lists a token starts at `to`.
    let from = start;
    let next = 0;
    while (start > 0) {
      if (from === to && this.tokens[count] === tokens[next]) break;
      if (from <= to) from += this.vocabulary.lengthOf(tokens[next++]);
      else to += this.vocabulary.lengthOf(this.tokens[count++]);
      if (count >= this.count || next >= tokens.length) return false;
    }
    this.count = count;
    this.tokens.set(tokens.subarray(next), count);
    this.count += tokens.length - next;
    this.end = end;
    return true;
  }

  /** Appends a block that starts at `start`, from the last shared token on. */
  private joinBlock(block: BlockMerge, start: number): boolean {
    let count = this.count;
    let from = this.end;
    if (start === 0) count = from = 0;
    else
      for (let to = from; ; to = from) {
        if (count === 0) return false;
        from -= this.vocabulary.lengthOf(this.tokens[--count]);
        if (from < start) return false;
        if (block.has(from - start, to - start)) break;
      }
    this.count = count;
    this.count = block.write(from - start, this.tokens, count);
    return true;
  }

  /** Start of the last token that starts at least `overlap` bytes before the end. */
  private tokenStartBefore(overlap: number): number {
    let start = this.end;
    for (let count = this.count; count > 0 && this.end - start < overlap;) start -= this.vocabulary.lengthOf(this.tokens[--count]);
    return start;
  }
}

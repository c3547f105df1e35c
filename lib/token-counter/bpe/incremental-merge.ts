import { MAX_BLOCK_BYTES, type BlockMerge } from './block-merge.js';
import { mergePiece } from './merge.js';
import { hashPrefixes, type Vocabulary } from './vocabulary.js';

/** Bytes that are merged between two pauses, and by a stretch: what that takes stays in the processor's caches. */
const STRETCH_BYTES = 8192;
/** Bytes of a block that the next one merges again, and of a stretch: the tokens of a run are up to 128 bytes long. */
const BLOCK_OVERLAP = 40;
const STRETCH_OVERLAP = 512;
/** Stretches after blocks that did not agree, before blocks are tried again. */
const STRETCHES = 4;

/**
 * Merges a piece of any length part by part, with the result of `mergePiece`, in time and memory that grow with the length alone.
 *
 * A list of tokens is what merging all their bytes gives if that holds for each two neighbours. So the lists of two parts that overlap can be joined at any
 * token that both have: each two neighbours then come from one of them. Blocks of common text agree after some bytes; where two do not, as in runs of one
 * character, a stretch begins where a token does and is merged as `mergePiece` does it; should that not agree either, a longer one.
 */
export function* mergeInStretches(
  bytes: Uint8Array,
  vocabulary: Vocabulary,
  blocks: BlockMerge,
  stretchBytes = STRETCH_BYTES,
): Generator<undefined, Uint32Array> {
  const list = new TokenList(bytes, vocabulary);
  const prefixes = new Int32Array(Math.min(bytes.length, stretchBytes + MAX_BLOCK_BYTES) + 1);
  let stretches = 0;
  while (list.end < bytes.length) {
    if (stretches > 0) {
      stretches--;
      const overlap = Math.min(STRETCH_OVERLAP, stretchBytes >> 2);
      for (let scale = 1; !list.join(yield* list.stretch(stretchBytes * scale, overlap * scale)); scale *= 4);
    } else if (!list.extend(blocks, prefixes, stretchBytes)) stretches = STRETCHES;
    yield undefined;
  }
  return list.ids();
}

/** Tokens and where the first of them starts. */
interface Stretch {
  readonly start: number;
  readonly tokens: Uint32Array;
}

/** What the first bytes of a piece are merged into. */
class TokenList {
  /** Where the tokens end. */
  end = 0;
  private tokens: Uint32Array;
  private count = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly vocabulary: Vocabulary,
  ) {
    this.tokens = new Uint32Array(Math.min(bytes.length, STRETCH_BYTES));
  }

  ids(): Uint32Array {
    return this.tokens.subarray(0, this.count);
  }

  /** Goes on for some bytes by blocks; `false` where one does not agree. `prefixes` has room for the hashes. */
  extend(blocks: BlockMerge, prefixes: Int32Array, most: number): boolean {
    const from = this.boundBefore(BLOCK_OVERLAP);
    const bytes = this.bytes.subarray(from, from + Math.min(most, prefixes.length - 1));
    // Behind a long token a block does not reach any further.
    if (from + Math.min(bytes.length, MAX_BLOCK_BYTES) <= this.end) return false;
    hashPrefixes(bytes, prefixes, bytes.length);
    for (let start = 0; ; start += MAX_BLOCK_BYTES - BLOCK_OVERLAP) {
      const end = Math.min(bytes.length, start + MAX_BLOCK_BYTES);
      const length = blocks.merge(bytes, prefixes, start, end);
      if (!this.joinBlock(blocks, from + start, length)) return false;
      this.end = from + end;
      if (end === bytes.length) return true;
    }
  }

  /** Merges the next bytes from a bound on that has `overlap` bytes behind it. */
  *stretch(length: number, overlap: number): Generator<undefined, Stretch> {
    const start = this.boundBefore(overlap);
    return { start, tokens: yield* mergePiece(this.bytes.subarray(start, start + length), this.vocabulary) };
  }

  /** Goes on with the tokens of a stretch from the first one on that this list has too; `false` if there is none. */
  join({ start, tokens }: Stretch): boolean {
    let end = start;
    for (const token of tokens) end += this.vocabulary.lengthOf(token);
    if (end <= this.end) return false;
    let count = this.count;
    let to = this.end;
    while (to > start) to -= this.vocabulary.lengthOf(this.tokens[--count]);
    // Both lists have a bound at `to`.
    let from = start;
    let next = 0;
    while (start > 0) {
      if (from === to && this.tokens[count] === tokens[next]) break;
      if (from <= to) from += this.vocabulary.lengthOf(tokens[next++]);
      else to += this.vocabulary.lengthOf(this.tokens[count++]);
      if (count >= this.count || next >= tokens.length) return false;
    }
    this.count = count;
    this.reserve(tokens.length - next);
    this.tokens.set(tokens.subarray(next), count);
    this.count += tokens.length - next;
    this.end = end;
    return true;
  }

  /** The same with a block that starts at `start`, from the last token on that both have. */
  private joinBlock(block: BlockMerge, start: number, length: number): boolean {
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
    this.reserve(length);
    this.count = block.write(from - start, this.tokens, count);
    return true;
  }

  /** Where the token starts that has at least `overlap` bytes before the end behind its start. */
  private boundBefore(overlap: number): number {
    let bound = this.end;
    for (let count = this.count; count > 0 && this.end - bound < overlap;) bound -= this.vocabulary.lengthOf(this.tokens[--count]);
    return bound;
  }

  private reserve(more: number): void {
    if (this.count + more <= this.tokens.length) return;
    const grown = new Uint32Array((this.count + more) * 2);
    grown.set(this.tokens.subarray(0, this.count));
    this.tokens = grown;
  }
}

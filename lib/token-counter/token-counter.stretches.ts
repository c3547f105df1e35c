import { mergePiece } from './token-counter.merge.js';
import type { Vocabulary } from './token-counter.vocabulary.js';

/** Bytes merged at a time: what that takes stays in the processor's caches, and the garbage of one stretch is young. */
const STRETCH_BYTES = 8192;
/** Tokens at the end of a stretch that may come out otherwise once more bytes follow. */
const REDONE_TOKENS = 8;

/**
 * Merges a piece of any length stretch by stretch, with the result of `mergePiece`, in time and memory that grow with the length alone.
 *
 * A list of tokens is what merging all their bytes gives when, for each two neighbours, merging the bytes of these two alone gives them again
 * (the tokens being what merging their own bytes gives). Inside a stretch that holds by itself; where two meet it is checked, and where it does
 * not hold the next stretch begins further back.
 */
export function* mergeInStretches(
  bytes: Uint8Array,
  vocabulary: Vocabulary,
  stretchBytes = STRETCH_BYTES,
): Generator<undefined, Uint32Array> {
  if (bytes.length <= stretchBytes) return yield* mergePiece(bytes, vocabulary);
  const ids = new Uint32Array(bytes.length);
  let count = 0;
  let done = 0;
  let end = 0;
  while (end < bytes.length) {
    end = Math.min(end + stretchBytes, bytes.length);
    let stretch = yield* mergePiece(bytes.subarray(done, end), vocabulary);
    for (let back = REDONE_TOKENS; count > 0 && !(yield* areNeighbours(ids[count - 1], stretch[0], bytes, done, vocabulary)); back *= 2) {
      for (const least = Math.max(0, count - back); count > least;) done -= vocabulary.lengthOf(ids[--count]);
      stretch = yield* mergePiece(bytes.subarray(done, end), vocabulary);
    }
    const kept = end === bytes.length ? stretch.length : Math.max(0, stretch.length - REDONE_TOKENS);
    for (let i = 0; i < kept; i++) {
      ids[count++] = stretch[i];
      done += vocabulary.lengthOf(stretch[i]);
    }
  }
  return ids.slice(0, count);
}

/** Whether two tokens that meet at `border` are what merging their bytes gives. */
function* areNeighbours(
  left: number,
  right: number,
  bytes: Uint8Array,
  border: number,
  vocabulary: Vocabulary,
): Generator<undefined, boolean> {
  const both = bytes.subarray(border - vocabulary.lengthOf(left), border + vocabulary.lengthOf(right));
  const merged = yield* mergePiece(both, vocabulary);
  return merged.length === 2 && merged[0] === left && merged[1] === right;
}

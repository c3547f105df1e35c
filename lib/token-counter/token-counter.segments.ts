import { characterClasses, classBitAt, SPACE } from './character-classes.js';
import type { RankFile } from './token-counter.ranks.js';
import { mergeInStretches } from './token-counter.stretches.js';
import { Vocabulary } from './token-counter.vocabulary.js';

/**
 * UTF-16 units from which on a piece is merged by our own code. Common text has no such pieces; up to here tiktoken's quadratic merge costs
 * under 3 microseconds a byte. A text of not more units needs no look at all.
 */
export const LONG_PIECE_UNITS = 128;

const SEGMENT_UNITS = 16384;
const NO_IDS = new Uint32Array(0);
const vocabularies = new WeakMap<RankFile, Vocabulary>();

/**
 * The token ids of `text`, in parts: each step takes a millisecond or few, some bring no ids. Short pieces go to tiktoken together,
 * `segmentUnits` at a time (bounded: the WASM module's memory never shrinks), a long piece goes to our own merge.
 */
export function* encodeInSteps(text: string, ranks: RankFile, segmentUnits = SEGMENT_UNITS): Generator<Uint32Array, void> {
  const { pieceEnd, tokenizer } = ranks;
  let start = 0;
  let at = 0;
  // The segment from `start` may end here: after its last piece that is not white space.
  let solidEnd = 0;
  while (at < text.length) {
    const end = pieceEnd(text, at);
    if (end - at > LONG_PIECE_UNITS) {
      if (solidEnd > start) yield tokenizer.encode_ordinary(text.slice(start, solidEnd));
      for (let space = Math.max(start, solidEnd), spaceEnd; space < at; space = spaceEnd) {
        spaceEnd = pieceEnd(text, space);
        yield tokenizer.encode_ordinary(text.slice(space, spaceEnd));
      }
      yield* encodeLongPiece(text.slice(at, end), ranks);
      start = solidEnd = end;
    } else if (!isSpace(text, at, end)) {
      solidEnd = end;
      if (end - start >= segmentUnits) {
        yield tokenizer.encode_ordinary(text.slice(start, end));
        start = end;
      }
    }
    at = end;
  }
  if (start < text.length) yield tokenizer.encode_ordinary(text.slice(start));
}

/**
 * Whether a piece is white space alone. The patterns look ahead after such a piece: a segment that ends there, where the text does not,
 * would be cut into other pieces. No other piece has more than one white space in front.
 */
function isSpace(text: string, at: number, end: number): boolean {
  const classes = characterClasses();
  return (classBitAt(text, at, classes) & SPACE) !== 0 && (end - at === 1 || (classBitAt(text, at + 1, classes) & SPACE) !== 0);
}

function* encodeLongPiece(piece: string, ranks: RankFile): Generator<Uint32Array, void> {
  let vocabulary = vocabularies.get(ranks);
  if (vocabulary === undefined) {
    const building = Vocabulary.build(ranks);
    let step = building.next();
    for (; !step.done; step = building.next()) yield NO_IDS;
    vocabularies.set(ranks, (vocabulary = step.value));
  }
  const merging = mergeInStretches(new TextEncoder().encode(piece), vocabulary);
  let step = merging.next();
  for (; !step.done; step = merging.next()) yield NO_IDS;
  yield step.value;
}

import { characterClasses } from '../token-counter/bpe/character-classes.js';

const PAGE = 256;
const SAME = 1;
const DIFFERENT = 2;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

/** By the class numbers in the engine's table. */
const OF_CLASS = [
  /^[\p{L}\p{M}\p{N}\s]/u,
  /^[\p{Lu}\p{Lt}]/u,
  /^\p{Ll}/u,
  /^[\p{Lm}\p{Lo}]/u,
  /^\p{M}/u,
  /^\p{N}/u,
  /^\s/u,
  /^[\n\r]/u,
  /^\//u,
];

/** Contractions of the engine accept the long s as an s; those of JavaScript tokenizers do not. */
const LONG_S = 0x17f;

/** The result for each code point, computed by the page when a text first needs it. */
const known = new Uint8Array(0x110000);

/**
 * Whether a JavaScript tokenizer may split `text` differently from the engines: it has the
 * character classes of Node's Unicode version, and another `\s`. Lone surrogates count as
 * different.
 */
export function mayDiffer(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    let point = unit;
    if (unit >= FIRST_SURROGATE && unit <= LAST_SURROGATE) {
      point = text.codePointAt(at) as number;
      if (point <= LAST_SURROGATE) return true;
      at++;
    }
    let state = known[point];
    if (state === 0) state = look(point);
    if (state === DIFFERENT) return true;
  }
  return false;
}

/** Compares the page of `point`, and returns the result for `point`. */
function look(point: number): number {
  const classes = characterClasses();
  const first = point - (point % PAGE);
  for (let each = first; each < first + PAGE; each++) {
    const number = classes[each];
    const same = OF_CLASS[number].test(String.fromCodePoint(each)) === (number !== 0);
    known[each] = same && each !== LONG_S ? SAME : DIFFERENT;
  }
  return known[point];
}

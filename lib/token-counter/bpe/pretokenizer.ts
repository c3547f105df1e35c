import { classesWithoutHan, isHan, skipWhile } from './character-sets.js';
import { characterClasses, classBitAt, LOWER, MARK, NUMBER, OTHER, skipRun, SPACE, UNCASED, UPPER, widthAt } from './character-classes.js';

const LETTER = UPPER | LOWER | UNCASED;
/** In both halves of o200k's `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`. */
const SHARED = UNCASED | MARK;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const LONG_S = 0x17f;

/**
 * Returns the end of the pre-tokenizer piece that starts at `at`: one match of the encoding's
 * pattern, which no token crosses. The patterns look ahead, never back, so any start of a piece
 * will do.
 */
export type PieceEnd = (text: string, at: number) => number;

/** The pattern of r50k_base, p50k_base, p50k_edit and gpt2. */
export const gpt2PieceEnd: PieceEnd = (text, at) => gpt2End(text, at, false);

/** Each number alone, then GPT-2's pattern for what is between: Command-R. */
export const gpt2DigitsPieceEnd: PieceEnd = (text, at) => gpt2End(text, at, true);

/** The pattern of cl100k_base. */
export const cl100kPieceEnd: PieceEnd = (text, at) => cl100kEnd(text, at, LETTER, 3);

/** cl100k's with one number a piece: Qwen to 3, Grok 2. */
export const cl100kDigitsPieceEnd: PieceEnd = (text, at) => cl100kEnd(text, at, LETTER, 1);

/** The same, and marks are parts of words: Qwen 3.5. */
export const cl100kMarksPieceEnd: PieceEnd = (text, at) => cl100kEnd(text, at, LETTER | MARK, 1);

/** The pattern of o200k_base and o200k_harmony. */
export const o200kPieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  const bit = classBitAt(text, at, classes);
  const end = caseWordEnd(text, at, bit, classes);
  if (end >= 0) return contractionEnd(text, end, true);
  if (bit & NUMBER) return numberEnd(text, at, classes, 3);
  return symbolsOrSpacesEnd(text, at, OTHER | MARK, classes, true);
};

/** o200k's without contractions, one number a piece: Mistral's Tekken. */
export const o200kDigitsPieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  const bit = classBitAt(text, at, classes);
  const end = caseWordEnd(text, at, bit, classes);
  if (end >= 0) return end;
  if (bit & NUMBER) return numberEnd(text, at, classes, 1);
  return symbolsOrSpacesEnd(text, at, OTHER | MARK, classes, true);
};

/** Runs of Han, then o200k's pattern without Han in its words: Kimi. */
export const kimiPieceEnd: PieceEnd = (text, at) => {
  const hanEnd = skipWhile(text, at, isHan);
  if (hanEnd > at) return hanEnd;
  const classes = characterClasses();
  const bit = classBitAt(text, at, classes);
  // Han ends a word as the text does.
  const end = caseWordEnd(text, at, bit, classesWithoutHan());
  if (end >= 0) return contractionEnd(text, end, true);
  if (bit & NUMBER) return numberEnd(text, at, classes, 3);
  return symbolsOrSpacesEnd(text, at, OTHER | MARK, classes, false);
};

function gpt2End(text: string, at: number, isDigitAlone: boolean): number {
  const classes = characterClasses();
  const contraction = contractionEnd(text, at, false);
  if (contraction > at) return contraction;
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  const bit = classBitAt(text, start, classes);
  if (bit & LETTER) return skipRun(text, start, LETTER, classes);
  if (bit & NUMBER) {
    if (!isDigitAlone) return skipRun(text, start, NUMBER, classes);
    return start > at ? start : at + widthAt(text, at);
  }
  if (bit & (OTHER | MARK)) return skipRun(text, start, OTHER | MARK, classes);
  const end = skipRun(text, at, SPACE, classes);
  return isDigitAlone && classBitAt(text, end, classes) & NUMBER ? end : lastSpaceLeft(text, at, end);
}

function cl100kEnd(text: string, at: number, word: number, digits: number): number {
  const classes = characterClasses();
  const contraction = contractionEnd(text, at, true);
  if (contraction > at) return contraction;
  const bit = classBitAt(text, at, classes);
  if (bit & word) return skipRun(text, at, word, classes);
  if (bit & NUMBER) return numberEnd(text, at, classes, digits);
  if (!isLineEnd(text.charCodeAt(at))) {
    const after = at + widthAt(text, at);
    if (classBitAt(text, after, classes) & word) return skipRun(text, after, word, classes);
  }
  return symbolsOrSpacesEnd(text, at, (OTHER | MARK) & ~word, classes, false);
}

/** o200k's two alternatives for words, or -1. `bit` is the first character's. */
function caseWordEnd(text: string, at: number, bit: number, classes: Uint8Array): number {
  const prefixed = bit & (LETTER | NUMBER) || isLineEnd(text.charCodeAt(at)) ? -1 : at + widthAt(text, at);
  const end = prefixed < 0 ? -1 : mixedWordEnd(text, prefixed, classes);
  if (end >= 0) return end;
  const bare = mixedWordEnd(text, at, classes);
  return bare >= 0 ? bare : capitalsEnd(text, prefixed < 0 ? at : prefixed, classes);
}

/** ` ?[symbols]+` and the line ends (and slashes) behind it, or white space. */
function symbolsOrSpacesEnd(text: string, at: number, symbols: number, classes: Uint8Array, slashes: boolean): number {
  const end = symbolsEnd(text, at, symbols, classes);
  return end > at ? skipLineEnds(text, end, slashes) : linesOrSpacesEnd(text, at, classes);
}

/**
 * `[UPPER SHARED]*[LOWER SHARED]+`, or -1. The first half is greedy. Unless a lower-case letter
 * follows, it backtracks to its last shared character, which is then the whole second half.
 */
function mixedWordEnd(text: string, at: number, classes: Uint8Array): number {
  const upperEnd = skipRun(text, at, UPPER, classes);
  let end = skipRun(text, upperEnd, SHARED, classes);
  if (end === upperEnd) return classBitAt(text, end, classes) & LOWER ? skipRun(text, end, LOWER | SHARED, classes) : -1;
  if (classBitAt(text, end, classes) & UPPER) end = skipRun(text, end, UPPER | SHARED, classes);
  if (classBitAt(text, end, classes) & LOWER) return skipRun(text, end, LOWER | SHARED, classes);
  for (;;) {
    const before = widthBefore(text, end);
    if ((classBitAt(text, end - before, classes) & UPPER) === 0) return end;
    end -= before;
  }
}

/** UTF-16 units of the character before `at`. */
function widthBefore(text: string, at: number): number {
  return at > 1 && (text.codePointAt(at - 2) as number) > 0xffff ? 2 : 1;
}

/** `[UPPER SHARED]+[LOWER SHARED]*` where `mixedWordEnd` found nothing: capitals alone, or -1. */
function capitalsEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, UPPER, classes);
  return end > at ? end : -1;
}

export function numberEnd(text: string, at: number, classes: Uint8Array, most: number): number {
  for (let digits = 0; digits < most && classBitAt(text, at, classes) & NUMBER; digits++) at += widthAt(text, at);
  return at;
}

/** ` ?[^\s\p{L}\p{N}]+`, or `at` if it does not match. */
function symbolsEnd(text: string, at: number, symbols: number, classes: Uint8Array): number {
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  const end = skipRun(text, start, symbols, classes);
  return end > start ? end : at;
}

export function skipLineEnds(text: string, at: number, slashes: boolean): number {
  for (;;) {
    const unit = text.charCodeAt(at);
    if (!isLineEnd(unit) && !(slashes && unit === SLASH)) return at;
    at += 1;
  }
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function linesOrSpacesEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, SPACE, classes);
  for (let last = end - 1; last >= at; last--) if (isLineEnd(text.charCodeAt(last))) return last + 1;
  return lastSpaceLeft(text, at, end);
}

function lastSpaceLeft(text: string, at: number, end: number): number {
  return end < text.length && end - at > 1 ? end - 1 : end;
}

export function isLineEnd(unit: number): boolean {
  return unit === LINE_FEED || unit === CARRIAGE_RETURN;
}

/** `'s|'t|'re|'ve|'m|'ll|'d`, or `at`. Unicode folds U+017F to `s`, so `anyCase` includes it. */
function contractionEnd(text: string, at: number, anyCase: boolean): number {
  if (text.charCodeAt(at) !== APOSTROPHE) return at;
  const first = letterAt(text, at + 1, anyCase);
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return at + 2;
  if (first !== 'r' && first !== 'v' && first !== 'l') return at;
  return letterAt(text, at + 2, anyCase) === (first === 'l' ? 'l' : 'e') ? at + 3 : at;
}

function letterAt(text: string, at: number, anyCase: boolean): string {
  if (!anyCase) return text.charAt(at);
  const unit = text.charCodeAt(at);
  if (unit === LONG_S) return 's';
  return unit < 0x80 ? text.charAt(at).toLowerCase() : '';
}

import {
  characterClasses,
  classBitAt,
  LINE_END,
  LOWER,
  MARK,
  NUMBER,
  OTHER,
  runStart,
  skipRun,
  SLASH,
  SPACE,
  UNCASED,
  UPPER,
  widthAt,
} from './character-classes.js';

const LETTER = UPPER | LOWER | UNCASED;
/** In both halves of o200k's `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`. */
const SHARED = UNCASED | MARK;
const SYMBOL = OTHER | MARK;
const MOST_DIGITS = 3;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;
const APOSTROPHE = 0x27;
const LONG_S = 0x17f;

/**
 * Returns the end of the pre-tokenizer piece that starts at `at`: one match of the encoding's
 * pattern, which no token crosses. The patterns look ahead, never back, so any start of a piece
 * will do.
 */
export type PieceEnd = (text: string, at: number) => number;

/** The pattern of r50k_base, p50k_base, p50k_edit and gpt2. */
export const gpt2PieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  const contraction = contractionEnd(text, at, false);
  if (contraction > at) return contraction;
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  const bit = classBitAt(text, start, classes);
  if (bit & LETTER) return skipRun(text, start, LETTER, classes);
  if (bit & NUMBER) return skipRun(text, start, NUMBER, classes);
  if (bit & SYMBOL) return skipRun(text, start, SYMBOL, classes);
  return lastSpaceLeft(text, at, skipRun(text, at, SPACE, classes));
};

/** The pattern of cl100k_base. */
export const cl100kPieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  const contraction = contractionEnd(text, at, true);
  if (contraction > at) return contraction;
  const bit = classBitAt(text, at, classes);
  if (bit & LETTER) return skipRun(text, at, LETTER, classes);
  if (bit & NUMBER) return numberEnd(text, at, classes);
  if (!isLineEnd(text.charCodeAt(at))) {
    const after = at + widthAt(text, at);
    if (classBitAt(text, after, classes) & LETTER) return skipRun(text, after, LETTER, classes);
  }
  return symbolsOrSpacesEnd(text, at, LINE_END, classes);
};

/** The pattern of o200k_base and o200k_harmony. */
export const o200kPieceEnd: PieceEnd = (text, at) => {
  const classes = characterClasses();
  const bit = classBitAt(text, at, classes);
  const end = caseWordEnd(text, at, bit, classes);
  if (end >= 0) return contractionEnd(text, end, true);
  if (bit & NUMBER) return numberEnd(text, at, classes);
  return symbolsOrSpacesEnd(text, at, LINE_END | SLASH, classes);
};

/** o200k's two alternatives for words, or -1. `bit` is the first character's. */
function caseWordEnd(text: string, at: number, bit: number, classes: Uint8Array): number {
  const prefixed = bit & (LETTER | NUMBER) || isLineEnd(text.charCodeAt(at)) ? -1 : at + widthAt(text, at);
  const end = prefixed < 0 ? -1 : mixedWordEnd(text, prefixed, classes);
  if (end >= 0) return end;
  const bare = mixedWordEnd(text, at, classes);
  return bare >= 0 ? bare : capitalsEnd(text, prefixed < 0 ? at : prefixed, classes);
}

/** ` ?[^\s\p{L}\p{N}]+` and the characters of `trailing` after it, or whitespace. */
function symbolsOrSpacesEnd(text: string, at: number, trailing: number, classes: Uint8Array): number {
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  const end = skipRun(text, start, SYMBOL, classes);
  return end > start ? skipRun(text, end, trailing, classes) : linesOrSpacesEnd(text, at, classes);
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
  return runStart(text, { from: at, end }, UPPER, classes);
}

/** `[UPPER SHARED]+[LOWER SHARED]*` where `mixedWordEnd` found nothing: capitals alone, or -1. */
function capitalsEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, UPPER, classes);
  return end > at ? end : -1;
}

function numberEnd(text: string, at: number, classes: Uint8Array): number {
  for (let digits = 0; digits < MOST_DIGITS && classBitAt(text, at, classes) & NUMBER; digits++) at += widthAt(text, at);
  return at;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function linesOrSpacesEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, SPACE, classes);
  const linesEnd = runStart(text, { from: at, end }, SPACE & ~LINE_END, classes);
  return linesEnd > at ? linesEnd : lastSpaceLeft(text, at, end);
}

function lastSpaceLeft(text: string, at: number, end: number): number {
  return end < text.length && end - at > 1 ? end - 1 : end;
}

function isLineEnd(unit: number): boolean {
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

import { kimiClasses, ofHan } from './character-sets.js';
import {
  characterClasses,
  classBitAt,
  LETTER_CLASSES,
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
  type TextRange,
} from './character-classes.js';
import { classRuns, type LongRuns } from './class-blocks.js';

const LETTER = UPPER | LOWER | UNCASED;
/** In both halves of o200k's `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`. */
const SHARED = UNCASED | MARK;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Numbers that are Han as well, which Kimi's table tells apart. */
const ANY_NUMBER = NUMBER | ofHan(NUMBER);
const KIMI_SYMBOLS = OTHER | MARK | ofHan(OTHER | MARK);
const HAN = ofHan(LETTER_CLASSES | NUMBER | OTHER);
const BLANK = 0x20;
const APOSTROPHE = 0x27;
const LONG_S = 0x17f;

/**
 * Returns the end of the pre-tokenizer piece that starts at `at`: one match of the encoding's
 * pattern, which no token crosses. The patterns look ahead, never back, so any start of a piece
 * will do.
 */
export interface PieceEnd {
  (text: string, at: number): number;
  /** What pieces of megabytes consist of, where it is not the classes of all. */
  readonly longRuns?: () => LongRuns;
}

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
export const kimiPieceEnd: PieceEnd = Object.assign(
  (text: string, at: number): number => {
    const classes = kimiClasses();
    const bit = classBitAt(text, at, classes);
    if (bit & HAN) return skipRun(text, at, HAN, classes);
    // Han ends a word as the text does.
    const end = caseWordEnd(text, at, bit, classes);
    if (end >= 0) return contractionEnd(text, end, true);
    if (bit & NUMBER) return numberEnd(text, at, classes, 3);
    return symbolsOrSpacesEnd(text, at, KIMI_SYMBOLS, classes, false);
  },
  { longRuns: (): LongRuns => classRuns(kimiClasses(), [LETTER_CLASSES, KIMI_SYMBOLS | LINE_END, SPACE, HAN]) },
);

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
  return end > at ? skipRun(text, end, slashes ? LINE_END | SLASH : LINE_END, classes) : linesOrSpacesEnd(text, at, classes);
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

export function numberEnd(text: string, at: number, classes: Uint8Array, most: number): number {
  for (let digits = 0; digits < most && classBitAt(text, at, classes) & ANY_NUMBER; digits++) at += widthAt(text, at);
  return at;
}

/** ` ?[^\s\p{L}\p{N}]+`, or `at` if it does not match. */
function symbolsEnd(text: string, at: number, symbols: number, classes: Uint8Array): number {
  const start = text.charCodeAt(at) === BLANK ? at + 1 : at;
  const end = skipRun(text, start, symbols, classes);
  return end > start ? end : at;
}

/** `\s*[\r\n]+|\s+(?!\S)|\s+` */
function linesOrSpacesEnd(text: string, at: number, classes: Uint8Array): number {
  const end = skipRun(text, at, SPACE, classes);
  const linesEnd = lastLineEnd(text, { from: at, end }, classes);
  return linesEnd > at ? linesEnd : lastSpaceLeft(text, at, end);
}

/** The end of the last line end in a run of white space, or the start of the run. */
export function lastLineEnd(text: string, run: TextRange, classes: Uint8Array): number {
  return runStart(text, run, SPACE & ~LINE_END, classes);
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

import { UNICODE_CLASS_RANGES } from './unicode-classes.js';

// One bit per class, so that a set of classes is a number: bit n is class n of the generated table,
// of which two classes are divided once more.
/** Of OTHER, the slash: o200k's symbols end with it as with line ends. */
export const SLASH = 1 << 8;
/** All else: punctuation, symbols, controls, unassigned code points, lone surrogates. */
export const OTHER = (1 << 0) | SLASH;
/** Lu or Lt. */
export const UPPER = 1 << 1;
/** Ll. */
export const LOWER = 1 << 2;
/** Lm or Lo. */
export const UNCASED = 1 << 3;
/** Mn, Mc or Me. */
export const MARK = 1 << 4;
/** Nd, Nl or No. */
export const NUMBER = 1 << 5;
/** Of SPACE, the line feed and the carriage return. */
export const LINE_END = 1 << 7;
/** White_Space, the `\s` of Rust's regular expressions; JavaScript's differs. */
export const SPACE = (1 << 6) | LINE_END;

/** Classes that words have. */
export const LETTER_CLASSES = UPPER | LOWER | UNCASED | MARK;

let table: Uint8Array | undefined;

/**
 * Class number of every code point in Unicode 16, tiktoken's version; `\p{...}` in Node may have
 * another. Built on first use; only memory pages that hold a class are resident (about 250 KB).
 */
export function characterClasses(): Uint8Array {
  return (table ??= decodeRanges(UNICODE_CLASS_RANGES));
}

function decodeRanges(encoded: string): Uint8Array {
  const classes = new Uint8Array(0x110000);
  let next = 0;
  for (const [, gap, letter, length] of encoded.matchAll(/([0-9a-z]*)([A-F])([0-9a-z]*),/gy)) {
    const first = next + parseInt(gap || '0', 36);
    next = first + parseInt(length || '1', 36);
    classes.fill(letter.charCodeAt(0) - 0x40, first, next);
  }
  classes[0x0a] = classes[0x0d] = Math.log2(LINE_END);
  classes[0x2f] = Math.log2(SLASH);
  return classes;
}

/**
 * Units after which a run is skipped in larger steps, if it repeats or is known: a multiple of
 * all numbers up to 12.
 */
export const STRIDE_UNITS = 55_440;

/**
 * The end of the run of characters from `at` on whose class is in `mask`; `at` if there is none.
 * Never cuts a surrogate pair; a lone surrogate is `OTHER`, as U+FFFD is.
 */
export function skipRun(text: string, at: number, mask: number, classes: Uint8Array): number {
  for (;;) {
    const stop = Math.min(text.length, at + STRIDE_UNITS);
    while (at < stop) {
      const unit = text.charCodeAt(at);
      if ((unit & 0xfc00) !== 0xd800) {
        if (((mask >> classes[unit]) & 1) === 0) return at;
        at += 1;
      } else {
        const point = text.codePointAt(at) as number;
        if (((mask >> classes[point]) & 1) === 0) return at;
        at += point > 0xffff ? 2 : 1;
      }
    }
    if (at >= text.length) return at;
    const stride = at;
    at = skipRepeated(text, at);
    if (at === stride && runs?.text === text) at = runs.skip(at, mask);
  }
}

/** The start of the run before `end` of characters whose class is in `mask`, at least `from`. */
export function runStart(text: string, { from, end }: TextRange, mask: number, classes: Uint8Array): number {
  let at = end;
  while (at > from) {
    const stop = Math.max(from, at - STRIDE_UNITS);
    while (at > stop) {
      const before = at - widthBefore(text, at);
      if ((classBitAt(text, before, classes) & mask) === 0) return at;
      at = before;
    }
    if (at > from && runs?.text === text) at = Math.max(from, runs.skipBack(at, mask));
  }
  return from;
}

export interface TextRange {
  readonly from: number;
  readonly end: number;
}

/** Facts about the character classes of a text. */
export interface KnownRuns {
  readonly text: string;
  /** End of the part from `at` that is known to have only classes of `mask`. */
  skip(at: number, mask: number): number;
  /** Where it starts, before `at`. */
  skipBack(at: number, mask: number): number;
}

let runs: KnownRuns | undefined = undefined;

/** Lets `skipRun` use the known facts about the text that is split next. */
export function useRuns(known: KnownRuns | undefined): void {
  runs = known;
}

/** Skips copies of the stride before `at`, because strings compare faster than characters. */
function skipRepeated(text: string, at: number): number {
  const first = at - STRIDE_UNITS;
  // An unpaired surrogate becomes a different character next to other units.
  if (isSurrogate(text.charCodeAt(first)) || isSurrogate(text.charCodeAt(at - 1))) return at;
  const stride = text.slice(first, at);
  // Ten times faster than `startsWith`.
  while (text.slice(at, at + STRIDE_UNITS) === stride) at += STRIDE_UNITS;
  return at;
}

function isSurrogate(unit: number): boolean {
  return (unit & 0xf800) === 0xd800;
}

/** The bit of the character at `at`; 0 past the end. */
export function classBitAt(text: string, at: number, classes: Uint8Array): number {
  return at < text.length ? 1 << classes[text.codePointAt(at) as number] : 0;
}

/** UTF-16 code units of the character at `at`. */
export function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
}

/** UTF-16 code units of the character before `at`. */
export function widthBefore(text: string, at: number): number {
  return at > 1 && (text.codePointAt(at - 2) as number) > 0xffff ? 2 : 1;
}

/** Whether the unit at `at` is the second half of a surrogate pair. */
export function isInsidePair(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}

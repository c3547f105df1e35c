import type { PhraseSet } from './phrase-set.js';
import type { Span } from './span.js';

/** A kind of text with a known format, such as an email address. */
export interface TextPattern {
  /** `email`, `aws_access_key` */
  readonly kind: string;
  /**
   * Global and linear. With a group, only the group counts, which ends the match: the value behind
   * `password=`.
   */
  readonly expression: RegExp;
  /** Characters of the match, and those that must not follow it, as in a class: `A-Za-z0-9_`. */
  readonly characters: string;
  /** Characters of which every match has one, as in a class. */
  readonly needs: string;
  /** Most characters of a match that a stream holds back before the match is complete. */
  readonly longest: number;
  /**
   * For patterns whose `characters` are those of prose: how many characters at the end of a text
   * can be the beginning of a match.
   */
  readonly open?: (text: string) => number;
  /**
   * Checks what an expression cannot, such as a check digit. A number: only so many characters of
   * the match count.
   */
  readonly accepts?: (found: string) => boolean | number;
  /** Words of which one has to be within `NEAR_CHARS` of the match. */
  readonly near?: PhraseSet;
}

/** A match of a pattern. */
export interface PatternMatch extends Span {
  readonly kind: string;
}

/** Distance of a word that a pattern needs, before or after the match. */
export const NEAR_CHARS = 60;
/** Longest rejected match inside of which another one is searched: the time stays linear. */
const LONGEST_AGAIN = 64;
/** Patterns in one set of bits. */
const BITS = 31;
const ASCII = 128;

/** Up to 31 patterns, whose characters are looked up at once. */
interface PatternGroup {
  readonly patterns: readonly TextPattern[];
  /** By character: the patterns that can contain it. */
  readonly characters: Int32Array;
  /** By character: the patterns that need it or another one. */
  readonly needs: Int32Array;
  readonly longest: number;
}

/** Finds the matches of several patterns. */
export class PatternSet {
  private readonly groups: readonly PatternGroup[];

  constructor(patterns: readonly TextPattern[]) {
    const parts = Array.from({ length: Math.ceil(patterns.length / BITS) }, (_, at) => patterns.slice(at * BITS, (at + 1) * BITS));
    this.groups = parts.map((part) => ({
      patterns: part,
      characters: tableOf(part.map(({ characters }) => characters)),
      needs: tableOf(part.map(({ needs }) => needs)),
      longest: Math.max(...part.map(({ longest }) => longest)),
    }));
  }

  /**
   * All matches that end after `from`, ascending by their start. Matches of different patterns can
   * overlap.
   */
  find(text: string, from = 0): readonly PatternMatch[] {
    const found = this.groups.flatMap((group) => {
      let present = 0;
      for (let at = from; at < text.length; at++) {
        const code = text.charCodeAt(at);
        if (code < ASCII) present |= group.needs[code];
      }
      return present === 0 ? [] : group.patterns.flatMap((pattern, bit) => (present & (1 << bit) ? matchesOf(pattern, text, from) : []));
    });
    return found.length > 1 ? found.sort((a, b) => a.start - b.start || b.end - a.end) : found;
  }

  /** Characters at the end of a text that can belong to a match which later text completes. */
  heldBack(text: string): number {
    let held = 0;
    for (const group of this.groups) {
      let open = -1;
      const most = Math.min(text.length, group.longest);
      for (let length = 0; open !== 0; length++) {
        const code = length < most ? text.charCodeAt(text.length - 1 - length) : ASCII;
        const next = code < ASCII ? open & group.characters[code] : 0;
        for (let ended = open & ~next; ended !== 0; ended &= ended - 1) {
          const pattern = group.patterns[31 - Math.clz32(ended & -ended)];
          if (pattern !== undefined && length > held) held = Math.max(held, heldOf(pattern, text, length));
        }
        open = next;
      }
      for (const pattern of group.patterns) if (pattern.near !== undefined) held = Math.max(held, undecided(pattern, text));
    }
    return held;
  }
}

function matchesOf(pattern: TextPattern, text: string, from: number): PatternMatch[] {
  const { kind, near } = pattern;
  const matches: PatternMatch[] = [];
  for (const { start, end } of spansOf(pattern, text, from)) {
    if (near === undefined || near.isIn(text.slice(Math.max(0, start - NEAR_CHARS), end + NEAR_CHARS))) matches.push({ kind, start, end });
  }
  return matches;
}

function* spansOf({ expression, accepts }: TextPattern, text: string, from: number): Generator<Span> {
  expression.lastIndex = from;
  for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
    const found = match[1] ?? match[0];
    const start = expression.lastIndex - found.length;
    const accepted = accepts === undefined || accepts(found);
    const length = accepted === true ? found.length : Number(accepted);
    // Another match can begin inside of a rejected one; a long one is not searched again.
    const next = length > 0 ? start + length : found.length <= LONGEST_AGAIN ? match.index + 1 : expression.lastIndex;
    if (length > 0) yield { start, end: start + length };
    expression.lastIndex = next;
  }
}

/** @param run characters at the end of the text that the pattern can contain */
function heldOf({ open, longest }: TextPattern, text: string, run: number): number {
  const length = Math.min(run, longest);
  return open === undefined ? length : open(text.slice(text.length - length));
}

/** Length of the match at the end of a text, by an expression that ends with `$`. */
export function tailOf(expression: RegExp): (text: string) => number {
  return (text) => {
    const at = text.search(expression);
    return at === -1 ? 0 : text.length - at;
  };
}

/** A match that the words which follow it can decide. */
function undecided(pattern: TextPattern, text: string): number {
  for (const { start } of spansOf(pattern, text, Math.max(0, text.length - NEAR_CHARS - pattern.longest)))
    if (text.length - start <= NEAR_CHARS + pattern.longest) return text.length - start;
  return 0;
}

/** The bits of the patterns by the characters of their classes. */
function tableOf(classes: readonly string[]): Int32Array {
  const table = new Int32Array(ASCII);
  classes.forEach((characters, bit) => {
    for (const code of codesOf(characters)) table[code] |= 1 << bit;
  });
  return table;
}

/** The characters of a class such as `A-Z_`. A `-` at the end is itself. */
function* codesOf(characters: string): Generator<number> {
  for (let at = 0; at < characters.length; at++) {
    const first = characters.charCodeAt(at);
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    const last = isRange ? characters.charCodeAt(at + 2) : first;
    for (let code = first; code <= last; code++) yield code;
    if (isRange) at += 2;
  }
}

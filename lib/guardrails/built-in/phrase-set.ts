import type { Span } from './span.js';

/** A phrase that was found, and its value. */
export interface PhraseMatch<V> extends Span {
  readonly value: V;
}

interface Node<V> {
  readonly next: Map<string, Node<V>>;
  value?: V;
}

interface Walk<V> {
  readonly match?: PhraseMatch<V>;
  /** Whether the text ends inside of a phrase. */
  readonly isOpen: boolean;
}

const NOTHING: Walk<never> = { isOpen: false };
/** Also the surrogates of U+E0000 to U+E0FFF, which are all invisible. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\udb40-\udb43]/u;
const LOW_SURROGATE = /[\udc00-\udfff]/;
const INVISIBLE_PAIR = /[\udb40-\udb43]/;
const SPACE = /\s/;
/** Invisible characters and white space in a row that cannot hide a phrase in a stream. */
const MOST_SKIPPED = 16_384;
/** Letters, digits and marks of writing systems that separate words. */
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const UNSEPARATED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/**
 * Finds phrases in a text, as whole words, regardless of case, width and runs of white space.
 * Invisible characters do not hide a phrase.
 */
export class PhraseSet<V = true> {
  private readonly root: Node<V> = { next: new Map() };

  constructor(phrases: Iterable<readonly [phrase: string, value: V]>) {
    for (const [phrase, value] of phrases) {
      let node = this.root;
      for (const part of foldedPhrase(phrase)) {
        let next = node.next.get(part);
        if (next === undefined) node.next.set(part, (next = { next: new Map() }));
        node = next;
      }
      if (node !== this.root) node.value ??= value;
    }
  }

  /** @param words separated by `|` */
  static of(words: string): PhraseSet {
    return new PhraseSet(words.split('|').map((word) => [word, true as const]));
  }

  isIn(text: string): boolean {
    return this.find(text).length > 0;
  }

  /** The longest phrase at each word that ends after `from`, ascending. */
  find(text: string, from = 0): readonly PhraseMatch<V>[] {
    const found: PhraseMatch<V>[] = [];
    for (let start = this.firstStart(text, from); start < text.length; start++) {
      const walked = this.walk(text, start);
      if (walked.match === undefined) continue;
      if (walked.match.end > from) found.push(walked.match);
      start = walked.match.end - 1;
    }
    return found;
  }

  /** Characters at the end of a text that can be the beginning of a phrase. */
  heldBack(text: string): number {
    for (let start = this.firstStart(text, text.length); start < text.length; start++)
      if (this.walk(text, start).isOpen) return text.length - start;
    return 0;
  }

  /** Where a phrase that ends after `from` can begin: none compares more characters. */
  private firstStart(text: string, from: number): number {
    let start = Math.min(from, text.length);
    const least = Math.max(0, start - MOST_SKIPPED);
    for (let left = this.longest(); left > 0 && start > least;) if (!isSkipped(text, --start)) left--;
    return start;
  }

  private known: number | undefined;

  /** Characters of the longest phrase, and one for what follows it. */
  private longest(): number {
    const depth = (node: Node<V>): number => Math.max(0, ...[...node.next.values()].map((next) => 1 + depth(next)));
    this.known ??= depth(this.root) + 1;
    return this.known;
  }

  private walk(text: string, start: number): Walk<V> {
    let node: Node<V> | undefined = this.root.next.get(folded(text[start]));
    if (node === undefined || !isBorder(text, start)) return NOTHING;
    let match: PhraseMatch<V> | undefined;
    let end = start + 1;
    for (; ; end++) {
      // At the end of a window, the word may go on.
      if (node.value !== undefined && isBorder(text, end)) match = { start, end, value: node.value };
      if (end === text.length) return { isOpen: true, ...(match !== undefined && { match }) };
      const character = text[end];
      if (isSkipped(text, end)) continue;
      const next: Node<V> | undefined = node.next.get(folded(character));
      if (next === undefined) return match === undefined ? NOTHING : { isOpen: false, match };
      node = next;
    }
  }
}

/** Whether a character is not compared: an invisible one, or white space after white space. */
function isSkipped(text: string, at: number): boolean {
  const character = text[at];
  if (character <= '\x7f') return SPACE.test(character) && at > 0 && SPACE.test(text[at - 1]);
  return isInvisible(text, at) || (SPACE.test(character) && at > 0 && SPACE.test(text[at - 1]));
}

function isInvisible(text: string, at: number): boolean {
  return INVISIBLE.test(text[at]) || (LOW_SURROGATE.test(text[at]) && at > 0 && INVISIBLE_PAIR.test(text[at - 1]));
}

/** Whether no word goes through this place. */
function isBorder(text: string, at: number): boolean {
  if (at === 0 || at === text.length) return true;
  const [before, after] = [text[at - 1], text[at]];
  return !isWord(before) || !isWord(after) || UNSEPARATED.test(before) || UNSEPARATED.test(after);
}

function isWord(character: string): boolean {
  const code = character.charCodeAt(0);
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
  return WORD.test(character) || (code >= 0xd800 && code <= 0xdfff);
}

function foldedPhrase(phrase: string): readonly string[] {
  const text = phrase.trim().replace(/\s+/g, ' ');
  return text
    .split('')
    .filter((_, at) => !isInvisible(text, at))
    .map(folded);
}

const FOLDED = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code).toLowerCase().replace(SPACE, ' '));

/** One UTF-16 unit, without differences in case and width. */
function folded(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 128) return FOLDED[code];
  if (SPACE.test(character)) return ' ';
  const plain = character.normalize('NFKC').toLowerCase();
  return plain.length === 1 ? plain : character;
}

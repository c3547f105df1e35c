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
const ZERO_WIDTH = /[\u00ad\u200b-\u200d\u2060\ufeff]/;
const SPACE = /\s/;
/** Letters, digits and marks of writing systems that separate words. */
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const UNSEPARATED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/**
 * Finds phrases in a text, as whole words, regardless of case, width and runs of white space.
 * Characters without a width do not hide a phrase.
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

  /** Where a phrase that ends after `from` can begin: none is longer than this. */
  private firstStart(text: string, from: number): number {
    return Math.max(0, Math.min(from, text.length) - this.longest());
  }

  private known: number | undefined;

  /** Characters of the longest phrase, with some for white space and characters without a width. */
  private longest(): number {
    const depth = (node: Node<V>): number => Math.max(0, ...[...node.next.values()].map((next) => 1 + depth(next)));
    this.known ??= 2 * depth(this.root) + 8;
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
      if ((character > '\x7f' && ZERO_WIDTH.test(character)) || (SPACE.test(character) && SPACE.test(text[end - 1]))) continue;
      const next: Node<V> | undefined = node.next.get(folded(character));
      if (next === undefined) return match === undefined ? NOTHING : { isOpen: false, match };
      node = next;
    }
  }
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
  const characters = phrase.trim().replace(/\s+/g, ' ').split('');
  return characters.filter((character) => !ZERO_WIDTH.test(character)).map(folded);
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

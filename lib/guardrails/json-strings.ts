import type { TextEdit } from './guardrail.js';

const SHORT_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };
const HEX = /^[\da-fA-F]{4}$/;
/** A number, `true`, `false` or `null`. */
const OF_TOKEN = /[\w.+-]/;

/** Of a character: outside of strings, in one, or the quote that closes it. */
type Place = 0 | 1 | 2;
const [OUTSIDE, CONTENT, CLOSING] = [0, 1, 2] as const;

/**
 * A part of a JSON text with its strings unescaped, so that a guardrail finds what is in them.
 * Edits change the content of strings, and replace other values as a whole by a string: the text
 * stays JSON.
 */
export class JsonWindow {
  readonly text: string;
  /** Offset in the JSON of each character of `text`, and of its end. */
  private readonly starts: number[] = [];
  private readonly places: Place[] = [];

  /** @param isInString whether the part begins inside a string */
  constructor(
    private readonly raw: string,
    isInString: boolean,
  ) {
    let text = '';
    let at = 0;
    let isInside = isInString;
    while (at < raw.length) {
      const character = raw[at];
      let length = 1;
      let decoded = character;
      if (isInside && character === '\\') {
        length = raw[at + 1] === 'u' ? 6 : 2;
        // The rest of the escape is yet to come.
        if (at + length > raw.length) break;
        decoded = unescaped(raw.slice(at + 1, at + length));
      }
      const isQuote = character === '"';
      this.starts.push(at);
      this.places.push(!isInside ? OUTSIDE : isQuote ? CLOSING : CONTENT);
      if (isQuote) isInside = !isInside;
      text += decoded;
      at += length;
    }
    this.starts.push(at);
    this.places.push(isInside ? CONTENT : OUTSIDE);
    this.text = text;
  }

  /** Offset in the JSON of a character of `text`. */
  offsetOf(character: number): number {
    return this.starts[Math.max(0, Math.min(character, this.text.length))];
  }

  /** The first character of `text` that is not before an offset in the JSON. */
  characterAt(offset: number): number {
    let [low, high] = [0, this.text.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a character is inside a string, or the quote that closes one. */
  isInStringAt(character: number): boolean {
    return this.places[character] !== OUTSIDE;
  }

  /** Edits of the JSON for edits of `text`. @param isLast whether the JSON ends here */
  edits(found: readonly TextEdit[], isLast: boolean): readonly TextEdit[] {
    return found.flatMap((edit) => this.editsOf(edit, isLast));
  }

  private editsOf({ start, end, replacement }: TextEdit, isLast: boolean): readonly TextEdit[] {
    const { text, places } = this;
    const made: TextEdit[] = [];
    let next = JSON.stringify(replacement).slice(1, -1);
    const add = (from: number, to: number, quote: string): void => {
      made.push({
        start: this.offsetOf(from),
        end: to > text.length ? this.raw.length + 1 : this.offsetOf(to),
        replacement: quote + next + quote,
      });
      next = '';
    };
    // An insertion.
    if (start === end && places[start] === CONTENT) add(start, end, '');
    for (let at = start; at < end;) {
      let to = at;
      if (places[at] === CONTENT) {
        while (to < end && places[to] === CONTENT) to++;
        add(at, to, '');
      } else if (places[at] === OUTSIDE && OF_TOKEN.test(text[at])) {
        let from = at;
        while (from > 0 && places[from - 1] === OUTSIDE && OF_TOKEN.test(text[from - 1])) from--;
        while (to < text.length && places[to] === OUTSIDE && OF_TOKEN.test(text[to])) to++;
        // A token at the end may go on: its edit reaches beyond the text, so that it is held back.
        add(from, to === text.length && !isLast ? to + 1 : to, '"');
      }
      at = Math.max(to, at + 1);
    }
    return made;
  }
}

function unescaped(escape: string): string {
  if (escape[0] !== 'u') return SHORT_ESCAPES[escape] ?? escape;
  return HEX.test(escape.slice(1)) ? String.fromCharCode(Number.parseInt(escape.slice(1), 16)) : '\ufffd';
}

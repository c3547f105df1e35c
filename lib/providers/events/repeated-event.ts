const [QUOTE, BACKSLASH, SPACE] = Buffer.from('"\\ ');
/** A string that is neither read nor billed: OpenAI's padding against guesses from lengths. */
const PADDING = Buffer.from('"obfuscation":"');
/** Events with a usage or an error are read one by one. */
const READ = /error|"usage"\s*:(?!\s*null)/;
/** A longer event costs more to search than to compare. */
const LONGEST = 4096;
/** Events in a row that were unlike the one before, until no more are compared. */
const MOST_MISSES = 16;

/** The bytes that all events of a kind share, with gaps for the strings that differ. */
interface Pattern {
  readonly literals: readonly Buffer[];
  /** The gap with the text of the model. */
  readonly textGap: number;
}

/**
 * Recognizes events that differ from the one before only in the text of the model, as nearly all
 * events of a stream do:
 *
 *     data: {"id":"x","choices":[{"delta":{"content":"Hello"}}],"obfuscation":"aP3"}
 *     └ literal ─────────────────────────────────────┘ gap └ literal ────────┘gap└ literal
 *
 * Whatever was found out about the literals then holds for such an event, too: it has no usage, no
 * error, no CR, and does not end the stream. A gap has no quote, backslash or control character, so
 * that it never ends its string.
 */
export class RepeatedEvent {
  private pattern: Pattern | undefined = undefined;
  private before: Buffer | undefined = undefined;
  private misses = 0;

  /** @param textOf the text of the model in events, as it would be counted */
  constructor(private readonly textOf: (events: string) => string) {}

  /** The text of the model in `chunk`; `undefined` unless all its events follow the pattern. */
  textIn(chunk: Buffer): string | undefined {
    const { pattern } = this;
    if (pattern === undefined) return undefined;
    const { literals, textGap } = pattern;
    const { length } = chunk;
    const last = literals.length - 1;
    let text = '';
    for (let at = 0; at < length;) {
      for (let gap = 0; ; gap++) {
        const literal = literals[gap];
        const start = at + literal.length;
        if (start > length || chunk.compare(literal, 0, literal.length, at, start) !== 0) return undefined;
        at = start;
        if (gap === last) break;
        at = plainEnd(chunk, start);
        if (at < 0) return undefined;
        if (gap === textGap) text += chunk.toString('utf8', start, at);
      }
    }
    this.misses = 0;
    return text;
  }

  /** Compares events that were read, and passed as they are, with those before. */
  learn(events: Buffer): void {
    if (this.misses > MOST_MISSES) return;
    this.misses++;
    const { before } = this;
    const isShort = events.length <= LONGEST;
    this.before = isShort && this.misses <= MOST_MISSES ? Buffer.from(events) : undefined;
    if (isShort && before !== undefined) this.pattern = this.patternOf(before, events) ?? this.pattern;
  }

  private patternOf(before: Buffer, events: Buffer): Pattern | undefined {
    const [text, textBefore] = [events.toString('utf8'), before.toString('utf8')];
    if (READ.test(text)) return undefined;
    const parts = partsOf(before, events);
    if (parts === undefined) return undefined;
    const { literals, gaps } = parts;
    const [now, then] = [this.textOf(text), this.textOf(textBefore)];
    const textGap = gaps.findIndex(([ofBefore, ofEvents]) => ofBefore === then && ofEvents === now);
    const isKnown = gaps.every((_, gap) => gap === textGap || endsWith(literals[gap], PADDING));
    return textGap >= 0 && isKnown ? { literals, textGap } : undefined;
  }
}

/** A string in which two events differ: that of the first and that of the second one. */
type Gap = readonly [string, string];

/**
 * Returns the bytes that both events share; `undefined` if they differ in more than plain strings.
 */
function partsOf(before: Buffer, events: Buffer): { readonly literals: readonly Buffer[]; readonly gaps: readonly Gap[] } | undefined {
  if (before.includes(BACKSLASH)) return undefined;
  const literals: Buffer[] = [];
  const gaps: Gap[] = [];
  let from = 0;
  let quotes = 0;
  let quote = 0;
  let at = 0;
  let other = 0;
  while (at < before.length && other < events.length) {
    if (before[at] === events[other]) {
      if (before[at] === QUOTE) {
        quotes++;
        quote = at;
      }
      at++;
      other++;
      continue;
    }
    // Outside of a string: a number, or another field.
    if (quotes % 2 === 0) return undefined;
    const start = other - (at - quote - 1);
    const [end, otherEnd] = [plainEnd(before, at), plainEnd(events, other)];
    if (end < 0 || otherEnd < 0) return undefined;
    literals.push(before.subarray(from, quote + 1));
    gaps.push([before.toString('utf8', quote + 1, end), events.toString('utf8', start, otherEnd)]);
    from = at = end;
    other = otherEnd;
  }
  if (gaps.length === 0 || at !== before.length || other !== events.length) return undefined;
  literals.push(before.subarray(from));
  return { literals, gaps };
}

/** Where the string that `from` is in ends; -1 if that takes more than a look at its bytes. */
function plainEnd(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte < SPACE) return -1;
  }
  return -1;
}

function endsWith(bytes: Buffer, end: Buffer): boolean {
  return bytes.subarray(Math.max(0, bytes.length - end.length)).equals(end);
}

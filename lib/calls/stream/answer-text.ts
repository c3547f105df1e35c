import { REASONING_FIELDS } from '../answer/text-places.js';

/** Counts the tokens of a text. */
export type CountText = (text: string) => number;

/**
 * The fields with a text (`TEXT_PLACES`), and the usage. Quotes within JSON strings are escaped, so
 * that no text looks like one of them. `code` is also the field of errors.
 */
const FIELD =
  /"(content|refusal|reasoning_content|reasoning|thinking|arguments|input|text|partial_json|delta|transcript|usage)"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}/g;
/** The objects in events of Messages and Responses that have a usage. */
const ANSWER = /"(?:message|response)"[ \t]{0,8}:[ \t]{0,8}$/;
const LONGEST_ANSWER_KEY = 32;
/** Part whose text can be a summary of the billed text. */
const SUMMARIES = 'thinking';
const LINE_FEED = 10;
const BACKSLASH = 92;
/** Characters counted at once: 0.5 ms with the native engine. */
const BLOCK = 32 * 1024;
/** A longer text is estimated from its beginning. */
const LONGEST_COUNT = 4 * BLOCK;
const LONGEST_USAGE = 4 * 1024;
/** Most usages to keep of those that a stream reports while it runs. */
const MOST_USAGES = 4;

/**
 * Finds the text written by a model in an answer, by the names of its fields. Also reads answers
 * that are cut or not JSON. Counts only on request, and once for each 32 KB.
 */
export class AnswerText {
  /** Whether the reasoning itself was shown, so that none is hidden. */
  showsReasoning = false;
  /** Whether the text is incomplete: nothing was found, or its end was cut. */
  isOpen = true;
  /** Usage objects as JSON, the first and the last ones. */
  readonly usages: string[] = [];
  private parts: string[] = [];
  private chars = 0;
  private counted = 0;
  /** Whether the last part was cut: the rest of its string comes first. */
  private isCut = false;
  /** In the Responses API events repeat the text of the deltas before them. */
  private hasDeltas = false;

  constructor(private readonly count: CountText) {}

  /** Adds a part of the answer. Parts end between events, unless one is very long. */
  add(json: string): void {
    let at = 0;
    if (this.isCut) at = this.take(json);
    const found: string[] = [];
    let last = '';
    let lastEnd = 0;
    let wasReasoning = false;
    let place: KeyPlace | undefined;
    FIELD.lastIndex = at;
    for (let match = FIELD.exec(json); match !== null; match = FIELD.exec(json)) {
      const [whole, field] = match;
      const start = match.index + whole.length;
      if (field === 'usage') {
        if (json[start] !== '{') continue;
        const end = objectEnd(json, start);
        place ??= new KeyPlace(json);
        if (place.isOwn(match.index)) this.keepUsage(json.slice(start, Math.min(end, start + LONGEST_USAGE)));
        // Nested values are not searched again.
        FIELD.lastIndex = end;
        continue;
      }
      const isObject = json[start] === '{' && (field === 'input' || field === 'arguments');
      if (json[start] !== '"' && !isObject) continue;
      if (field === 'delta') this.hasDeltas = true;
      else if (this.hasDeltas) continue;
      const end = isObject ? objectEnd(json, start) : stringEnd(json, start + 1);
      const text = isObject ? escaped(json.slice(start, end)) : json.slice(start + 1, end);
      FIELD.lastIndex = end;
      const isReasoning = REASONING_FIELDS.has(field);
      // `reasoning_details` repeat it, but the next event can have the same token again.
      const isRepeated = (isReasoning || wasReasoning) && text === last && !json.slice(lastEnd, match.index).includes('\n');
      if (text === '' || text === '{}' || isRepeated) continue;
      [last, lastEnd, wasReasoning] = [text, end, isReasoning];
      if (isReasoning && field !== SUMMARIES) this.showsReasoning = true;
      this.isOpen = end === json.length;
      this.isCut = this.isOpen && !isObject;
      found.push(text);
    }
    // Joined, because slices would keep the whole JSON in memory.
    if (found.length > 0) this.push(found.join(''));
    if (this.chars >= BLOCK) this.countParts();
  }

  /** Adds a text that was found already, without escapes. */
  addText(text: string): void {
    this.isOpen = this.isCut = false;
    if (text === '') return;
    this.push(text);
    if (this.chars >= BLOCK) this.countParts();
  }

  /** Tokens of all that was added. */
  tokens(): number {
    this.countParts();
    return this.counted;
  }

  /** Takes the rest of a string that was cut. Returns where it ends. */
  private take(json: string): number {
    const end = stringEnd(json, 0);
    this.isCut = end === json.length;
    this.push(json.slice(0, end));
    return end;
  }

  private push(text: string): void {
    this.parts.push(text);
    this.chars += text.length;
  }

  private countParts(): void {
    const { parts, count } = this;
    if (parts.length === 0) return;
    const text = unescaped(parts.join(''));
    this.parts = [];
    this.chars = 0;
    const counted = count(text.slice(0, LONGEST_COUNT));
    this.counted += Math.ceil(counted * Math.max(1, text.length / LONGEST_COUNT));
  }

  private keepUsage(json: string): void {
    if (this.usages.length === MOST_USAGES) this.usages.splice(1, 1);
    this.usages.push(json);
  }
}

/** The text that `AnswerText` would find in events that are not cut. */
export function textIn(events: string): string {
  let found = '';
  const text = new AnswerText((counted) => (found += counted).length);
  text.add(events);
  text.tokens();
  return found;
}

/** Distinguishes keys of events from those in other objects, which can repeat the client's data. */
class KeyPlace {
  private at = 0;
  private depth = 0;
  /** Where the latest object or list within the event begins. */
  private inner = 0;

  constructor(private readonly json: string) {}

  /** Whether a key is of an event or of the answer in it. Keys are asked for in their order. */
  isOwn(key: number): boolean {
    const { json } = this;
    for (; this.at < key; this.at++) {
      const character = json[this.at];
      if (character === '"') this.at = stringEnd(json, this.at + 1);
      else if (character === '\n') this.depth = 0;
      else if (character === '}' || character === ']') this.depth--;
      else if ((character === '{' || character === '[') && ++this.depth === 2) this.inner = this.at;
    }
    if (this.at !== key || this.depth !== 2) return this.at === key && this.depth === 1;
    return json[this.inner] === '{' && ANSWER.test(json.slice(Math.max(0, this.inner - LONGEST_ANSWER_KEY), this.inner));
  }
}

/** Offset after the last complete line of `bytes`, at least `from`. */
export function endOfLastLine(bytes: Buffer, from: number): number {
  return Math.max(from, bytes.lastIndexOf(LINE_FEED) + 1);
}

/** End of the string whose content begins at `from`; the end of `json` if it is cut. */
function stringEnd(json: string, from: number): number {
  for (let end = json.indexOf('"', from); end >= 0; end = json.indexOf('"', end + 1)) {
    let first = end;
    while (first > from && json.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
  }
  return json.length;
}

/** Offset after the brace that closes the object at `from`; the end of `json` if it is cut. */
function objectEnd(json: string, from: number): number {
  let depth = 0;
  for (let at = from; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = stringEnd(json, at + 1);
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return at + 1;
  }
  return json.length;
}

function escaped(json: string): string {
  return JSON.stringify(json).slice(1, -1);
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}

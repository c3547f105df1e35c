/** Without its first quote: a search stops at each byte like the first, and answers have many. */
const KEY = Buffer.from('model"');
/** The objects with the model in events of Messages and Responses. */
const PARENTS = ['"message":', '"response":'].map((key) => Buffer.from(key));
const [QUOTE, BACKSLASH, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, LF, CR] = Buffer.from('"\\:{}[]\n\r');
const SPACES: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'));
/** Most bytes after the model of an answer that has it at its end, as embeddings do. */
const SHORT_END = 4096;
/** A longer beginning of an event is not remembered. */
const LONGEST_BEGINNING = 1024;
const NOWHERE = -1;

/**
 * Replaces the model of an answer with the requested name. The bytes are scanned up to the name;
 * they are not parsed, and all others stay unchanged.
 */
export class AnswerModel {
  private readonly name: Buffer;
  /** The beginning of the last event up to its model, as it came and as it was written. */
  private begun: { readonly read: Buffer; readonly written: Buffer } | undefined = undefined;

  constructor(model: string) {
    this.name = Buffer.from(JSON.stringify(model));
  }

  /** A whole answer; returns the same bytes if the name is equal or missing. */
  whole(answer: Buffer): Buffer {
    const last = answer.lastIndexOf(KEY);
    // Megabytes of numbers can precede it.
    if (last > SHORT_END && answer.length - last < SHORT_END) {
      const start = valueAt(answer, last);
      if (start !== NOWHERE && closesOne(answer, stringEnd(answer, start))) return this.put(answer, [start]);
    }
    const place = new JsonPlace(answer);
    for (let hit = answer.indexOf(KEY); hit >= 0; hit = answer.indexOf(KEY, hit + KEY.length)) {
      const start = valueAt(answer, hit);
      if (start !== NOWHERE && place.depthAt(hit - 1) === 1) return this.put(answer, [start]);
    }
    return answer;
  }

  /** Whole events of a stream, some of which contain the name. */
  events(events: Buffer): Buffer {
    const { begun } = this;
    // Most events of a stream begin with the same bytes, whose position in the JSON is known.
    const length = begun?.read.length ?? 0;
    const isKnown = begun !== undefined && events.length >= length && events.compare(begun.read, 0, length, 0, length) === 0;
    if (isKnown && events.indexOf(KEY, length) < 0)
      return begun.written === begun.read ? events : Buffer.concat([begun.written, events.subarray(length)]);
    let last = NOWHERE;
    const starts: number[] = [];
    const place = new JsonPlace(events);
    for (let hit = events.indexOf(KEY); hit >= 0; hit = events.indexOf(KEY, hit + KEY.length)) {
      last = valueAt(events, hit);
      if (last === NOWHERE) continue;
      const depth = place.depthAt(hit - 1);
      if (depth === 1 || (depth === 2 && place.isInAnswer)) starts.push(last);
    }
    if (starts.length === 1 && last === starts[0]) this.remember(events, last);
    return this.put(events, starts);
  }

  private remember(events: Buffer, start: number): void {
    const end = stringEnd(events, start);
    if (end > LONGEST_BEGINNING || events[end - 1] !== QUOTE) return;
    const read = Buffer.from(events.subarray(0, end));
    const isSame = read.subarray(start).equals(this.name);
    this.begun = { read, written: isSame ? read : Buffer.concat([read.subarray(0, start), this.name]) };
  }

  private put(bytes: Buffer, starts: readonly number[]): Buffer {
    const { name } = this;
    const parts: Buffer[] = [];
    let from = 0;
    for (const start of starts) {
      const end = stringEnd(bytes, start);
      if (bytes[end - 1] !== QUOTE || bytes.subarray(start, end).equals(name)) continue;
      parts.push(bytes.subarray(from, start), name);
      from = end;
    }
    return from === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(from)]);
  }
}

/** Nesting depth of a position in JSON; continues from the previous position. */
class JsonPlace {
  /** Whether the object at depth 2 is one of `PARENTS`. */
  isInAnswer = false;
  private at = 0;
  private depth = 0;

  constructor(private readonly bytes: Buffer) {}

  /** `NOWHERE`: within a text. */
  depthAt(place: number): number {
    const { bytes } = this;
    while (this.at < place) {
      const byte = bytes[this.at];
      if (byte === QUOTE) {
        // The same as `stringEnd`, without a call for each string before the model.
        let end = this.at + 1;
        while (end < bytes.length && bytes[end] !== QUOTE && bytes[end] !== LF) end += bytes[end] === BACKSLASH ? 2 : 1;
        this.at = end + 1;
        continue;
      }
      if (byte === OPEN || byte === OPEN_LIST) {
        if (++this.depth === 2) this.isInAnswer = byte === OPEN && isParent(bytes, this.at);
      } else if (byte === CLOSE || byte === CLOSE_LIST) this.depth--;
      else if (byte === LF && endsEvent(bytes, this.at)) this.depth = 0;
      this.at++;
    }
    return this.at === place ? this.depth : NOWHERE;
  }
}

function endsEvent(bytes: Buffer, at: number): boolean {
  return bytes[at - 1] === LF || (bytes[at - 1] === CR && bytes[at - 2] === LF);
}

function isParent(bytes: Buffer, at: number): boolean {
  let end = at;
  while (SPACES.has(bytes[end - 1])) end--;
  return PARENTS.some((key) => bytes.subarray(end - key.length, end).equals(key));
}

/** Start of the text of the key at `hit`. */
function valueAt(bytes: Buffer, hit: number): number {
  if (bytes[hit - 1] !== QUOTE) return NOWHERE;
  let at = hit + KEY.length;
  while (SPACES.has(bytes[at])) at++;
  if (bytes[at++] !== COLON) return NOWHERE;
  while (SPACES.has(bytes[at])) at++;
  return bytes[at] === QUOTE ? at : NOWHERE;
}

/** Offset after the text at `start`, or after the line of an unterminated one. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE && bytes[at] !== LF) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** Whether the rest closes only the outermost object. */
function closesOne(bytes: Buffer, from: number): boolean {
  let depth = 1;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = stringEnd(bytes, at) - 1;
    else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if ((byte === CLOSE || byte === CLOSE_LIST) && --depth < 0) return false;
  }
  return depth === 0;
}

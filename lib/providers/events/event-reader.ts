import { BufferList } from '../../common/buffer-list.js';
import { hasError } from '../openai/errors.js';

/** Empty lines: a hostile stream has little else. */
const END = /(?:\r?\n){2,}/;
const [LINE_FEED, CARRIAGE_RETURN] = Buffer.from('\n\r');
const ENDS = ['\n\n', '\n\r\n'].map((end) => Buffer.from(end));
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const CALLED_ERROR = /^event: ?error\r?$/m;
const DATA = 'data:';

/** How the lines begin that occur only in the event that ends a stream. */
export type EndLines = readonly Buffer[];

/** The lines of named events: the name itself, or data with the type as its first field. */
export function endLinesOf(...types: readonly string[]): EndLines {
  return types.flatMap((type) =>
    [`event: ${type}`, `event:${type}`, `data: {"type":"${type}"`, `data: {"type": "${type}"`].map((line) => Buffer.from(line)),
  );
}

/**
 * Whole events that arrived together. Their bytes are forwarded; their text is decoded once, when
 * something reads it. Only the last piece of a stream can be an event without its empty line.
 */
export class StreamEvents {
  private events: readonly string[] | undefined = undefined;
  private datas: readonly string[] | undefined = undefined;
  private decoded: string | undefined = undefined;

  /**
   * @param text the text of the model, if it is known that the events have nothing else to read: no
   * usage and no error
   */
  constructor(
    readonly bytes: Buffer,
    readonly text?: string,
  ) {}

  static of(text: string): StreamEvents {
    const events = new StreamEvents(Buffer.from(text));
    events.decoded = text;
    return events;
  }

  static joined(parts: readonly StreamEvents[]): StreamEvents {
    if (parts.length === 0) return NO_EVENTS;
    if (parts.length === 1) return parts[0];
    const isText = parts.every(({ text }) => text !== undefined);
    return new StreamEvents(Buffer.concat(parts.map(({ bytes }) => bytes)), isText ? parts.map(({ text }) => text).join('') : undefined);
  }

  /** Each event without its empty line. */
  get raw(): readonly string[] {
    return (this.events ??= this.pieces.filter((event) => event.trim() !== ''));
  }

  /** The `data` of each event that has some, as `dataOf` reads it. */
  get data(): readonly string[] {
    // The standard ignores an event without its empty line.
    return (this.datas ??= this.pieces
      .slice(0, -1)
      .map(dataOf)
      .filter((data) => data !== undefined));
  }

  private get pieces(): readonly string[] {
    return (this.decoded ??= this.bytes.toString('utf8')).split(END);
  }
}

export const NO_EVENTS = new StreamEvents(Buffer.alloc(0));

/**
 * Reads server-sent events from the bytes of a stream, even if chunks split them.
 *
 * Lines can end with LF, CR LF or CR. From the first lone CR on, each end becomes LF, because many
 * clients support only the other two. A byte order mark at the beginning is removed.
 */
export class EventReader {
  /** The unfinished event: one event can arrive in thousands of pieces. */
  private readonly unfinished = new BufferList();
  /** The last bytes, where they may begin the end of an event: a chunk may cut it. */
  private edge: '' | 'LF' | 'LF CR' = '';
  private hasCrAlone = false;
  /** Whether the chunk before ended with a CR, whose LF may follow. */
  private isAfterCr = false;
  /** Bytes of a byte order mark that have arrived; `undefined` after the beginning. */
  private marked: number | undefined = 0;
  /** Whether all bytes so far are whole events, of lines that end with LF. */
  isBetween = false;

  /** Bytes of the unfinished event. */
  get pending(): number {
    return this.unfinished.length;
  }

  /** The events that `chunk` completes. */
  read(chunk: Buffer): StreamEvents | undefined {
    const { length } = chunk;
    const endsEvent = length > 1 && chunk[length - 1] === LINE_FEED && chunk[length - 2] === LINE_FEED;
    // The case of nearly all chunks.
    if (this.isBetween && endsEvent && chunk.indexOf(CARRIAGE_RETURN) < 0) return new StreamEvents(chunk);
    const events = this.readLines(this.lines(chunk));
    this.isBetween = endsEvent && this.pending === 0 && !this.hasCrAlone && this.marked === undefined;
    return events;
  }

  private readLines(lines: Buffer): StreamEvents | undefined {
    const { unfinished } = this;
    const { length } = lines;
    if (length === 0) return undefined;
    const end = this.lastEndIn(lines);
    this.edge = this.edgeAfter(lines);
    if (end === 0) {
      unfinished.push(lines);
      return undefined;
    }
    const whole = end === length ? lines : lines.subarray(0, end);
    if (unfinished.length === 0 && end === length) return new StreamEvents(whole);
    unfinished.push(whole);
    const events = new StreamEvents(unfinished.take());
    if (end < length) unfinished.push(lines.subarray(end));
    return events;
  }

  /** The unfinished event at the end of a stream. */
  rest(): StreamEvents | undefined {
    return this.pending === 0 ? undefined : new StreamEvents(this.unfinished.take());
  }

  /** The chunk with line ends that all clients know: itself unless a CR stands alone. */
  lines(received: Buffer): Buffer {
    const chunk = this.marked === undefined ? received : this.withoutMark(received, this.marked);
    const { length } = chunk;
    if (length === 0) return chunk;
    const { isAfterCr } = this;
    this.isAfterCr = chunk[length - 1] === CARRIAGE_RETURN;
    if (this.hasCrAlone) return withLineFeeds(isAfterCr && chunk[0] === LINE_FEED ? chunk.subarray(1) : chunk);
    const isCutCrAlone = isAfterCr && chunk[0] !== LINE_FEED;
    if (!isCutCrAlone && !hasCrAlone(chunk)) return chunk;
    this.hasCrAlone = true;
    // The CR was already passed on; this LF completes it.
    return isCutCrAlone ? Buffer.concat([Buffer.of(LINE_FEED), withLineFeeds(chunk)]) : withLineFeeds(chunk);
  }

  /**
   * Returns the first bytes without a byte order mark. `marked` bytes of a possible mark were held
   * back.
   */
  private withoutMark(received: Buffer, marked: number): Buffer {
    let at = 0;
    while (at < received.length && marked + at < BYTE_ORDER_MARK.length && received[at] === BYTE_ORDER_MARK[marked + at]) at++;
    const isMark = marked + at === BYTE_ORDER_MARK.length;
    this.marked = !isMark && at === received.length ? marked + at : undefined;
    if (isMark || this.marked !== undefined) return received.subarray(at);
    return marked === 0 ? received : Buffer.concat([BYTE_ORDER_MARK.subarray(0, marked), received]);
  }

  /** Offset after the last end of an event; 0 if there is none. */
  private lastEndIn(chunk: Buffer): number {
    const { edge } = this;
    const { length } = chunk;
    // Most chunks end this way.
    if (length > 1 && chunk[length - 1] === LINE_FEED && chunk[length - 2] === LINE_FEED) return length;
    const last = Math.max(...ENDS.map((end) => offsetAfterLast(chunk, end)));
    if (last > 0 || edge === '') return last;
    if (chunk[0] === LINE_FEED) return 1;
    return edge === 'LF' && chunk[0] === CARRIAGE_RETURN && chunk[1] === LINE_FEED ? 2 : 0;
  }

  private edgeAfter(chunk: Buffer): EventReader['edge'] {
    const { length } = chunk;
    if (chunk[length - 1] === LINE_FEED) return 'LF';
    const isAfterLineFeed = length === 1 ? this.edge === 'LF' : chunk[length - 2] === LINE_FEED;
    return chunk[length - 1] === CARRIAGE_RETURN && isAfterLineFeed ? 'LF CR' : '';
  }
}

/** Offset after the event that ends a stream; -1 if none of the events does. */
export function endOfStream(bytes: Buffer, ends: EndLines): number {
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === LINE_FEED) {
      at++;
      continue;
    }
    for (const line of ends) {
      const last = line.length - 1;
      // Almost always decided by one byte.
      if (bytes[at + last] === line[last] && bytes.compare(line, 0, line.length, at, at + line.length) === 0) return endOfEvent(bytes, at);
    }
    const feed = bytes.indexOf(LINE_FEED, at);
    if (feed < 0) break;
    at = feed + 1;
  }
  return -1;
}

/** -1 for an event without its empty line. */
function endOfEvent(bytes: Buffer, from: number): number {
  const [end = -1] = ENDS.map((blank) => ({ at: bytes.indexOf(blank, from), blank }))
    .filter(({ at }) => at >= 0)
    .map(({ at, blank }) => at + blank.length)
    .sort((one, other) => one - other);
  return end;
}

function offsetAfterLast(chunk: Buffer, end: Buffer): number {
  const at = chunk.lastIndexOf(end);
  return at < 0 ? 0 : at + end.length;
}

/** Whether a CR is followed by anything but LF. The byte after the last one is unknown. */
function hasCrAlone(chunk: Buffer): boolean {
  const first = chunk.indexOf(CARRIAGE_RETURN);
  if (first < 0) return false;
  // Does not call `indexOf` from CR to CR: for empty lines, 20 ns per call are ten times the loop.
  for (let at = first; at < chunk.length - 1; at++) {
    if (chunk[at] === CARRIAGE_RETURN && chunk[at + 1] !== LINE_FEED) return true;
  }
  return false;
}

function withLineFeeds(chunk: Buffer): Buffer {
  const written = Buffer.allocUnsafe(chunk.length);
  let length = 0;
  for (let at = 0; at < chunk.length; at++) {
    const isCr = chunk[at] === CARRIAGE_RETURN;
    written[length++] = isCr ? LINE_FEED : chunk[at];
    if (isCr && chunk[at + 1] === LINE_FEED) at++;
  }
  return written.subarray(0, length);
}

/**
 * The `data` of one event; `undefined` for an event without data, which the standard ignores. That
 * of an `error` event becomes `{"error":…}`, and so does an error in a list, as Google's servers
 * send it, also in OpenAI's protocol. No provider puts anything else in a list.
 */
export function dataOf(event: string): string | undefined {
  if (event.length <= DATA.length) return undefined;
  const only = onlyData(event);
  if (only !== undefined) return only;
  const data = dataLines(event).join('\n');
  if (data === '') return undefined;
  if (data.startsWith('[') && hasError(data)) return JSON.stringify((JSON.parse(data) as unknown[])[0]);
  return CALLED_ERROR.test(event) && !hasError(data) ? `{"error":${asJson(data)}}` : data;
}

/** Looks only for these: an event of 32 MB may have 16 million other lines. */
function dataLines(event: string): string[] {
  const lines: string[] = [];
  for (let at = event.startsWith(DATA) ? 0 : lineOfData(event, 0); at >= 0;) {
    const feed = event.indexOf('\n', at);
    const end = feed < 0 ? event.length : event[feed - 1] === '\r' ? feed - 1 : feed;
    const from = at + DATA.length;
    lines.push(event.slice(event[from] === ' ' ? from + 1 : from, end));
    at = feed < 0 ? -1 : lineOfData(event, feed);
  }
  return lines;
}

/** Offset of the first line of data at or after a line feed; -1 if there is none. */
function lineOfData(event: string, feed: number): number {
  const at = event.indexOf(`\n${DATA}`, feed);
  return at < 0 ? -1 : at + 1;
}

/** Most events are one line of data, or have one line before it: their name. */
function onlyData(event: string): string | undefined {
  const at = event.startsWith('data: {') ? 0 : event.indexOf('\ndata: {') + 1;
  const isOne =
    at === 0
      ? event.startsWith('data: {')
      : event.indexOf('\n') === at - 1 && !event.startsWith(DATA) && !event.startsWith('event: error') && !event.startsWith('event:error');
  return isOne && !event.includes('\n', at) ? event.slice(at + 6) : undefined;
}

function asJson(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data));
  } catch {
    return JSON.stringify(data);
  }
}

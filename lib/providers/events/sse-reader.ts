import { BufferList } from '../../common/buffer-list.js';
import { hasError } from '../openai/errors.js';

/** Empty lines: a hostile stream has little else. */
const END = /(?:\r?\n){2,}/;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const ENDS = ['\n\n', '\n\r\n'].map((end) => Buffer.from(end));
const CALLED_ERROR = /^event: ?error\r?$/m;
const BYTE_ORDER_MARK = '\uFEFF';
const DATA = 'data:';
const NONE: string[] = [];

/** Reads the `data` of server-sent events. That of an `error` event becomes `{"error":…}`. */
export class EventReader {
  /** The unfinished event: one event may arrive in thousands of pieces. */
  private readonly unfinished = new BufferList();
  private hasBegun = false;
  /** The last bytes, where they may begin the end of an event: a chunk may cut it. */
  private edge: '' | 'LF' | 'LF CR' = '';

  /** Bytes of the unfinished event. */
  get pending(): number {
    return this.unfinished.length;
  }

  /** Returns the data of the events that `chunk` completes. */
  read(chunk: Buffer): string[] {
    const { unfinished } = this;
    const end = this.lastEndIn(chunk);
    this.edge = this.edgeBehind(chunk);
    if (end === 0) {
      if (chunk.length > 0) unfinished.push(chunk);
      return NONE;
    }
    unfinished.push(end === chunk.length ? chunk : chunk.subarray(0, end));
    const events = this.textOf(unfinished.take()).split(END);
    if (end < chunk.length) unfinished.push(chunk.subarray(end));
    return events.map(dataOf).filter((data) => data !== undefined);
  }

  private textOf(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    if (this.hasBegun) return text;
    this.hasBegun = true;
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  }

  /** Behind the last end of an event; 0: there is none. */
  private lastEndIn(chunk: Buffer): number {
    const { edge } = this;
    const { length } = chunk;
    // As most chunks end.
    if (length > 1 && chunk[length - 1] === LINE_FEED && chunk[length - 2] === LINE_FEED) return length;
    const last = Math.max(...ENDS.map((end) => behindLast(chunk, end)));
    if (last > 0 || edge === '') return last;
    if (chunk[0] === LINE_FEED) return 1;
    return edge === 'LF' && chunk[0] === CARRIAGE_RETURN && chunk[1] === LINE_FEED ? 2 : 0;
  }

  private edgeBehind(chunk: Buffer): EventReader['edge'] {
    const { length } = chunk;
    if (length === 0) return this.edge;
    if (chunk[length - 1] === LINE_FEED) return 'LF';
    const isBehindLineFeed = length === 1 ? this.edge === 'LF' : chunk[length - 2] === LINE_FEED;
    return chunk[length - 1] === CARRIAGE_RETURN && isBehindLineFeed ? 'LF CR' : '';
  }
}

function behindLast(chunk: Buffer, end: Buffer): number {
  const at = chunk.lastIndexOf(end);
  return at < 0 ? 0 : at + end.length;
}

/** The `data` of one event; `undefined` for an event without data, which the standard ignores. */
export function dataOf(event: string): string | undefined {
  if (event.length <= DATA.length) return undefined;
  const only = onlyData(event);
  if (only !== undefined) return only;
  const data = dataLines(event).join('\n');
  if (data === '') return undefined;
  return CALLED_ERROR.test(event) && !hasError(data) ? `{"error":${asJson(data)}}` : data;
}

/** Looks for them alone: an event of 32 MB may have 16 million other lines. */
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

/** Where the first line of data begins at or behind a line feed; -1: there is none. */
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
      : event.indexOf('\n') === at - 1 && !event.startsWith('event: error') && !event.startsWith('event:error');
  return isOne && !event.includes('\n', at) ? event.slice(at + 6) : undefined;
}

function asJson(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data));
  } catch {
    return JSON.stringify(data);
  }
}

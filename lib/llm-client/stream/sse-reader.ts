import { StringDecoder } from 'node:string_decoder';
import { hasError } from '../providers/openai/errors.js';

const END = /\r?\n\r?\n/;
/** The end of an event without its last character. */
const LONGEST_EDGE = 3;
const CALLED_ERROR = /^event: ?error\r?$/m;
const BYTE_ORDER_MARK = '\uFEFF';
const NONE: string[] = [];

/** Reads the `data` of server-sent events. That of an `error` event becomes `{"error":…}`. */
export class EventReader {
  private readonly decoder = new StringDecoder('utf8');
  /** The unfinished event: one event may arrive in thousands of pieces. */
  private pieces: string[] = [];
  private hasBegun = false;
  /** Characters of the unfinished event. */
  pending = 0;
  /** The last characters of the pieces: a chunk may cut the end of an event. */
  private edge = '';

  /** Returns the data of the events that `chunk` completes. */
  read(chunk: Buffer): string[] {
    const piece = this.decode(chunk);
    const seen = this.edge + piece;
    this.pieces.push(piece);
    this.pending += piece.length;
    if (!END.test(seen)) {
      this.edge = seen.slice(-LONGEST_EDGE);
      return NONE;
    }
    const events = this.pieces.join('').split(END);
    const rest = events.pop() as string;
    this.pieces = [rest];
    this.pending = rest.length;
    this.edge = rest.slice(-LONGEST_EDGE);
    return events.map(dataOf).filter((data) => data !== undefined);
  }

  private decode(chunk: Buffer): string {
    const piece = this.decoder.write(chunk);
    if (this.hasBegun || piece === '') return piece;
    this.hasBegun = true;
    return piece.startsWith(BYTE_ORDER_MARK) ? piece.slice(1) : piece;
  }
}

/** The `data` of one event; `undefined` for an event without data, which the standard ignores. */
export function dataOf(event: string): string | undefined {
  const only = onlyData(event);
  if (only !== undefined) return only;
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  const data = lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
  if (data === '') return undefined;
  return CALLED_ERROR.test(event) && !hasError(data) ? `{"error":${asJson(data)}}` : data;
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

import { StringDecoder } from 'node:string_decoder';

const END = /\r?\n\r?\n/;
/** An end without its last character. */
const LONGEST_EDGE = 3;
const NONE: string[] = [];

/** Reads server-sent events: the `data` of each, as it was written. */
export class EventReader {
  private readonly decoder = new StringDecoder('utf8');
  /** What has no end yet: one event may come in thousands of pieces. */
  private pieces: string[] = [];
  /** The last characters of those: an end may be cut. */
  private edge = '';

  /** The events that `chunk` completes. */
  read(chunk: Buffer): string[] {
    const piece = this.decoder.write(chunk);
    const seen = this.edge + piece;
    this.pieces.push(piece);
    if (!END.test(seen)) {
      this.edge = seen.slice(-LONGEST_EDGE);
      return NONE;
    }
    const events = this.pieces.join('').split(END);
    const rest = events.pop() as string;
    this.pieces = [rest];
    this.edge = rest.slice(-LONGEST_EDGE);
    return events.map(dataOf).filter((data) => data !== undefined);
  }
}

function dataOf(event: string): string | undefined {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, '')).join('\n');
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NONE = Buffer.alloc(0);

/** How the lines begin that stand only in the event that ends a stream. */
export type EndLines = readonly Buffer[];

/** The lines of named events: the name itself, or data with the type as its first field. */
export function endLinesOf(...types: readonly string[]): EndLines {
  return types.flatMap((type) =>
    [`event: ${type}`, `event:${type}`, `data: {"type":"${type}"`, `data: {"type": "${type}"`].map((line) => Buffer.from(line)),
  );
}

/** Counts the events of a passing stream and finds the one that ends it, at any cut. */
export class EventScan {
  events = 0;
  /** Bytes of the unfinished event. */
  unended = 0;
  /** Whether the event that ends the stream is complete. */
  isOver = false;
  private readonly longest: number;
  private readonly shortest: number;
  /** Of the unfinished line: its bytes so far, and as many of the first ones as an end line has. */
  private lineBytes = 0;
  private lineHead: Buffer = NONE;
  private hasLines = false;
  private isEnding = false;

  constructor(private readonly ends: EndLines = []) {
    this.longest = ends.reduce((longest, { length }) => Math.max(longest, length), 1);
    this.shortest = ends.reduce((shortest, { length }) => Math.min(shortest, length), Infinity);
  }

  /** Returns how many bytes of `chunk` belong to the stream. */
  scan(chunk: Buffer): number {
    const { length } = chunk;
    for (let at = 0; at < length;) {
      const end = chunk[at] === LINE_FEED ? at : chunk.indexOf(LINE_FEED, at);
      const next = end < 0 ? length : end + 1;
      this.unended += next - at;
      if (this.lineBytes > 0) this.continueLine(chunk, at, next);
      else if (!this.isEnding && next - at > this.shortest) this.isEnding = this.beginsEnd(chunk, at);
      if (end < 0) {
        if (this.lineBytes === 0) this.lineHead = Buffer.from(chunk.subarray(at, at + this.longest));
        this.lineBytes += next - at;
        break;
      }
      const isBlank =
        this.lineBytes === 0 ? isEmpty(chunk, at, end) : this.lineBytes + end - at === 1 && this.lineHead[0] === CARRIAGE_RETURN;
      this.lineBytes = 0;
      at = next;
      if (isBlank && this.endEvent()) return at;
      if (!isBlank) this.hasLines = true;
    }
    return length;
  }

  private continueLine(chunk: Buffer, at: number, next: number): void {
    if (this.isEnding || this.lineHead.length >= this.longest) return;
    const more = chunk.subarray(at, Math.min(next, at + this.longest - this.lineHead.length));
    this.lineHead = Buffer.concat([this.lineHead, more]);
    this.isEnding = this.beginsEnd(this.lineHead, 0);
  }

  /** `true`: and with it the stream. */
  private endEvent(): boolean {
    if (this.hasLines) this.events++;
    this.hasLines = false;
    this.unended = 0;
    this.isOver = this.isEnding;
    return this.isOver;
  }

  private beginsEnd(bytes: Buffer, at: number): boolean {
    for (const line of this.ends) {
      const last = line.length - 1;
      // Almost always decided by one byte.
      if (bytes[at + last] === line[last] && bytes.compare(line, 0, line.length, at, at + line.length) === 0) return true;
    }
    return false;
  }
}

function isEmpty(bytes: Buffer, at: number, end: number): boolean {
  return end === at || (end === at + 1 && bytes[at] === CARRIAGE_RETURN);
}

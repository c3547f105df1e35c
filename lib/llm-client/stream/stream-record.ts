import { countEvents, edgeOf } from './usage-filter.js';

/** So much is kept of a stream's end: the events with the usage and the last one, in however many pieces they come. */
const TAIL_BYTES = 8 * 1024;
const NONE = Buffer.alloc(0);

/** What is remembered of a stream that passes by: its end and the number of its events, wherever its pieces end. */
export class StreamRecord {
  events = 0;
  /** Bytes of the event that has not ended, those of the piece in which the one before it ended aside. */
  unended = 0;
  private edge: Buffer = NONE;
  private readonly latest: Buffer[] = [];
  private latestBytes = 0;

  add(chunk: Buffer): void {
    const bytes = this.edge.length === 0 ? chunk : Buffer.concat([this.edge, chunk]);
    const count = countEvents(bytes);
    this.events += count;
    this.unended = count > 0 ? 0 : this.unended + chunk.length;
    this.edge = edgeOf(bytes);
    const { latest } = this;
    latest.push(chunk);
    this.latestBytes += chunk.length;
    while (this.latestBytes - latest[0].length >= TAIL_BYTES) this.latestBytes -= (latest.shift() as Buffer).length;
  }

  /** Its last bytes. */
  tail(): Buffer {
    return Buffer.concat(this.latest);
  }
}

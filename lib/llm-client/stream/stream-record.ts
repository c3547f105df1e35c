import { countEvents, edgeOf } from './event-filter.js';

/** Bytes kept of a stream's end: enough for the usage and the last event. */
const TAIL_BYTES = 16 * 1024;
/** Bytes kept of its beginning: Anthropic states there what the prompt used. */
const HEAD_BYTES = 8 * 1024;
const NONE = Buffer.alloc(0);

/** Records the ends of a passing stream and the number of its events, wherever chunks cut them. */
export class StreamRecord {
  events = 0;
  /** Bytes of the unfinished event, without those of the chunk that ended the event before it. */
  unended = 0;
  private edge: Buffer = NONE;
  private readonly latest: Buffer[] = [];
  private latestBytes = 0;
  private readonly first: Buffer[] = [];
  private firstBytes = 0;

  add(chunk: Buffer): void {
    const bytes = this.edge.length === 0 ? chunk : Buffer.concat([this.edge, chunk]);
    const count = countEvents(bytes);
    this.events += count;
    this.unended = count > 0 ? 0 : this.unended + chunk.length;
    this.edge = edgeOf(bytes);
    if (this.firstBytes < HEAD_BYTES) {
      this.first.push(chunk);
      this.firstBytes += chunk.length;
    }
    const { latest } = this;
    latest.push(chunk);
    this.latestBytes += chunk.length;
    while (this.latestBytes - latest[0].length >= TAIL_BYTES) this.latestBytes -= (latest.shift() as Buffer).length;
  }

  /** The first bytes of the stream. */
  head(): Buffer {
    return Buffer.concat(this.first).subarray(0, HEAD_BYTES);
  }

  /** The last bytes of the stream. */
  tail(): Buffer {
    return Buffer.concat(this.latest);
  }
}

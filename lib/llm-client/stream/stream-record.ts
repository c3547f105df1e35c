import { EventScan, type EndLines } from './event-scan.js';

/** Bytes kept of a stream's end: enough for the usage and the last event. */
const TAIL_BYTES = 16 * 1024;
/** Bytes kept of its beginning, where a protocol states there what the prompt used. */
const HEAD_BYTES = 8 * 1024;
/** Small chunks are joined: each costs some hundred bytes beside its own. */
const MOST_CHUNKS = 32;

/** What a stream is recorded for. */
export interface RecordedStream {
  readonly ends?: EndLines;
  /** Default: the head is kept. */
  readonly hasHead?: boolean;
}

/** Records the ends of a passing stream and the number of its events, wherever chunks cut them. */
export class StreamRecord {
  private readonly scan: EventScan;
  private readonly latest: Buffer[] = [];
  private latestBytes = 0;
  private readonly first: Buffer[] = [];
  /** Bytes that are still to be kept. */
  private missing: number;

  constructor({ ends, hasHead = true }: RecordedStream = {}) {
    this.scan = new EventScan(ends);
    this.missing = hasHead ? HEAD_BYTES : 0;
  }

  get events(): number {
    return this.scan.events;
  }

  /** Bytes of the unfinished event. */
  get unended(): number {
    return this.scan.unended;
  }

  /** Whether the event that ends the stream has passed. */
  get isOver(): boolean {
    return this.scan.isOver;
  }

  /** Returns the part of `chunk` that belongs to the stream. */
  add(received: Buffer): Buffer {
    const length = this.scan.scan(received);
    const chunk = length === received.length ? received : received.subarray(0, length);
    if (this.missing > 0) {
      this.first.push(Buffer.from(chunk.subarray(0, this.missing)));
      this.missing -= chunk.length;
    }
    const { latest } = this;
    latest.push(chunk);
    this.latestBytes += chunk.length;
    while (this.latestBytes - latest[0].length >= TAIL_BYTES) this.latestBytes -= (latest.shift() as Buffer).length;
    if (latest.length >= MOST_CHUNKS) this.join();
    return chunk;
  }

  /** The first bytes of the stream. */
  head(): Buffer {
    return Buffer.concat(this.first);
  }

  /** The last bytes of the stream. */
  tail(): Buffer {
    return Buffer.concat(this.latest);
  }

  private join(): void {
    const all = Buffer.concat(this.latest);
    this.latest.splice(0, this.latest.length, Buffer.from(all.subarray(-TAIL_BYTES)));
    this.latestBytes = Math.min(all.length, TAIL_BYTES);
  }
}

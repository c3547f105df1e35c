import { mergedUsage, type AnswerUsage, type StatedUsage } from '../../http/answer-usage.js';
import type { AnswerReader } from '../../providers/protocol.js';
import { AnswerText, endOfLastLine, type CountText } from './answer-text.js';

/**
 * Bytes kept of a stream's end: the last two events, where the usage is. Few, because V8 counts
 * them: those of hundreds of streams would hasten its collections.
 */
const LEAST_TAIL = 2 * 1024;
const LONGEST_TAIL = 16 * 1024;
/** Bytes kept from the beginning, if a protocol reports the prompt's usage there. */
const HEAD_BYTES = 8 * 1024;
/** Beyond them, before the tail is moved to the front of its buffer. */
const TAIL_ROOM = 2 * 1024;
const SMALLEST_BUFFER = 1024;
const NONE = Buffer.alloc(0);

/** Parts of a stream that are kept. */
export interface RecordedStream {
  /** Default: the head is kept. */
  readonly hasHead?: boolean;
  /** Counts the text of the stream. Absent: the text is not needed. */
  readonly count?: CountText;
}

/**
 * Keeps the end of a stream while it is forwarded, and its beginning: providers report the usage
 * there. Counts its text in case they report none.
 */
export class StreamTail {
  /** Copied, because a chunk of some bytes would keep the memory of a whole read. */
  private last: Buffer = NONE;
  private lastBytes = 0;
  private tailBytes = LEAST_TAIL;
  private isLastOwn = false;
  /** Bytes that came after those in `last` and are not kept. */
  private passedBytes = 0;
  /** Length of `last` whose text has been read. */
  private readBytes = 0;
  private readonly written: AnswerText | undefined;
  private readonly first: Buffer[] = [];
  /** Bytes that are still to be kept. */
  private missing: number;

  constructor({ hasHead = true, count }: RecordedStream = {}) {
    this.written = count && new AnswerText(count);
    this.missing = hasHead ? HEAD_BYTES : 0;
  }

  /** Adds events that arrived together. */
  add(events: Buffer): void {
    const { length } = events;
    this.passedBytes = 0;
    // No event is longer.
    if (this.tailBytes < 2 * length) this.tailBytes = Math.min(LONGEST_TAIL, 2 * length);
    if (this.missing > 0) {
      this.first.push(Buffer.from(events.subarray(0, this.missing)));
      this.missing -= length;
    }
    if (length >= LONGEST_TAIL) {
      this.readText(this.lastBytes);
      this.readBytes = 0;
      this.last = events;
      this.isLastOwn = false;
      this.lastBytes = length;
      return;
    }
    if (this.lastBytes + length > this.last.length) this.makeRoom(length);
    this.last.set(events, this.lastBytes);
    this.lastBytes += length;
  }

  /** Adds events of which only the text is to be kept: `length` bytes that are not in the tail. */
  addText(text: string, length: number): void {
    this.missing -= length;
    if (this.lastBytes > 0) {
      this.readText(this.lastBytes);
      this.passedBytes += length;
      if (this.passedBytes >= this.tailBytes) this.dropTail();
    }
    this.written?.addText(text);
  }

  /** The usage that the stream has reported so far. */
  usage(reader: AnswerReader): AnswerUsage | undefined {
    const usage: StatedUsage | undefined = reader.usageIn(this.tail(), this.head());
    return usage?.missing === undefined ? usage : (mergedUsage(this.text()?.usages) ?? usage);
  }

  /** The text so far, including text that is still in the tail. */
  text(): AnswerText | undefined {
    this.readText(this.lastBytes);
    return this.written;
  }

  /** The first bytes of the stream. */
  head(): Buffer {
    return Buffer.concat(this.first);
  }

  /** The last bytes of the stream. */
  tail(): Buffer {
    return this.last.subarray(0, this.lastBytes);
  }

  /** Reads the text that has arrived up to `end` in `last`. */
  private readText(end: number): void {
    if (this.written === undefined || end <= this.readBytes) return;
    this.written.add(this.last.toString('utf8', this.readBytes, end));
    this.readBytes = end;
  }

  private dropTail(): void {
    if (!this.isLastOwn) this.last = NONE;
    this.lastBytes = this.readBytes = this.passedBytes = 0;
  }

  private makeRoom(length: number): void {
    const { tailBytes } = this;
    const dropped = Math.min(Math.max(0, this.lastBytes + length - tailBytes), this.lastBytes);
    if (dropped > this.readBytes) this.readText(endOfLastLine(this.tail(), dropped));
    this.readBytes = Math.max(0, this.readBytes - dropped);
    const kept = this.last.subarray(dropped, this.lastBytes);
    const most = tailBytes + TAIL_ROOM;
    if (!this.isLastOwn || this.last.length < most) {
      this.last = Buffer.allocUnsafeSlow(Math.min(most, Math.max(SMALLEST_BUFFER, 2 * (kept.length + length))));
      this.isLastOwn = true;
    }
    this.last.set(kept);
    this.lastBytes = kept.length;
  }
}

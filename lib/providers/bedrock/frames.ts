import { BufferList } from '../../common/buffer-list.js';
import { crc32 } from './crc32.js';

/**
 * One message of AWS's event stream; numbers are big-endian, the last one is the CRC of all before:
 * `u32 length | u32 length of headers | u32 CRC of these 8 | headers | payload | u32 CRC`.
 */
export interface Frame {
  /** The headers that are strings: `:message-type`, `:event-type`, `:exception-type`. */
  readonly headers: ReadonlyMap<string, string>;
  readonly payload: Buffer;
}

const PRELUDE = 12;
const CRC = 4;
/** The format's own limits. */
const LONGEST_FRAME = 24 * 1024 * 1024;
const LONGEST_HEADERS = 128 * 1024;
const STRING = 7;
const BYTES = 6;
/** Bytes of the other types of headers: true, false, u8, u16, u32, u64, …, time, UUID. */
const SIZES: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };
const NONE: readonly Frame[] = [];

/** Reads frames, wherever chunks cut them. */
export class FrameReader {
  private readonly pieces = new BufferList();
  /** Bytes that are needed to go on. */
  private needed = PRELUDE;

  /** Bytes of the unfinished frame. */
  get pending(): number {
    return this.pieces.length;
  }

  /** The frames that `chunk` completes. @throws Error for lengths or checksums that are wrong */
  read(chunk: Buffer): readonly Frame[] {
    this.pieces.push(chunk);
    if (this.pending < this.needed) return NONE;
    const bytes = this.pieces.take();
    const frames: Frame[] = [];
    let at = 0;
    this.needed = PRELUDE;
    while (bytes.length - at >= PRELUDE) {
      const length = frameLength(bytes, at);
      this.needed = length;
      if (bytes.length - at < length) break;
      frames.push(frameIn(bytes.subarray(at, at + length)));
      at += length;
      this.needed = PRELUDE;
    }
    if (at < bytes.length) this.pieces.push(bytes.subarray(at));
    return frames;
  }
}

/** The length of the frame at `at`; its prelude is checked before anything waits for the rest. */
function frameLength(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  const headers = bytes.readUInt32BE(at + 4);
  if (crc32(bytes.subarray(at, at + 8)) !== bytes.readUInt32BE(at + 8)) throw new Error('the checksum of a prelude is wrong');
  if (length > LONGEST_FRAME || headers > LONGEST_HEADERS || length < PRELUDE + headers + CRC) throw new Error('a length is wrong');
  return length;
}

function frameIn(bytes: Buffer): Frame {
  const end = bytes.length - CRC;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) throw new Error('the checksum of a message is wrong');
  const payload = PRELUDE + bytes.readUInt32BE(4);
  return { headers: headersIn(bytes.subarray(PRELUDE, payload)), payload: bytes.subarray(payload, end) };
}

/** @throws RangeError for lengths that lead out of the headers */
function headersIn(bytes: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const name = bytes.readUInt8(at);
    const type = bytes.readUInt8(at + 1 + name);
    let value = at + 2 + name;
    const isLong = type === STRING || type === BYTES;
    const size = isLong ? bytes.readUInt16BE(value) : SIZES[type];
    if (isLong) value += 2;
    // `undefined` for an unknown type, whose length is unknown, too.
    if (!(value + size <= bytes.length)) throw new RangeError('a header is wrong');
    if (type === STRING) headers.set(bytes.toString('utf8', at + 1, at + 1 + name), bytes.toString('utf8', value, value + size));
    at = value + size;
  }
  return headers;
}

import { crc32 } from 'node:zlib';
import { BufferList } from '../../common/buffer-list.js';
import { loadOptionalPackage } from '../../common/optional-package.js';

/** One message of an AWS event stream. */
export interface Frame {
  /** `:message-type`, `:event-type`, `:exception-type` and others, as strings. */
  readonly headers: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>;
  readonly body: Uint8Array;
}

/** The part of `@smithy/eventstream-codec` that is used. */
interface EventStreamCodec {
  decode(message: Uint8Array): Frame;
}
interface CodecPackage {
  readonly EventStreamCodec: new (toUtf8: (bytes: Uint8Array) => string, fromUtf8: (text: string) => Uint8Array) => EventStreamCodec;
}

/** `u32 length | u32 length of headers | u32 CRC of these 8`, big-endian. */
const PRELUDE = 12;
const CRC = 4;
/** Limits of the format, which the codec does not check. */
const LONGEST_FRAME = 24 * 1024 * 1024;
const LONGEST_HEADERS = 128 * 1024;
const NONE: readonly Frame[] = [];

let codec: EventStreamCodec | undefined;

/** The decoder of frames, loaded on first use. @throws MissingPackageError */
export function eventStreamCodec(): EventStreamCodec {
  if (codec !== undefined) return codec;
  const { EventStreamCodec } = loadOptionalPackage(
    '@smithy/eventstream-codec',
    'streaming from Amazon Bedrock',
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer
    () => require('@smithy/eventstream-codec') as CodecPackage,
  );
  return (codec = new EventStreamCodec(
    (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
    (text) => Buffer.from(text),
  ));
}

/** Cuts a stream of bytes into frames, even if chunks split them. */
export class FrameReader {
  private readonly pieces = new BufferList();
  /** Bytes required before the next frame can be read. */
  private needed = PRELUDE;

  /** Bytes of the unfinished frame. */
  get pending(): number {
    return this.pieces.length;
  }

  /** Returns the frames that `chunk` completes. @throws Error for a wrong length or checksum */
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
      // The codec can read past the end of the headers; in a copy, it finds no foreign memory.
      frames.push(eventStreamCodec().decode(new Uint8Array(bytes.subarray(at, at + length))));
      at += length;
      this.needed = PRELUDE;
    }
    if (at < bytes.length) this.pieces.push(bytes.subarray(at));
    return frames;
  }
}

/** Checks the prelude at `at` before anything waits for the rest of its frame. */
function frameLength(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  const headers = bytes.readUInt32BE(at + 4);
  if (crc32(bytes.subarray(at, at + 8)) !== bytes.readUInt32BE(at + 8)) throw new Error('the prelude checksum is wrong');
  if (length > LONGEST_FRAME || headers > LONGEST_HEADERS || length < PRELUDE + headers + CRC)
    throw new Error('the frame length is invalid');
  return length;
}

import { EventStreamCodec } from '@smithy/eventstream-codec';
import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { FrameReader, type Frame } from './frames.js';

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);
type Headers = Parameters<EventStreamCodec['encode']>[0]['headers'];
const frame = (payload: string | Buffer = '{}', headers: Headers = {}): Buffer =>
  Buffer.from(codec.encode({ headers, body: Buffer.from(payload) }));
const event: Headers = { ':message-type': { type: 'string', value: 'event' }, ':event-type': { type: 'string', value: 'messageStart' } };

/** The frames of a stream, cut at these places. */
function read(bytes: Buffer, cuts: readonly number[] = []): Frame[] {
  const reader = new FrameReader();
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return places.slice(1).flatMap((end, at) => reader.read(bytes.subarray(places[at], end)));
}
const plain = (frames: readonly Frame[]): unknown =>
  frames.map(({ headers, body }) => [Object.entries(headers), Buffer.from(body).toString('latin1')]);
/** A frame with right checksums around whatever is in it. */
function signed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
  if (bytes.length >= 16) bytes.writeUInt32BE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
}
function prelude(length: number, headers: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(headers, 4);
  return signed(bytes);
}

describe('FrameReader', () => {
  it('reads the output of the vendor’s encoder, with headers of every type', () => {
    const all: Headers = {
      ...event,
      yes: { type: 'boolean', value: true },
      no: { type: 'boolean', value: false },
      byte: { type: 'byte', value: -3 },
      short: { type: 'short', value: 300 },
      int: { type: 'integer', value: 70_000 },
      bytes: { type: 'binary', value: Buffer.from([1, 2, 3]) },
      time: { type: 'timestamp', value: new Date(0) },
      id: { type: 'uuid', value: '12345678-1234-1234-1234-123456789012' },
      ':last': { type: 'string', value: 'größe' },
    };
    const [{ headers, body }] = read(frame('{"role":"assistant"}', all));
    expect(headers).toMatchObject({ ...event, ':last': { type: 'string', value: 'größe' } });
    expect(Object.keys(headers)).toEqual(Object.keys(all));
    expect(Buffer.from(body).toString()).toBe('{"role":"assistant"}');
  });

  it('reads the same frames wherever chunks cut the stream', () => {
    const part = fc.tuple(
      fc.uint8Array({ maxLength: 300 }),
      fc.dictionary(fc.stringMatching(/^[a-z:-]{1,20}$/), fc.string({ maxLength: 40 })),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), fc.array(fc.nat(2000), { maxLength: 30 }), (parts, cuts) => {
        const frames = parts.map(([payload, headers]) =>
          frame(
            Buffer.from(payload),
            Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }])),
          ),
        );
        const bytes = Buffer.concat(frames);
        const whole = read(bytes);
        expect(whole.map(({ body }) => Buffer.from(body))).toEqual(parts.map(([payload]) => Buffer.from(payload)));
        const within = cuts.filter((cut) => cut < bytes.length);
        expect(plain(read(bytes, within))).toEqual(plain(whole));
      }),
    );
  });

  it('reads one byte at a time and counts the waiting bytes', () => {
    const bytes = Buffer.concat([frame('{"a":1}', event), frame('{"b":2}')]);
    const reader = new FrameReader();
    const frames = [...bytes.subarray(0, -1)].flatMap((byte) => reader.read(Buffer.of(byte)));
    expect([frames.length, reader.pending]).toEqual([1, frame('{"b":2}').length - 1]);
    expect(reader.read(bytes.subarray(-1))).toHaveLength(1);
    expect(reader.pending).toBe(0);
  });

  it('refuses a frame with any changed byte', () => {
    const bytes = frame('{"text":"Hello"}', event);
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken[at] ^= 0x41;
      expect(() => read(broken)).toThrow(/checksum/);
    }
  });

  it.each<[string, Buffer]>([
    ['more than the format allows', prelude(0xffffffff, 0)],
    ['headers that are longer than the frame', prelude(100, 90)],
    ['headers beyond the limit', prelude(1024 * 1024, 200 * 1024)],
    ['less than an empty frame', prelude(15, 0)],
    ['nothing', prelude(0, 0)],
  ])('refuses a prelude that states %s, before anything else arrives', (_, bytes) => {
    expect(() => read(bytes)).toThrow('the frame length is invalid');
  });

  it.each<[string, Buffer]>([
    ['a name that is longer than the headers', Buffer.from([200, 97, 7])],
    ['a value that is longer than the headers', Buffer.from([1, 97, 7, 255, 255, 98])],
    ['an unknown type', Buffer.from([1, 97, 10, 0, 0])],
    ['half a header', Buffer.from([1, 97])],
    ['half a length', Buffer.from([1, 97, 7, 0])],
  ])('refuses headers with %s', (_, headers) => {
    const bytes = Buffer.concat([prelude(16 + headers.length, headers.length), headers, Buffer.alloc(4)]);
    expect(() => read(signed(bytes))).toThrow(/bounds|Invalid typed array length|Unrecognized header type/);
  });

  it('reads no memory outside of the frame, whatever lengths its headers state', () => {
    // `:error-message` of 65,535 bytes in a header block of 20.
    const name = Buffer.from(':error-message');
    const headers = Buffer.concat([Buffer.from([name.length]), name, Buffer.from([7, 255, 255])]);
    const bytes = signed(Buffer.concat([prelude(16 + headers.length, headers.length), headers, Buffer.alloc(4)]));
    const neighbours = Buffer.concat([bytes, Buffer.alloc(100_000, 'secret')]).subarray(0, bytes.length);
    expect(() => read(neighbours)).toThrow(RangeError);
  });

  it('keeps no more of an endless frame than has arrived', () => {
    const reader = new FrameReader();
    reader.read(prelude(20 * 1024 * 1024, 0));
    const piece = Buffer.alloc(64 * 1024);
    for (let sent = 0; sent < 50; sent++) expect(reader.read(piece)).toEqual([]);
    expect(reader.pending).toBe(12 + 50 * piece.length);
  });
});

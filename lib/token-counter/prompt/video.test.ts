import { videoSeconds } from './video.js';

const box = (type: string, content: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.length, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, content]);
};
const movieHeader = (seconds: number, isLong = false): Buffer => {
  const content = Buffer.alloc(isLong ? 112 : 100);
  content[0] = isLong ? 1 : 0;
  content.writeUInt32BE(600, isLong ? 20 : 12);
  if (isLong) content.writeBigUInt64BE(BigInt(seconds * 600), 24);
  else content.writeUInt32BE(seconds * 600, 16);
  return box('mvhd', content);
};
const mp4 = (...boxes: Buffer[]): string => Buffer.concat([box('ftyp', Buffer.from('isomiso2')), ...boxes]).toString('base64');
const frames = (bytes: number): Buffer => box('mdat', Buffer.alloc(bytes));

describe('videoSeconds', () => {
  it.each([
    ['at its start', mp4(box('moov', movieHeader(10)), frames(100_000))],
    ['at its end', mp4(frames(100_001), box('moov', movieHeader(10)))],
    ['in 64 bits', mp4(box('moov', movieHeader(10, true)), frames(100_002))],
  ])('reads the duration of an MP4 file %s', (_, data) => expect(videoSeconds(data)).toBe(10));

  it.each([
    [29, 10],
    [30, 0],
  ])('looks for the duration in 32 boxes: of %i before it, %i s', (others, seconds) => {
    const small = Array.from({ length: others }, () => box('free', Buffer.alloc(1)));
    expect(Math.floor(videoSeconds(mp4(...small, box('moov', movieHeader(10)))))).toBe(seconds);
  });

  it('assumes 500 kbit/s for a file of another format', () => {
    expect(videoSeconds(Buffer.alloc(624_999).toString('base64'))).toBeCloseTo(10, 4);
    expect(videoSeconds(mp4(frames(625_000)))).toBeGreaterThanOrEqual(10);
    expect(videoSeconds('')).toBe(0);
  });

  it('ignores a duration that is too short for the size of the file', () => {
    expect(videoSeconds(mp4(box('moov', movieHeader(0)), frames(10_000_000)))).toBeGreaterThanOrEqual(10);
  });

  it.each([
    ['a file with a box of length 0', mp4(Buffer.alloc(64))],
    ['a file with a truncated header', mp4(box('moov', movieHeader(10))).slice(0, 60)],
  ])('estimates the duration of %s by its size', (_, data) => expect(videoSeconds(data)).toBeLessThan(0.01));
});

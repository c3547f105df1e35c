import { imageDimensions } from './image-dimensions.js';
import { imageTokens, MAX_ANTHROPIC_IMAGE_TOKENS, UNKNOWN_OPENAI_IMAGE_TOKENS } from './images.js';

const dataUrl = (bytes: Buffer, type = 'image/png'): string => `data:${type};base64,${bytes.toString('base64')}`;

function png(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(33);
  bytes.write('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR', 'latin1');
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
}

function gif(width: number, height: number): Buffer {
  const bytes = Buffer.from('GIF89a\0\0\0\0\0\0\0', 'latin1');
  bytes.writeUInt16LE(width, 6);
  bytes.writeUInt16LE(height, 8);
  return bytes;
}

function segment(marker: number, body: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

function jpeg(width: number, height: number, frame = 0xc0, before: Buffer[] = []): Buffer {
  const body = Buffer.from([8, 0, 0, 0, 0, 3]);
  body.writeUInt16BE(height, 1);
  body.writeUInt16BE(width, 3);
  return Buffer.concat([Buffer.from([0xff, 0xd8]), segment(0xe0, Buffer.alloc(14)), ...before, segment(frame, body)]);
}

function webp(kind: string, body: number[]): Buffer {
  return Buffer.concat([Buffer.from(`RIFF\0\0\0\0WEBPVP8${kind}\0\0\0\0`, 'latin1'), Buffer.from(body)]);
}

const lossy = webp(' ', [0, 0, 0, 0x9d, 0x01, 0x2a, 0x20, 0x03, 0x58, 0x02]);
const lossless = webp('L', [0x2f, 0x1f, 0xc3, 0x95, 0x00]);
const extended = webp('X', [0, 0, 0, 0, 0x1f, 0x03, 0x00, 0x57, 0x02, 0x00]);

describe('imageDimensions', () => {
  it.each([
    ['PNG', png(800, 600)],
    ['GIF', gif(800, 600)],
    ['baseline JPEG', jpeg(800, 600)],
    ['progressive JPEG', jpeg(800, 600, 0xc2)],
    ['arithmetic JPEG', jpeg(800, 600, 0xc9)],
    [
      'JPEG after Huffman tables, fill bytes and 250 KB of profile',
      jpeg(800, 600, 0xc0, [
        segment(0xc4, Buffer.alloc(40)),
        Buffer.from([0xff, 0xff]),
        ...Array(4).fill(segment(0xe2, Buffer.alloc(65_000))),
      ]),
    ],
    ['lossy WebP', lossy],
    ['lossless WebP', lossless],
    ['extended WebP', extended],
  ])('reads the dimensions of a %s', (_name, bytes) => {
    expect(imageDimensions(dataUrl(bytes))).toEqual({ width: 800, height: 600 });
    expect(imageDimensions(bytes.toString('base64'))).toEqual({ width: 800, height: 600 });
    // Pixels after the header make no difference.
    expect(imageDimensions(dataUrl(Buffer.concat([bytes, Buffer.alloc(2_000_000, 0xff)])))).toEqual({ width: 800, height: 600 });
  });

  it.each([png(800, 600), gif(800, 600), jpeg(800, 600), lossy, lossless, extended])(
    'returns null for every truncated header: %#',
    (bytes) => {
      const needed = [...bytes].findIndex((_, length) => imageDimensions(dataUrl(bytes.subarray(0, length))) !== null);
      for (let length = 0; length < bytes.length; length++) {
        const size = imageDimensions(dataUrl(bytes.subarray(0, length)));
        expect(size).toEqual(needed !== -1 && length >= needed ? { width: 800, height: 600 } : null);
      }
    },
  );

  it.each([
    ['a remote URL', 'https://example.com/cat.png'],
    ['a file id', 'gs://bucket/cat'],
    ['an empty string', ''],
    ['invalid base64', 'data:image/png;base64,!!!!'],
    ['a data URL that is not base64', 'data:image/svg+xml,<svg/>'],
    ['another format', dataUrl(Buffer.from('BM' + 'x'.repeat(60)))],
    ['a width of 0', dataUrl(png(0, 600))],
    ['0 x 0', dataUrl(gif(0, 0))],
    ['a JPEG without a frame', dataUrl(Buffer.concat([Buffer.from([0xff, 0xd8]), segment(0xe0, Buffer.alloc(14)), Buffer.from([0, 0])]))],
  ])('returns null for %s', (_name, source) => expect(imageDimensions(source)).toBeNull());

  it('reads only a bounded head of hostile data', () => {
    const size = 8_000_000;
    const attacks = [
      Buffer.alloc(size, 0xff),
      Buffer.alloc(size),
      Buffer.from('ffd0'.repeat(size / 4), 'hex'),
      Buffer.from('ffe00002'.repeat(size / 4), 'hex'),
    ];
    for (const attack of attacks) {
      attack.set([0xff, 0xd8, 0xff]);
      expect(imageDimensions(dataUrl(attack))).toBeNull();
    }
    expect(imageDimensions(`data:${'a'.repeat(size)}`)).toBeNull();

    const jpegAfter = (padding: number): Buffer => {
      const whole = jpeg(800, 600);
      const comments = Array.from({ length: padding / 60_000 }, () => segment(0xfe, Buffer.alloc(60_000)));
      return Buffer.concat([whole.subarray(0, 2), ...comments, whole.subarray(2)]);
    };
    expect(imageDimensions(dataUrl(jpegAfter(300_000)))).toEqual({ width: 800, height: 600 });
    expect(imageDimensions(dataUrl(jpegAfter(600_000)))).toBeNull();
  });
});

describe('imageTokens', () => {
  // OpenAI's own examples, then the limits of its two scaling steps.
  it.each([
    [1024, 1024, 765],
    [2048, 4096, 1105],
    [512, 512, 255],
    [513, 512, 425],
    [1, 1, 255],
    [4096, 1, 85 + 170 * 4],
    [4_294_967_295, 4_294_967_295, 765],
    [4_294_967_295, 1, 85 + 170 * 4],
    [768, 1536, 85 + 170 * 6],
    [3000, 3000, 765],
  ])('counts %i x %i at high detail as %i', (width, height, tokens) => {
    expect(imageTokens('openai', dataUrl(png(width, height)), 'high')).toEqual({ tokens, assumed: false });
    expect(imageTokens('openai', dataUrl(png(height, width)))).toEqual({ tokens, assumed: false });
  });

  it('counts low detail as 85 tokens for an image of any size', () => {
    expect(imageTokens('openai', dataUrl(png(4096, 8192)), 'low')).toEqual({ tokens: 85, assumed: false });
    expect(imageTokens('openai', 'https://example.com/cat.png', 'low')).toEqual({ tokens: 85, assumed: false });
  });

  // The sizes in Anthropic's documentation.
  it.each([
    [200, 200, 54],
    [1000, 1000, 1334],
    [1092, 1092, 1590],
    [1, 1, 1],
    [5000, 5000, MAX_ANTHROPIC_IMAGE_TOKENS],
    [3136, 100, Math.ceil((1568 * 50) / 750)],
  ])('counts %i x %i for Anthropic as %i', (width, height, tokens) => {
    expect(imageTokens('anthropic', png(width, height).toString('base64'))).toEqual({ tokens, assumed: false });
  });

  it('assumes the most expensive image if its size is unknown, and sets assumed', () => {
    expect(imageTokens('openai', 'https://example.com/cat.png')).toEqual({ tokens: UNKNOWN_OPENAI_IMAGE_TOKENS, assumed: true });
    expect(imageTokens('openai', undefined, 'high')).toEqual({ tokens: UNKNOWN_OPENAI_IMAGE_TOKENS, assumed: true });
    expect(imageTokens('anthropic', 'https://example.com/cat.png', 'low')).toEqual({ tokens: MAX_ANTHROPIC_IMAGE_TOKENS, assumed: true });
  });
});

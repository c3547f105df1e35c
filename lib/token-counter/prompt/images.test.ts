import { imageDimensions } from './image-dimensions.js';
import { ASSUMED_RULE, imageRuleOf, type ImageDetail } from './image-rules.js';
import { imageTokens } from './media.js';

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

  it('does not search a JPEG with thousands of fill bytes or segments for its size', () => {
    const filled = (bytes: number): Buffer => jpeg(800, 600, 0xc0, [Buffer.alloc(bytes, 0xff)]);
    expect(imageDimensions(dataUrl(filled(2_000)))).toEqual({ width: 800, height: 600 });
    expect(imageDimensions(dataUrl(filled(390_000)))).toBeNull();
    expect(imageDimensions(dataUrl(jpeg(800, 600, 0xc0, [Buffer.from('ffd0'.repeat(100_000), 'hex')])))).toBeNull();
  });

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
  const count = (model: string, width: number, height: number, detail?: ImageDetail): number => {
    const { tokens, assumed } = imageTokens(imageRuleOf(model), dataUrl(png(width, height)), detail);
    // Providers of other models have rules of their own.
    expect([assumed, imageRuleOf(model) === ASSUMED_RULE]).toEqual(Array(2).fill(['unknown', 'qwen3-vl'].includes(model)));
    return tokens;
  };

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
  ])('counts %i x %i for gpt-4o as %i', (width, height, tokens) => {
    expect(count('gpt-4o', width, height, 'high')).toBe(tokens);
    expect(count('gpt-4o', height, width)).toBe(tokens);
  });

  it.each([
    ['gpt-4.1', 765, 85],
    ['gpt-4-turbo', 765, 85],
    ['chatgpt-4o-latest', 765, 85],
    ['unknown', 765, 85],
    ['qwen3-vl', 765, 85],
    ['gpt-4.5-preview', 765, 85],
    ['gpt-4o-mini', 2833 + 4 * 5667, 2833],
    ['gpt-4o-mini-2024-07-18', 2833 + 4 * 5667, 2833],
    ['gpt-5', 70 + 4 * 140, 70],
    ['gpt-5-pro', 70 + 4 * 140, 70],
    ['gpt-5.1-codex', 70 + 4 * 140, 70],
    ['o1', 75 + 4 * 150, 75],
    ['o3-pro', 75 + 4 * 150, 75],
    ['computer-use-preview', 65 + 4 * 129, 65],
  ])('counts 1024 x 1024 for %s as %i, at low detail as %i', (model, high, low) => {
    expect(count(model, 1024, 1024)).toBe(high);
    expect(count(model, 1024, 1024, 'low')).toBe(low);
    expect(imageTokens(imageRuleOf(model), 'https://example.com/cat.png', 'low')).toEqual({
      tokens: low,
      assumed: imageRuleOf(model) === ASSUMED_RULE,
    });
  });

  // OpenAI's examples of patches, and sizes measured at its API for a factor of 1.2.
  it.each([
    ['gpt-4.1-mini', 1024, 1024, 1024 * 1.62],
    ['gpt-4.1-mini', 1800, 2400, 1452 * 1.62],
    ['gpt-5-mini', 1800, 2400, 1452 * 1.62],
    ['gpt-5.1-codex-mini', 32, 33, 2 * 1.62],
    ['gpt-4.1-nano', 1024, 1024, 1024 * 2.46],
    ['gpt-5-nano', 1024, 1024, 1024 * 2.46],
    ['o4-mini', 1024, 1024, 1024 * 1.72],
    ['gpt-5.2', 256, 256, 77],
    ['gpt-5.2', 512, 512, 308],
    ['gpt-5.2', 768, 1024, 922],
    ['gpt-5.2', 1280, 720, 1104],
    ['gpt-5.2', 1024, 1024, 1229],
    ['gpt-5.2', 2048, 768, 1844],
    ['gpt-5.4-mini', 2048, 768, 1844],
    ['gpt-5.4', 1600, 1600, 3000],
    ['gpt-5.5', 3200, 3200, 12_000],
  ])('counts for %s %i x %i as %d', (model, width, height, tokens) => {
    expect(count(model, width, height)).toBe(Math.ceil(Number(tokens.toFixed(6))));
    expect(count(model, height, width)).toBe(Math.ceil(Number(tokens.toFixed(6))));
  });

  it('counts patches of newer models by the detail', () => {
    expect(count('gpt-5.5', 1600, 1600, 'low')).toBe(308);
    expect(count('gpt-5.5', 3200, 3200, 'high')).toBe(3000);
    expect(count('gpt-5.4', 3200, 3200, 'original')).toBe(12_000);
    expect(count('gpt-5.2', 1024, 1024, 'low')).toBe(1229);
  });

  // Counted by Anthropic's count_tokens: never above the most, whatever the size.
  it.each([
    ['claude-sonnet-4-5', 200, 200, 64],
    ['claude-sonnet-4-5', 1000, 1000, 1296],
    ['claude-sonnet-4-5', 1092, 1092, 1521],
    ['claude-sonnet-4-5', 1, 1, 1],
    ['claude-sonnet-4-5', 3136, 100, 56 * 2],
    ['claude-opus-4-7', 1000, 1000, 1296],
    ['claude-opus-4-7', 2000, 1500, 72 * 54],
    ['claude-opus-4-7', 5152, 100, 92 * 2],
  ])('counts for %s %i x %i as %i', (model, width, height, tokens) => {
    expect(count(model, width, height)).toBe(tokens);
    expect(count(model, height, width, 'low')).toBe(tokens);
  });

  it.each([
    ['claude-3-5-sonnet-20240620', 1568],
    ['claude-3-haiku-20240307', 1568],
    ['claude-sonnet-4-20250514', 1568],
    ['claude-opus-4-6', 1568],
    ['claude-haiku-4-5-20251001', 1568],
    ['claude-opus-4.7', 4784],
    ['claude-opus-4-8', 4784],
    ['claude-sonnet-5', 4784],
    ['claude-opus-5', 4784],
    ['claude-next', 4784],
  ])('limits an image for %s to %i tokens', (model, most) => {
    for (const [width, height] of [
      [8000, 8000],
      [8000, 4000],
      [3000, 2999],
      [7001, 5003],
    ])
      expect(count(model, width, height)).toBeLessThanOrEqual(most);
    expect(count(model, 8000, 8000)).toBeGreaterThan(most * 0.95);
    expect(imageTokens(imageRuleOf(model), undefined)).toEqual({ tokens: most, assumed: true });
  });

  it.each([
    ['gemini-2.5-pro', 384, 384, 258],
    ['gemini-2.0-flash', 960, 540, 6 * 258],
    ['gemini-2.5-flash', 385, 100, 2 * 258],
    ['gemini-2.5-flash', 3072, 3072, 16 * 258],
    ['gemini-1.5-pro', 30_000, 30_000, 16 * 258],
    ['gemini-3-pro-preview', 100, 100, 1120],
    ['gemini-3.1-pro', 9000, 9000, 1120],
  ])('counts for %s %i x %i as %i', (model, width, height, tokens) => expect(count(model, width, height)).toBe(tokens));

  it('counts Gemini 3 by the resolution', () => {
    const details: ImageDetail[] = ['low', 'medium', 'high', 'original'];
    expect(details.map((detail) => count('gemini-3-pro-preview', 4000, 3000, detail))).toEqual([280, 560, 1120, 2240]);
    expect(imageTokens(imageRuleOf('gemini-3-pro-preview'), 'gs://a/b')).toEqual({ tokens: 1120, assumed: false });
  });

  it.each([
    ['gpt-4o', 85 + 8 * 170],
    ['gpt-4o-mini', 2833 + 8 * 5667],
    ['gpt-4.1-mini', Math.ceil(1536 * 1.62)],
    ['gpt-5.2', 1844],
    ['gpt-5.5', 12_000],
    ['gemini-2.5-pro', 24 * 258],
  ])('counts an image of unknown size for %s as the most that one costs: %i', (model, tokens) => {
    expect(imageTokens(imageRuleOf(model), 'https://example.com/cat.png')).toEqual({ tokens, assumed: true });
    const rule = imageRuleOf(model);
    const sides = [1, 31, 200, 385, 512, 513, 769, 1000, 1537, 2048, 2049, 3072, 6000, 9001];
    for (const width of sides) for (const height of sides) expect(rule.tokens({ width, height }, 'auto')).toBeLessThanOrEqual(tokens);
  });
});

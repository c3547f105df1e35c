import { HOSTILE_KINDS, hostileText } from './hostile-texts.js';
import { TEXT_KINDS, hotPool, textPool } from './texts.js';

const isCut = (text: string): boolean => text.includes('\ufffd');

describe.each(TEXT_KINDS)('%s', (kind) => {
  it.each([11, 500])('gives distinct, valid, reproducible texts of %d bytes', (bytes) => {
    const texts = textPool(kind, bytes).blocks.flat();
    expect(texts.join()).toBe(textPool(kind, bytes).blocks.flat().join());
    expect(new Set(texts).size).toBeGreaterThan(texts.length * (bytes > 100 ? 0.999 : 0.5));
    expect(texts.filter(isCut)).toEqual([]);
    expect(Math.min(...texts.map((text) => Buffer.byteLength(text)))).toBeGreaterThan(bytes - 7);
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBe(bytes);
  });

  it('repeats one text in a hot pool', () => {
    expect(new Set(hotPool(kind, 500).blocks.flat()).size).toBe(1);
  });
});

it.each(HOSTILE_KINDS)('makes hostile texts of %s', (kind) => {
  const text = hostileText(kind, 10_000);
  expect(Buffer.byteLength(text)).toBeGreaterThan(9_996);
  expect(isCut(text)).toBe(false);
});

import { countSegmentsUpTo, segmentsOf, splitTexts } from './special-text.js';

describe('texts with special tokens', () => {
  it('are counted no further than is needed to pass a limit', () => {
    const segments = segmentsOf('ab<|endoftext|>'.repeat(1000), 'cl100k_base', 'all');
    const asked: number[] = [];
    const countUpTo = (text: string, left: number): number => {
      asked.push(left);
      return text.length;
    };
    expect(countSegmentsUpTo(segments, 7, countUpTo)).toBe(8);
    expect(asked).toEqual([7, 4, 1]);
    expect(countSegmentsUpTo(segments, 3000, countUpTo)).toBe(3000);
  });

  it('go through a batch as ordinary texts', () => {
    const texts = ['<|endoftext|>', 'a', '', 'b<|endoftext|><|endoftext|>c'];
    const split = splitTexts(texts, 'cl100k_base', ['<|endoftext|>']);
    expect(split.texts).toEqual(['a', 'b', 'c']);
    expect([...split.total(Uint32Array.of(10, 20, 30))]).toEqual([1, 10, 0, 52]);
    expect(splitTexts(texts, 'cl100k_base', undefined).texts).toBe(texts);
  });
});

import { countSegmentsUpTo, segmentsOf, splitTexts } from './special-tokens.js';

describe('special tokens', () => {
  it('stops counting the segments of a text once the limit is exceeded', () => {
    const segments = segmentsOf('ab<|endoftext|>'.repeat(1000), 'cl100k_base', 'all');
    const limits: number[] = [];
    const countUpTo = (text: string, left: number): number => {
      limits.push(left);
      return text.length;
    };
    expect(countSegmentsUpTo(segments, 7, countUpTo)).toBe(8);
    expect(limits).toEqual([7, 4, 1]);
    expect(countSegmentsUpTo(segments, 3000, countUpTo)).toBe(3000);
  });

  it('splits a batch into ordinary texts and adds one token per special token to their counts', () => {
    const texts = ['<|endoftext|>', 'a', '', 'b<|endoftext|><|endoftext|>c'];
    const split = splitTexts(texts, 'cl100k_base', ['<|endoftext|>']);
    expect(split.texts).toEqual(['a', 'b', 'c']);
    expect([...split.total(Uint32Array.of(10, 20, 30))]).toEqual([1, 10, 0, 52]);
    expect(splitTexts(texts, 'cl100k_base', undefined).texts).toBe(texts);
  });
});

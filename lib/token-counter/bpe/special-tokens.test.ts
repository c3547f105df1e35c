import fc from 'fast-check';
import {
  countSegmentsUpTo,
  segmentsInTurns,
  segmentsOf,
  SPECIAL_TOKENS,
  splitTexts,
  splitTextsInTurns,
  type AllowedSpecial,
} from './special-tokens.js';

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

  it('splits a text at the same tokens wherever a step ends', async () => {
    const specials = SPECIAL_TOKENS.cl100k_base;
    const parts = fc.constantFrom(
      '<|endoftext|>',
      '<|fim_prefix|>',
      '<|other|>',
      '<|',
      'a',
      'é',
      '|>',
      'x'.repeat(16_370),
      '<'.repeat(16_380),
    );
    const allowances = fc.constantFrom<AllowedSpecial>('all', ['<|endoftext|>', '<|unknown|>'], []);
    const split = (text: string, allowed: AllowedSpecial): (string | number)[] =>
      text
        .split(/(<\|[a-z_]+\|>)/)
        .map((part) => (allowed === 'all' || allowed.includes(part) ? (specials.get(part) ?? part) : part))
        .reduce<(string | number)[]>((merged, part) => {
          const last = merged.at(-1);
          if (typeof part === 'string' && typeof last === 'string') merged[merged.length - 1] = last + part;
          else merged.push(part);
          return merged;
        }, [])
        .filter((part) => part !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(parts, { maxLength: 12 }), allowances, async (texts, allowed) => {
        const text = texts.join('');
        expect(segmentsOf(text, 'cl100k_base', allowed)).toEqual(split(text, allowed));
        expect(await segmentsInTurns(text, 'cl100k_base', allowed)).toEqual(split(text, allowed));
        const batch = [text, 'a', text];
        const [now, later] = [splitTexts(batch, 'cl100k_base', allowed), await splitTextsInTurns(batch, 'cl100k_base', allowed)];
        expect(later.texts).toEqual(now.texts);
      }),
      { numRuns: 150 },
    );
  });

  it('lets other work run while it splits megabytes', async () => {
    let turns = 0;
    const text = '<|endoftext|>'.repeat(1 << 18);
    const tick = setInterval(() => turns++, 0);
    expect(await segmentsInTurns(text, 'cl100k_base', 'all')).toHaveLength(1 << 18);
    expect((await splitTextsInTurns([text], 'cl100k_base', 'all')).texts).toHaveLength(0);
    clearInterval(tick);
    expect(turns).toBeGreaterThan(5);
  });
});

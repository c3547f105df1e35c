import fc from 'fast-check';
import { withOrderedMarks } from './ordered-marks.js';

const points = Array.from({ length: 0x1_f000 }, (_, point) => point).filter((point) => /\p{M}/u.test(String.fromCodePoint(point)));
const mark = fc.constantFrom(...points).map((point) => String.fromCodePoint(point));

describe('withOrderedMarks', () => {
  it('changes nothing that normalize would not, for runs of any marks behind any character', () => {
    const text = fc.tuple(fc.constantFrom('', 'a', 'é', '각', 'ﱞ'), fc.array(mark, { minLength: 60, maxLength: 200 }));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (parts) => {
        const given = parts.map(([base, marks]) => base + marks.join('')).join('');
        for (const form of ['NFC', 'NFKC'] as const) expect(withOrderedMarks(given).normalize(form)).toBe(given.normalize(form));
      }),
      { numRuns: 200 },
    );
  });

  it('lets megabytes of marks of alternating classes be normalized in linear time', () => {
    // Without it this takes hours; an expression would overflow its stack.
    const text = `a${'\u0301\u0316'.repeat(4_000_000)}`;
    const normal = withOrderedMarks(text).normalize('NFC');
    expect(normal).toHaveLength(8_000_000);
    expect(normal.slice(0, 3)).toBe('á\u0316\u0316');
  });

  it('leaves short runs as they are', () => {
    expect(withOrderedMarks('a\u0301\u0316')).toBe('a\u0301\u0316');
  });
});

import fc from 'fast-check';
import { atOnce } from '../../common/next-turn.js';
import { normalize } from './normalize.js';
import { normalizing } from './normalizing.js';

/** What composes with what is before or behind it, and what does not; a lone surrogate. */
const ALPHABET = [
  ...'aeA1 =\n',
  ...'\u00e9\u1ea1\u0301\u0316\u0323\u0345\u0338\u034f',
  ...'\u1100\u1161\u1175\u11a8\u11c2\uac00\uac01',
  ...'\u09c7\u09be\u09d7\u0cc6\u0cc2\u0cd5\u0dd9\u0dcf\u0dca\u102e\u1025',
  ...'\u30ab\u3099\uff76\uff9e\uff9f\uffc2\ufb01\ufdfa\u0344\u2126\u212b',
  ...'\u{1d15e}\u{1d165}\u{110a5}\u{110ba}\u{16d63}\u{16d67}\u{16d68}\u{1f600}',
  '\ud83d',
  '\ude00',
];
const text = fc.array(fc.tuple(fc.constantFrom(...ALPHABET), fc.integer({ min: 1, max: 4 })), { maxLength: 60 });

describe('normalizing', () => {
  it.each(['NFC', 'NFKC'] as const)('gives what normalize gives for %s, wherever the steps end', (form) => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 20 }), (runs, stepUnits) => {
        const given = runs.map(([character, times]) => character.repeat(times)).join('');
        expect(atOnce(normalizing(given, form, stepUnits))).toBe(normalize(given, form));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['Chinese', '\u4e2d\u6587'],
    ['letters that are composed', '\u00e9\u1ea1'],
    ['letters with marks', 'e\u0301o\u0323\u0302'],
    ['vowels that compose with what is before them', '\u1161\u09be\u09d7'],
  ])('takes many steps for megabytes of %s', (_name, part) => {
    const given = part.repeat(1_000_000 / part.length);
    for (const form of ['NFC', 'NFKC'] as const) {
      let steps = 1;
      const step = normalizing(given, form);
      let result = step.next();
      for (; result.done !== true; result = step.next()) steps++;
      expect(steps).toBeGreaterThan(50);
      expect(result.value === normalize(given, form)).toBe(true);
    }
  });
});

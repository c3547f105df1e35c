import fc from 'fast-check';
import { atOnce } from '../../common/next-turn.js';
import { normalize } from './normalize.js';
import { normalizing } from './normalizing.js';
import { marksOf } from './ordered-marks.js';

const points = Array.from({ length: 0x1_f000 }, (_, point) => point).filter((point) => /\p{M}/u.test(String.fromCodePoint(point)));
const mark = fc.constantFrom(...points, 0xff9e, 0xff9f).map((point) => String.fromCodePoint(point));

describe('long runs of marks', () => {
  it('are normalized as normalize does, behind any character', () => {
    const text = fc.tuple(
      fc.constantFrom('', 'a', 'é', '각', 'ﱞ', 'ω', 'ﾊ', '\u{1d158}'),
      fc.array(mark, { minLength: 60, maxLength: 200 }),
      fc.constantFrom('', 'a', '\u1161', '\u09be'),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (parts) => {
        const given = parts.map(([base, marks, behind]) => base + marks.join('') + behind).join('');
        for (const form of ['NFC', 'NFKC'] as const) expect(atOnce(normalizing(given, form))).toBe(normalize(given, form));
      }),
      { numRuns: 200 },
    );
  });

  it('consist of marks that decompose to marks', () => {
    for (const [form, decomposition] of [
      ['NFC', 'NFD'],
      ['NFKC', 'NFKD'],
    ] as const) {
      const marks = marksOf(form);
      for (let point = 0; point < 0x11_0000; point++) {
        if (!marks.isMark(point)) continue;
        for (const part of normalize(String.fromCodePoint(point), decomposition)) expect(marks.isMark(part.codePointAt(0)!)).toBe(true);
      }
    }
  });

  it.each([
    ['one mark', '\u0301', 'NFC'],
    ['marks of alternating classes', '\u0301\u0316', 'NFC'],
    ['marks that decompose', '\u0344', 'NFC'],
    ['marks and what is a mark in form KC alone', '\uff9e\u0301', 'NFKC'],
  ] as const)('take many steps of linear time for megabytes of %s', (_name, part, form) => {
    const given = `a${part.repeat(1_000_000)}`;
    const step = normalizing(given, form);
    let steps = 1;
    let result = step.next();
    for (; result.done !== true; result = step.next()) steps++;
    expect(steps).toBeGreaterThan(100);
    // The whole by itself takes hours.
    const short = normalize(`a${part.repeat(100)}`, form);
    expect(result.value).toHaveLength(short.length + (1_000_000 - 100) * normalize(part, form).length);
    expect(result.value.slice(0, 2)).toBe(short.slice(0, 2));
  });
});

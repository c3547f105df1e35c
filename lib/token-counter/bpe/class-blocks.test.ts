import { atOnce } from '../../common/next-turn.js';
import { seededRandom } from '../../../test/support/random-text.js';
import { characterClasses, LETTER_CLASSES, MARK, OTHER, skipRun, SPACE, UPPER, useRuns } from './character-classes.js';
import { ClassBlocks } from './class-blocks.js';

const UNITS = 1 << 20;

/** Characters that follow one another without a repetition, so that each has to be looked at. */
function unrepeated(characters: readonly string[], units: number): string {
  const random = seededRandom(units);
  let text = '';
  while (text.length < units) text += characters[Math.floor(random() * characters.length)];
  return text;
}

describe('ClassBlocks', () => {
  afterEach(() => useRuns(undefined));

  it.each([
    ['symbols', unrepeated([...'!#%&*+-/:;<=>?@'], UNITS), OTHER | MARK],
    ['emoji, of which some are halves of pairs', unrepeated(['😀', '❤', '\ud83d', '\ude00', '\u0301'], UNITS), OTHER | MARK],
    ['capitals', unrepeated([...'ABCDÉЖ'], UNITS), UPPER],
    ['letters beyond the first plane', unrepeated(['𐐀', '𝐀', 'a', '漢'], UNITS), LETTER_CLASSES],
    ['white space', unrepeated([...' \n\t\u00a0'], UNITS), SPACE],
  ])('lets skipRun find the end of a run of %s', (_name, run, mask) => {
    for (const [before, behind] of [
      ['', ''],
      ['1', '1'],
      ['1'.repeat(16_383), '1'.repeat(40_000)],
    ]) {
      const text = before + run + behind;
      const classes = characterClasses();
      const end = skipRun(text, before.length, mask, classes);
      expect(end).toBe(before.length + run.length);
      const blocks = ClassBlocks.of(text) as ClassBlocks;
      let steps = 0;
      for (const looking = blocks.looking(before.length); looking.next().done === false;) steps++;
      expect(steps).toBeGreaterThanOrEqual(Math.floor(run.length / (1 << 14)));
      useRuns(blocks);
      expect(skipRun(text, before.length, mask, classes)).toBe(end);
    }
  });

  it('looks no further than a piece may go on', () => {
    const blocks = ClassBlocks.of('prose has many words '.repeat(100_000)) as ClassBlocks;
    let steps = 0;
    for (const looking = blocks.looking(0); looking.next().done === false;) steps++;
    expect(steps).toBe(1);
  });

  it('is not made for texts whose ends are found soon', () => {
    expect(ClassBlocks.of('-'.repeat(UNITS - 1))).toBeUndefined();
    expect(atOnce((ClassBlocks.of('-'.repeat(UNITS)) as ClassBlocks).looking(UNITS))).toBeUndefined();
  });
});

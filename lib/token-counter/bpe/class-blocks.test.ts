import { atOnce } from '../../common/next-turn.js';
import { seededRandom } from '../../../test/support/random-text.js';
import { characterClasses, LETTER_CLASSES, LINE_END, MARK, OTHER, runStart, skipRun, SPACE, UPPER, useRuns } from './character-classes.js';
import { ClassBlocks } from './class-blocks.js';
import { cl100kPieceEnd, gpt2PieceEnd, o200kPieceEnd, type PieceEnd } from './pretokenizer.js';

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
      expect(steps).toBeGreaterThanOrEqual(Math.floor(run.length / (1 << 14)) - 1);
      useRuns(blocks);
      expect(skipRun(text, before.length, mask, classes)).toBe(end);
    }
  });

  it('lets runStart find the start of a run', () => {
    const classes = characterClasses();
    for (const [before, run, mask] of [
      ['\n', unrepeated([...' \t\u00a0'], UNITS), SPACE & ~LINE_END],
      ['\u6f22', unrepeated(['A', '\u{10400}', 'B'], UNITS), UPPER],
      ['', unrepeated(['A', '\u{10400}', 'B'], UNITS), UPPER],
    ] as const) {
      const text = `${'-'.repeat(16_380)}${before}${run}-`;
      const range = { from: 16_380, end: text.length - 1 };
      const start = runStart(text, range, mask, classes);
      expect(start).toBe(16_380 + before.length);
      const blocks = ClassBlocks.of(text) as ClassBlocks;
      atOnce(blocks.looking(16_380));
      expect(blocks.skipBack(range.end - 100_000, mask)).toBeLessThan(50_000);
      useRuns(blocks);
      expect(runStart(text, range, mask, classes)).toBe(start);
    }
  });

  it.each<[string, PieceEnd, string, string, string]>([
    ['line ends behind a symbol', o200kPieceEnd, '!', '/\n\r', 'a'],
    ['line ends behind many symbols', cl100kPieceEnd, '!'.repeat(200_000), '\n\r', 'a'],
    ['spaces behind a line end', o200kPieceEnd, '\n', ' \t', 'a'],
    ['capitals behind a letter', o200kPieceEnd, '\u6f22', 'AB', '1'],
    ['numbers', gpt2PieceEnd, ' ', '12\u00bd', 'a'],
  ])('lets the ends of long pieces of %s be found by looking at blocks', (_name, pieceEnd, before, alphabet, behind) => {
    const run = unrepeated([...alphabet], UNITS);
    for (const text of [before + run + behind, `${'1 '.repeat(8_191)}${before}${run}${behind}`]) {
      const at = text.length - before.length - run.length - behind.length;
      useRuns(undefined);
      const ends: number[] = [];
      for (let start = at; start < text.length; ends.push(start)) start = pieceEnd(text, start);
      const blocks = ClassBlocks.of(text) as ClassBlocks;
      let steps = 0;
      for (const looking = blocks.looking(at); looking.next().done === false;) steps++;
      expect(steps).toBeGreaterThanOrEqual(Math.floor(run.length / (1 << 14)) - 1);
      const skipped = jest.spyOn(blocks, 'skip');
      useRuns(blocks);
      for (let start = at, place = 0; start < text.length; place++) expect((start = pieceEnd(text, start))).toBe(ends[place]);
      expect(Math.max(...skipped.mock.results.map(({ value }) => value as number))).toBeGreaterThan(UNITS / 2);
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

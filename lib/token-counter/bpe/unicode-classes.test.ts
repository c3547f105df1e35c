import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { characterClasses, classBitAt, LOWER, MARK, NUMBER, OTHER, skipRun, SPACE, UNCASED, UPPER } from './character-classes.js';
import { UNICODE_CLASS_END } from './unicode-classes.js';
import { isComplete } from '../../../test/support/long.js';

const scripts = join(__dirname, '../../../scripts');

describe('character classes', () => {
  it.each(['generate-unicode-classes.mjs', 'generate-token-vectors.mjs'])('finds the output of scripts/%s up to date', (script) => {
    const { status, stderr } = spawnSync(process.execPath, [join(scripts, script), '--check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('classifies characters as Unicode 16 does', () => {
    const classes = characterClasses();
    const examples: [string, number][] = [
      ['A', UPPER],
      ['ǅ', UPPER],
      ['a', LOWER],
      ['ſ', LOWER],
      ['ʰ', UNCASED],
      ['字', UNCASED],
      ['𠀀', UNCASED],
      ['\u0301', MARK],
      ['\u20dd', MARK],
      ['\u{e01ef}', MARK],
      ['7', NUMBER],
      ['Ⅷ', NUMBER],
      ['½', NUMBER],
      [' ', SPACE],
      ['\u0085', SPACE],
      ['\u3000', SPACE],
      ['\n', SPACE],
      ['/', OTHER],
      ['\ufeff', OTHER],
      ['\u180e', OTHER],
      ['\ud800', OTHER],
      ['😀', OTHER],
      ['\u{10ffff}', OTHER],
      // Added in Unicode 16; added in Unicode 17.
      ['\u{10d50}', UPPER],
      ['\ua7ce', OTHER],
    ];
    for (const [character, mask] of examples)
      for (const other of [UPPER, LOWER, UNCASED, MARK, NUMBER, SPACE, OTHER])
        expect([character, other, (classBitAt(character, 0, classes) & other) !== 0]).toEqual([character, other, other === mask]);
    expect(classBitAt('a', 1, classes)).toBe(0);
    expect(classes[UNICODE_CLASS_END - 1]).toBeGreaterThan(0);
    expect(classes.subarray(UNICODE_CLASS_END).every((value) => value === 0)).toBe(true);
  });

  it('ends a run of characters of one class without cutting a surrogate pair', () => {
    const classes = characterClasses();
    expect(skipRun('𝐁𝐁b', 0, UPPER, classes)).toBe(4);
    expect(skipRun('\ud835𝐁', 0, UPPER, classes)).toBe(0);
    expect(skipRun('\ud800\ud800', 0, OTHER, classes)).toBe(2);
    expect(skipRun('', 0, OTHER, classes)).toBe(0);
  });

  it('ends a long run of a repeated pattern where a run of single steps ends', () => {
    const classes = characterClasses();
    const oneByOne = (text: string, at: number, mask: number): number => {
      while (at < text.length && classBitAt(text, at, classes) & mask) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
      return at;
    };
    // Surrogate pairs and halves of pairs, because a stride may begin or end within a pair.
    for (const pattern of [
      '-',
      '-=',
      'é',
      '漢字ー',
      '😀',
      '😀-',
      '\ud83d',
      '\ude00',
      '\ud83d-',
      '\ude00\ud83d',
      '\ude00-\ud83d',
      '𐵐',
      'a𐐷',
      '\udc37\ud801',
    ])
      for (const length of isComplete ? [55_439, 55_440, 120_000, 230_001] : [55_439, 120_000])
        for (const end of ['', 'a', '7', '\udc00', '\ud801', '\udc37 ']) {
          const text = `x${pattern.repeat(Math.ceil(length / pattern.length))}${end}${pattern}`;
          for (const mask of [OTHER | MARK, LOWER | UPPER | UNCASED, OTHER])
            for (const at of isComplete ? [1, 2] : [1])
              expect([pattern, end, mask, skipRun(text, at, mask, classes)]).toEqual([pattern, end, mask, oneByOne(text, at, mask)]);
        }
  });
});

import { characterClasses } from '../token-counter/bpe/character-classes.js';
import { mayDiffer } from './class-differences.js';
import { isComplete } from '../../test/support/long.js';
import { isWithin } from './libraries/library-target.js';

describe('mayDiffer', () => {
  it.each(['', 'plain text\n', 'Größe', 'Привет', '漢字テスト', '👍🏽 👩‍👩‍👧', 'नमस्ते'])('lets %j pass', (text) => {
    expect(mayDiffer(text)).toBe(false);
  });

  it.each<[string, string]>([
    ['the next line, which is white space in the reference alone', '\u0085'],
    ['the byte order mark, which is white space in JavaScript alone', '\ufeff'],
    ['the long s, which is an s in contractions of the reference', '\u017f'],
    ['a high surrogate', '\ud83d'],
    ['a high surrogate before a letter', '\ud83dx'],
    ['a low surrogate', '\ude00'],
  ])('stops at %s', (_, character) => {
    expect(mayDiffer(character)).toBe(true);
    expect(mayDiffer(`some text, 漢字 😀 ${character}`)).toBe(true);
  });

  it('says of every code point what the pattern of a JavaScript tokenizer makes of it', () => {
    const patterns = [/\p{L}|\p{M}|\p{N}|\s/u, /\p{Lu}|\p{Lt}/u, /\p{Ll}/u, /\p{Lm}|\p{Lo}/u, /\p{M}/u, /\p{N}/u, /\s/u];
    const classes = characterClasses();
    /** Line ends are white space of their own, the slash is no class of the pattern. */
    const classOf = (point: number): number => [0, 1, 2, 3, 4, 5, 6, 6, 0][classes[point]];
    const wrong: number[] = [];
    const step = isComplete ? 1 : 5;
    for (let point = 0; point < 0x110000; point += point < 0x3000 ? 1 : step) {
      const character = String.fromCodePoint(point);
      const found = patterns.findIndex((pattern, number) => number > 0 && pattern.test(character));
      const differs = Math.max(found, 0) !== classOf(point) || point === 0x17f || (point >= 0xd800 && point < 0xe000);
      if (mayDiffer(character) !== differs) wrong.push(point);
    }
    expect(wrong).toEqual([]);
  });
});

describe('isWithin', () => {
  const range = { from: '1.0.12', to: '1.2.3' };
  it.each([
    ['1.0.12', true],
    ['1.0.11', false],
    ['1.0.100', true],
    ['1.1.0', true],
    ['1.2.3', true],
    ['1.2.4', false],
    ['2.0.0', false],
    ['0.9.99', false],
    ['1.1.0-beta.1', false],
    ['latest', false],
  ])('%s: %s', (version, expected) => expect(isWithin(version, range)).toBe(expected));
});

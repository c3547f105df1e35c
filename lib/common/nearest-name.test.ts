import { nearestName, nearMiss, suggestion } from './nearest-name.js';

describe('nearestName', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['', ['a'], 'a'],
    ['', ['ab'], undefined],
    ['a', [], undefined],
    ['maxKeys', ['max_keys'], 'max_keys'],
    ['MAX-KEYS', ['maxKeys'], 'maxKeys'],
    ['mxaKeys', ['maxKeys'], 'maxKeys'],
    ['amxk', ['maxk'], 'maxk'],
    ['abcxyz', ['abcdef'], undefined],
    ['abcdyz', ['abcdef'], 'abcdef'],
    ['abcd', ['abc'], 'abc'],
    ['abc', ['abcd'], 'abcd'],
    ['abcde', ['abc'], undefined],
    ['rpm', ['tpm', 'rpn'], 'tpm'],
    ['rpm', ['xpm', 'rpm'], 'rpm'],
    ['ab', ['ba'], 'ba'],
    ['abc', ['cba'], undefined],
    ['x'.repeat(100), ['x'.repeat(99)], 'x'.repeat(99)],
    ['x'.repeat(101), ['x'.repeat(100)], undefined],
  ])('of %j in %j is %j', (typed, names, expected) => {
    expect(nearestName(typed, names)).toBe(expected);
  });
});

describe('nearMiss', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['top_k', ['top_p'], undefined],
    ['streem', ['stream'], 'stream'],
    ['stream', ['stream'], undefined],
    ['Stream', ['stream'], 'stream'],
    ['strxxm', ['stream'], 'stream'],
    ['stxxxm', ['stream'], undefined],
    ['stream', ['streamed'], 'streamed'],
    ['stream', ['streaming'], undefined],
    ['messages', ['tools', 'message', 'messages_'], 'message'],
    ['x'.repeat(100), ['x'.repeat(99)], 'x'.repeat(99)],
    ['x'.repeat(101), ['x'.repeat(100)], undefined],
  ])('of %j in %j is %j', (typed, names, expected) => {
    expect(nearMiss(typed, names)).toBe(expected);
  });
});

it('suggests a name in a sentence, or nothing', () => {
  expect([suggestion('maxKey', ['maxKeys']), suggestion('other', ['maxKeys'])]).toEqual([' (did you mean maxKeys?)', '']);
});

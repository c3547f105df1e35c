import fc from 'fast-check';
import { Wildcard } from './wildcard.js';
import { cpuTimer } from '../../../test/support/cpu-time.js';

/** The definition: LiteLLM's own expression. Safe for the short names of this suite only. */
function expressionOf(pattern: string): RegExp {
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('(.*)')}$`, 's');
}

describe('a wildcard', () => {
  test.each([
    ['openai/*', 'openai/gpt-4o', ['gpt-4o']],
    ['openai/*', 'openai/', ['']],
    ['openai/*', 'azure/gpt-4o', null],
    ['*-4o', 'gpt-4o', ['gpt']],
    ['a*a', 'a', null],
    ['a*a', 'aa', ['']],
    ['*/*', 'a/b/c', ['a/b', 'c']],
    ['*a*b*', 'xaybazb', ['xayb', 'z', '']],
    ['**', 'ab', ['ab', '']],
    ['*.*', 'a\nb.c', ['a\nb', 'c']],
    ['gpt-4.*', 'gpt-4x1', null],
  ])('%s captures from %s: %j', (pattern, name, captures) => {
    expect(new Wildcard(pattern).capturesOf(name)).toEqual(captures);
  });

  test('captures what the regular expression of its pattern captures', () => {
    const text = (characters: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...characters), maxLength });
    fc.assert(
      fc.property(text('ab/*', 6), text('ab/', 12), (pattern, name) => {
        fc.pre(pattern.includes('*'));
        expect(new Wildcard(pattern).capturesOf(name)).toEqual(expressionOf(pattern).exec(name)?.slice(1) ?? null);
      }),
      { numRuns: 5_000 },
    );
  });

  test('matches no name that is longer than names of models are', () => {
    expect(new Wildcard('gpt-*').capturesOf(`gpt-${'4'.repeat(508)}`)).toEqual(['4'.repeat(508)]);
    expect(new Wildcard('gpt-*').capturesOf(`gpt-${'4'.repeat(509)}`)).toBeNull();
  });

  test('answers at once where a regular expression would not end', () => {
    const pattern = `${'*a'.repeat(40)}*b`;
    const cpuMs = cpuTimer();
    expect(new Wildcard(pattern).capturesOf('a'.repeat(512))).toBeNull();
    expect(new Wildcard(pattern).capturesOf(`${'a'.repeat(511)}b`)).toHaveLength(41);
    expect(cpuMs()).toBeLessThan(1_000);
  });
});

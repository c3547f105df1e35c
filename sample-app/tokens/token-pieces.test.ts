import fc from 'fast-check';
import { countTokens, decode, encode } from 'nestjs-fast-litellm';
import { tokenPieces } from './token-pieces.js';

const cut = (text: string) => tokenPieces(text, encode(text, 'gpt-4o'), (ids) => decode(ids, 'gpt-4o'));

describe('tokenPieces', () => {
  it('is one piece per token where tokens are whole characters', () => {
    expect(cut('hello world').map(({ text }) => text)).toEqual(['hello', ' world']);
    expect(cut('')).toEqual([]);
  });

  it('keeps the tokens of one character together', () => {
    const crabs = cut('🦀🦀');
    expect(crabs.map(({ text }) => text)).toEqual(['🦀', '🦀']);
    expect(crabs.every(({ ids }) => ids.length > 1)).toBe(true);
  });

  it('leaves out a character whose tokens are not all there', () => {
    expect(tokenPieces('hi 🦀', encode('hi 🦀', 'gpt-4o').subarray(0, 2), (ids) => decode(ids, 'gpt-4o')).map(({ text }) => text)).toEqual([
      'hi',
    ]);
  });

  it('cuts any text without losing or changing anything', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const pieces = cut(text);
        expect(pieces.map((piece) => piece.text).join('')).toBe(text);
        expect(pieces.flatMap(({ ids }) => ids)).toHaveLength(countTokens(text, 'gpt-4o'));
      }),
      { numRuns: 300 },
    );
  });
});

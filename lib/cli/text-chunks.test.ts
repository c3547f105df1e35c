import fc from 'fast-check';
import { ENCODING_NAMES } from '../token-counter/engine/engine.js';
import { countTokens } from '../standalone.js';
import { TextPieces } from './text-chunks.js';
import { cpuTimer } from '../../test/support/cpu-time.js';

const words = [
  'a',
  'Hello',
  "it's",
  'I',
  ' ',
  '  ',
  '\n',
  '\r\n',
  '\n\n',
  '\t',
  '.',
  '://',
  '123',
  '9',
  'ß',
  '価格',
  '🙂',
  '\u00a0',
  's',
  "'",
];
const texts = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(''));

function piecesOf(text: string, pieceLength: number, partLength: number): string[] {
  const pieces = new TextPieces(pieceLength);
  const found: string[] = [];
  for (let at = 0; at < text.length; at += partLength) {
    const piece = pieces.add(text.slice(at, at + partLength));
    if (piece !== undefined) found.push(piece);
  }
  return [...found, pieces.end()];
}

describe('TextPieces', () => {
  it.each(ENCODING_NAMES)('keeps the sum of the tokens of %s', (encoding) => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (text, pieceLength, partLength) => {
        const pieces = piecesOf(text, pieceLength, partLength);
        expect(pieces.join('')).toBe(text);
        expect(pieces.reduce((sum, piece) => sum + countTokens(piece, { encoding }), 0)).toBe(countTokens(text, { encoding }));
      }),
      { numRuns: 500 },
    );
  });

  it('cuts long texts, and searches each place once', () => {
    expect(piecesOf('one two three four', 5, 4)).toEqual(['one two', ' three', ' four']);
    const cpuMs = cpuTimer();
    expect(piecesOf('-'.repeat(2_000_000), 10, 1000)).toHaveLength(1);
    expect(cpuMs()).toBeLessThan(5000);
  });
});

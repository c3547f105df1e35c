import fc from 'fast-check';
import { largeJson } from './large-json.js';

const LONG = 300_000;

describe('largeJson', () => {
  it('writes what JSON.stringify writes', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 9 }).map((piece) => piece.repeat(Math.ceil(LONG / piece.length)));
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), text, text);
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 4 }), async (values) => {
        const json = JSON.stringify({ values, last: values[0] });
        expect((await largeJson({ values, last: values[0] })).equals(Buffer.from(json))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the halves of a character together, and lone ones as they are', async () => {
    for (const text of ['a' + '🦀'.repeat(LONG), '\ud83d'.repeat(LONG), '\udc00'.repeat(LONG)])
      expect((await largeJson([text])).toString()).toBe(JSON.stringify([text]));
  });

  it('gives the event loop its turns', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await largeJson(['x'.repeat(20 * LONG)]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });
});

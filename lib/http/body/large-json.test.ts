import fc from 'fast-check';
import { largeJson, parseLargeJson } from './large-json.js';
import { usuallyOrLong } from '../../../test/support/long.js';

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
      { numRuns: usuallyOrLong(20, 60) },
    );
  });

  it('keeps surrogate pairs together, and lone surrogates as they are', async () => {
    for (const text of ['a' + '🦀'.repeat(LONG), '\ud83d'.repeat(LONG), '\udc00'.repeat(LONG)])
      expect((await largeJson([text])).toString()).toBe(JSON.stringify([text]));
  });

  it('lets the event loop turn while it writes', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await largeJson(['x'.repeat(20 * LONG)]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });
});

describe('parseLargeJson', () => {
  it('parses what JSON.parse parses, also behind a byte order mark', async () => {
    const value = { model: 'm', messages: [{ role: 'user', content: 'é😀"\\'.repeat(9_999) }] };
    await expect(parseLargeJson(Buffer.from(JSON.stringify(value)))).resolves.toEqual(value);
    await expect(parseLargeJson(Buffer.from('\ufeff[1]'))).resolves.toEqual([1]);
  });

  it('lets timers run while it parses', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await parseLargeJson(Buffer.from(JSON.stringify('x'.repeat(8_000_000))));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
  });

  it.each(['{"a":', '{"__proto__":1}', '{"a":[{"\\u005f_pr\\u006fto_\\u005F" \n:{}}]}'])('rejects %s', async (json) => {
    await expect(parseLargeJson(Buffer.from(json))).rejects.toThrow(SyntaxError);
  });

  it.each(['{"a":"__proto__"}', '["__proto__"]', '{"proto":1}'])('accepts %s', async (json) => {
    await expect(parseLargeJson(Buffer.from(json))).resolves.toEqual(JSON.parse(json));
  });
});

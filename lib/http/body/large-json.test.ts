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

  it.each([
    ['values that are none in JSON', [undefined, () => 1, Symbol('s'), NaN, -0, { a: undefined, b: () => 1, c: null, d: [] }, {}]],
    ['values with JSON of their own', { a: new Date(0), b: { toJSON: () => undefined }, c: [{ toJSON: () => undefined }], d: new Map() }],
    ['boxed values, and objects of a class', [Object('a'), Object(1), new (class A extends Array<number> {})(2), Object.create({ a: 1 })]],
    ['keys to escape', { '"': { '\n': 1 }, '\ud800': [['é', '\u2028']] }],
  ])('writes %s as JSON.stringify does', async (_, value) => {
    expect((await largeJson(value)).toString()).toBe(JSON.stringify(value));
  });

  it('rejects cycles, and writes values as deep as JSON.stringify can', async () => {
    const cycle: unknown[] = [];
    cycle.push({ cycle });
    await expect(largeJson(cycle)).rejects.toThrow(/circular/i);
    let deep: unknown = 'x';
    for (let level = 0; level < 1500; level++) deep = level % 2 === 0 ? [deep] : { deep };
    expect((await largeJson([deep])).toString()).toBe(JSON.stringify([deep]));
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

  it('writes no more than a step at once, of any structure', async () => {
    const stringify = jest.spyOn(JSON, 'stringify');
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`key ${at}`, [{ at }]]));
    await largeJson({ numbers: Array.from({ length: 100_000 }, (_, at) => at / 7), keys, text: '"'.repeat(LONG) });
    const lengths = stringify.mock.results.map(({ value }) => String(value).length);
    stringify.mockRestore();
    expect(lengths.reduce((longest, length) => Math.max(longest, length), 0)).toBeLessThanOrEqual(2 * 65_536 + 2);
  });
});

describe('parseLargeJson', () => {
  it('parses what JSON.parse parses, also after a byte order mark', async () => {
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

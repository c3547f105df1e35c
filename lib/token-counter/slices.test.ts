import { usuallyOrLong } from '../../test/support/long.js';
import { RandomJson } from '../../test/support/random-json.js';
import { openNativeBinding } from '../engine/native-binding.js';
import type { TokenCounterEngine } from './engine/engine.js';
import { NativeTokenCounterEngine } from './engine/native.js';
import { partEnd } from './engine/slice-texts.js';
import { TypeScriptTokenCounterEngine } from './engine/typescript.js';

const { binding } = openNativeBinding();
const typescript = new TypeScriptTokenCounterEngine();
const engines: TokenCounterEngine[] = [typescript];
if (binding) engines.push(new NativeTokenCounterEngine(binding));

const TEXTS = usuallyOrLong(150, 20_000);
const MOST = 2 ** 31 - 1;

/** A body of these raw texts, the places of the texts, and what they are in JavaScript. */
function bodyOf(raws: readonly string[]): { bytes: Buffer; places: Uint32Array; texts: string[] } {
  const places: number[] = [];
  let json = '[';
  let end = 1;
  for (const raw of raws) {
    const length = Buffer.byteLength(raw);
    places.push(end + 1, end + 1 + length);
    json += `"${raw}",`;
    end += length + 3;
  }
  return { bytes: Buffer.from(json), places: Uint32Array.from(places), texts: raws.map((raw) => JSON.parse(`"${raw}"`) as string) };
}

const random = new RandomJson(161);
const raws = Array.from({ length: TEXTS }, () => random.text());
// Long enough to be remembered.
const longRaws = raws.filter((_, index) => index % 20 === 0).map((raw) => `${raw} and on `.repeat(1 + Math.ceil(1200 / (raw.length + 8))));

describe.each(engines.map((engine) => [engine.engine, engine] as const))('the counts of texts of a JSON body, %s', (_name, engine) => {
  const handle = engine.load('o200k_base');

  it('are those of the parsed texts, the first time and when the texts are known', async () => {
    const { bytes, places, texts } = bodyOf([...raws, ...longRaws, ...longRaws]);
    const counts = texts.map((text) => engine.count(text, handle));
    const units = texts.map(({ length }) => length);
    for (const found of [
      engine.countSlices(bytes, places, handle, MOST),
      engine.countSlices(bytes, places, handle, MOST),
      await engine.countSlicesAsync({ bytes, texts: places, isOwn: false }, handle, MOST),
      await engine.countSlicesAsync({ bytes, texts: places, isOwn: true }, handle, MOST),
    ]) {
      expect(Array.from(found.counts)).toEqual(counts);
      expect(Array.from(found.units)).toEqual(units);
      expect(found.counted).toBe(texts.length);
    }
  });

  it('differ by encoding, also of a known text', () => {
    const { bytes, places, texts } = bodyOf(['東京の天気は晴れ、気温は21度です。'.repeat(50)]);
    for (const encoding of ['cl100k_base', 'o200k_base', 'r50k_base', 'cl100k_base'] as const) {
      const other = engine.load(encoding);
      expect(engine.countSlices(bytes, places, other, MOST).counts[0]).toBe(engine.count(texts[0], other));
    }
  });

  it.each([false, true])('are right for all-new texts that another thread counts, several bodies at a time, own %s', async (isOwn) => {
    const bodies = Array.from({ length: 6 }, (_, body) =>
      bodyOf(
        Array.from({ length: 4 }, (__, text) => `${engine.engine} ${isOwn} ${body} ${text}: caf\\u00e9\\n "`.slice(0, -1).repeat(600)),
      ),
    );
    const found = await Promise.all(
      bodies.map(({ bytes, places: texts }) => engine.countSlicesAsync({ bytes, texts, isOwn }, handle, MOST)),
    );
    for (const [index, { texts }] of bodies.entries())
      expect(Array.from(found[index].counts)).toEqual(texts.map((text) => engine.count(text, handle)));
  });

  it('end above the limit', async () => {
    const { bytes, places, texts } = bodyOf(['one two three', `${engine.engine} `.repeat(6_000), 'four']);
    const first = engine.count(texts[0], handle);
    for (const limit of [first, first + 100]) {
      const slices = { bytes, texts: places, isOwn: true };
      for (const found of [engine.countSlices(bytes, places, handle, limit), await engine.countSlicesAsync(slices, handle, limit)]) {
        expect(found.counted).toBe(2);
        expect(found.counts[0] + found.counts[1]).toBeGreaterThan(limit);
        expect(found.counts[2]).toBe(0);
      }
    }
    const sum = texts.reduce((total, text) => total + engine.count(text, handle), 0);
    expect((await engine.countSlicesAsync({ bytes, texts: places, isOwn: true }, handle, sum)).counted).toBe(3);
  });

  it('are none without texts', async () => {
    const found = await engine.countSlicesAsync({ bytes: Buffer.from('{}'), texts: new Uint32Array(0), isOwn: true }, handle, 0);
    expect([found.counted, found.counts.length, found.units.length]).toEqual([0, 0, 0]);
  });
});

const withAddon = binding === null ? describe.skip : describe;
withAddon('the addon', () => {
  it('refuses places outside of the bytes, and arrays of other types and lengths', () => {
    const { countSlices, countSlicesAsync, scanJson, scanJsonAsync } = binding!;
    const bytes = Buffer.from('"abc"');
    for (const places of [
      [0, 6],
      [3, 2],
      [6, 6],
    ]) {
      const [texts, counts] = [Uint32Array.from(places), new Uint32Array(2)];
      for (const call of [
        () => countSlices(bytes, texts, 0, 9, counts),
        () => countSlicesAsync({ bytes, texts, isOwn: true }, 0, 9, counts),
      ])
        expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    expect(() => countSlices(bytes, Uint32Array.of(0, 1), 0, 9, new Uint32Array(1))).toThrow('typed arrays');
    expect(() => scanJson('{}' as never, new Uint32Array(9))).toThrow('typed arrays');
    expect(() => scanJson(new Uint16Array(2) as never, new Uint32Array(9))).toThrow('typed arrays');
    expect(() => scanJson(bytes, new Uint32Array(3))).toThrow('typed arrays');
    expect(() => scanJsonAsync(bytes, new Uint32Array(3), true)).toThrow('typed arrays');
  });
});

withAddon('the bytes that another thread reads', () => {
  const text = `"${'all of these words are read where they are '.repeat(100_000)}"`;
  const free = (bytes: Buffer): void => binding!.freeMemory(bytes.buffer as ArrayBuffer);
  const ofText = (): Buffer => {
    const bytes = Buffer.allocUnsafeSlow(text.length);
    bytes.write(text);
    return bytes;
  };

  it.each<[string, (bytes: Buffer) => unknown]>([
    ['a scan', (bytes) => binding!.scanJsonAsync(bytes, Uint32Array.of(9, 9, 9, 9), true)],
    [
      'a count',
      (bytes) => {
        const slices = { bytes, texts: Uint32Array.of(1 + Math.round(Math.random() * 1000), bytes.length - 1), isOwn: true };
        return binding!.countSlicesAsync(slices, binding!.loadEncoding('o200k_base'), MOST, new Uint32Array(2));
      },
    ],
  ])('are freed behind %s, not before', async (_, read) => {
    const bytes = ofText();
    const reading = read(bytes);
    expect(reading).toBeInstanceOf(Promise);
    free(bytes);
    expect(bytes).toHaveLength(text.length);
    await reading;
    free(bytes);
    expect(bytes).toHaveLength(0);
  });

  it('are a copy where a program may change them', async () => {
    const bytes = ofText();
    const reading = binding!.scanJsonAsync(bytes, Uint32Array.of(9, 9, 9, 9), false);
    bytes.fill('}');
    expect((await reading).numbers[0]).toBe(0);
  });
});

describe('the parts of a long text', () => {
  it('are never cut within an escape or a character', () => {
    const runs = ['\\\\', '\\t', '\\u0041', '\\ud83d\\ude00', '\\\\\\"', '\\\\u0041', '東\\n', '😀'].map((piece) => piece.repeat(20));
    for (const raw of [...raws.slice(0, 50), ...runs, ...runs.map((run, at) => `a${run}${runs[(at + 1) % runs.length]}`)]) {
      const bytes = Buffer.from(raw);
      for (let most = 7; most < 20; most += 2) {
        let joined = '';
        for (let from = 0, to: number; from < bytes.length; from = to) {
          to = partEnd(bytes, from, bytes.length, most);
          if (to <= from || to - from > most) throw new Error(`${to - from} of ${most} bytes at ${from}`);
          joined += JSON.parse(`"${bytes.toString('utf8', from, to)}"`) as string;
        }
        expect(joined).toBe(JSON.parse(`"${raw}"`));
      }
    }
  });
});

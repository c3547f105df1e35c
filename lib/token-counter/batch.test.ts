import { usuallyOrLong } from '../../test/support/long.js';
import { randomText, seededRandom } from '../../test/support/random-text.js';
import { openNativeBinding } from '../engine/native-binding.js';
import type { TokenCounterEngine } from './engine/engine.js';
import { NativeTokenCounterEngine } from './engine/native.js';
import { TypeScriptTokenCounterEngine } from './engine/typescript.js';

const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = [new TypeScriptTokenCounterEngine()];
if (binding) engines.push(new NativeTokenCounterEngine(binding));

const random = seededRandom(11);

/** Short, empty and long texts in random order: at least `units` UTF-16 code units in total. */
function mixedTexts(units: number): string[] {
  const texts: string[] = [];
  for (let length = 0; length < units; length += texts[texts.length - 1].length) {
    const kind = random();
    const text = randomText(random, kind < 0.9 ? 12 : 60);
    texts.push(kind < 0.1 ? '' : kind < 0.98 ? text : `${text} word 漢字\n`.repeat(kind < 0.995 ? 40 : 1500));
  }
  return texts;
}

describe.each(engines.map((engine) => [engine.engine, engine] as const))('countBatch of the %s engine', (_name, engine) => {
  const handle = engine.load('o200k_base');
  const counted = (texts: readonly string[]): number[] => texts.map((text) => engine.count(text, handle));

  it('counts short, empty and long texts of a batch as it counts each text', async () => {
    for (const units of [1, 10_000, usuallyOrLong(150_000, 1_200_000)]) {
      const texts = mixedTexts(units);
      const want = counted(texts);
      expect(Array.from(engine.countBatch(texts, handle))).toEqual(want);
      expect(Array.from(await engine.countBatchAsync(texts, handle))).toEqual(want);
    }
  });

  it('returns the counts of each of several concurrent batches', async () => {
    const batches = Array.from({ length: usuallyOrLong(5, 12) }, () => mixedTexts(usuallyOrLong(20_000, 40_000)));
    const found = batches.map((texts) => engine.countBatchAsync(texts, handle));
    const between = Array.from(engine.countBatch(batches[0], handle));
    expect((await Promise.all(found)).map((counts) => Array.from(counts))).toEqual(batches.map(counted));
    expect(between).toEqual(counted(batches[0]));
  });

  it('counts a batch of empty texts', async () => {
    const texts = new Array<string>(500).fill('');
    expect(Array.from(engine.countBatch(texts, handle))).toEqual(counted(texts));
    expect(Array.from(await engine.countBatchAsync(texts, handle))).toEqual(counted(texts));
  });
});

(binding ? describe : describe.skip)('arguments of the native countTokensBatch', () => {
  type Batch = (strings: unknown, lengths: unknown, encoding: unknown) => unknown;
  const { countTokensBatch, countTokensBatchAsync } = (binding ?? {}) as unknown as Record<string, Batch>;
  const handle = binding?.loadEncoding('o200k_base');
  const long = 'many words '.repeat(5000);

  it.each([
    ['too few lengths', ['ab', 'cd'], [2]],
    ['too many lengths', ['ab'], [2, 1]],
    ['a length that ends inside the next string', ['ab', 'cd'], [3, 1]],
    ['a wrong length after long texts', [long, long, 'ab'], [long.length, long.length, 3]],
    ['a number for a string', ['ab', 7], [2, 1]],
    ['null after long texts', [long, long, null], [long.length, long.length, 4]],
    ['a string for the array', 'ab', [2]],
  ])('rejects %s and then counts the next batch', async (_what, strings, lengths) => {
    for (const batch of [countTokensBatch, countTokensBatchAsync]) {
      expect(() => batch(strings, Uint32Array.from(lengths), handle)).toThrow();
      expect(await batch(['hello world', 'a b c'], Uint32Array.of(11, 2, 3), handle)).toEqual(Uint32Array.of(2, 2, 2));
    }
  });

  it('rejects a batch in an unknown encoding', () => {
    for (const batch of [countTokensBatch, countTokensBatchAsync])
      expect(() => batch(['ab'], Uint32Array.of(2), 99)).toThrow(expect.objectContaining({ code: 'UNKNOWN_ENCODING' }));
  });
});

it('passes a long text of a batch to the addon in portions', async () => {
  const portions: number[] = [];
  class LongCount {
    pushAsync(portion: string): Promise<number> {
      portions.push(portion.length);
      return Promise.resolve(portions.length);
    }
  }
  const countTokensBatchAsync = jest.fn((strings: readonly string[]) => Promise.resolve(new Uint32Array(strings.length).fill(1)));
  const engine = new NativeTokenCounterEngine({ LongCount, countTokensBatchAsync } as never);
  expect(Array.from(await engine.countBatchAsync(['a'.repeat(300), 'a'.repeat(1 << 20), 'a'.repeat(300)], 0))).toEqual([1, 16, 1]);
  expect(Math.max(...portions)).toBe(1 << 16);
  expect(countTokensBatchAsync.mock.calls.flat(2).every((each) => typeof each !== 'string' || each.length === 300)).toBe(true);
});

import { isComplete, usuallyOrLong } from '../../test/support/long.js';
import { randomText, seededRandom } from '../../test/support/random-text.js';
import { openNativeBinding } from '../engine/native-binding.js';
import { ENCODING_NAMES, MAX_TOKEN_BYTES } from './engine/engine.js';
import type { TokenCounterEngine } from './engine/engine.js';
import { NativeTokenCounterEngine } from './engine/native.js';
import { openRanks } from './bpe/ranks.js';
import { TypeScriptTokenCounterEngine } from './engine/typescript.js';

const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = [new TypeScriptTokenCounterEngine()];
if (binding) engines.push(new NativeTokenCounterEngine(binding));

const MIB = 1 << 20;
/** Texts of one piece, of few pieces, or with pieces across the border of two portions. */
const LONG_TEXTS: readonly (readonly [string, string])[] = [
  ['prose', 'Some words, and more of them. '.repeat(2500)],
  ['one run of dashes', '-'.repeat(70_000)],
  ['digits', '1234567'.repeat(10_000)],
  ['Chinese without a space', '漢字，仮名。'.repeat(12_000)],
  ['pairs of surrogates', '🙂🙃'.repeat(17_000) + '\ud83d'],
  ['lone surrogates', '\ud83d\ude42\ude42'.repeat(23_000)],
  ['white space', ' \n\t'.repeat(23_000) + 'x'],
];

describe.each(engines.map((engine) => [engine.engine, engine] as const))('countUpTo of the %s engine', (_name, engine) => {
  it.each(LONG_TEXTS)('counts %s in portions as it counts them at once, synchronously and asynchronously', async (_what, text) => {
    for (const encoding of isComplete ? (['o200k_base', 'r50k_base'] as const) : (['o200k_base'] as const)) {
      const handle = engine.load(encoding);
      const count = engine.count(text, handle);
      expect(engine.countUpTo(text, handle, count)).toBe(count);
      expect(await engine.countUpToAsync(text, handle, 2 ** 31 - 1)).toBe(count);
      for (const limit of [1, count - 1]) {
        expect(engine.countUpTo(text, handle, limit)).toBeGreaterThan(limit);
        expect(await engine.countUpToAsync(text, handle, limit)).toBeGreaterThan(limit);
      }
    }
  });

  it('counts random texts asynchronously as it counts them synchronously', async () => {
    const random = seededRandom(5);
    const handle = engine.load('o200k_base');
    for (let round = 0; round < usuallyOrLong(10, 90); round++) {
      const text = randomText(random, 60).repeat(round % 9 === 0 ? 900 : 1);
      const count = engine.count(text, handle);
      expect(await engine.countUpToAsync(text, handle, count)).toBe(count);
      if (count > 0) expect(await engine.countUpToAsync(text, handle, count - 1)).toBeGreaterThan(count - 1);
    }
  });

  it('does not read a text with more bytes than the tokens of the limit can have', async () => {
    const handle = engine.load('cl100k_base');
    const text = '-'.repeat(32 * MIB);
    const started = process.cpuUsage();
    for (let turn = 0; turn < 100; turn++) {
      expect(engine.countUpTo(text, handle, 100)).toBe(101);
      expect(await engine.countUpToAsync(text, handle, 100)).toBe(101);
    }
    // Reading the text once takes longer than the bound for all calls.
    expect(process.cpuUsage(started).user).toBeLessThan(200_000);
  });
});

it('has no token longer than MAX_TOKEN_BYTES', () => {
  for (const encoding of ENCODING_NAMES) {
    let longest = 0;
    for (const [, token] of openRanks(encoding).tokens()) longest = Math.max(longest, token.length);
    expect(longest).toBeLessThanOrEqual(MAX_TOKEN_BYTES);
  }
});

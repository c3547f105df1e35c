import fc from 'fast-check';
import { isComplete, usuallyOrLong } from '../../../test/support/long.js';
import { randomText, seededRandom } from '../../../test/support/random-text.js';
import { SPECIAL_TOKENS } from './special-tokens.js';
import { ENCODING_NAMES } from '../engine/engine.js';
import { mergePiece } from './merge.js';
import { openRanks } from './ranks.js';
import type { RankFile } from './ranks.js';
import { encodeInSteps, LONG_PIECE_UNITS } from './encode.js';
import { mergeIncrementally } from './incremental-merge.js';

/** Runs a generator to its end. */
function finish<T>(steps: Generator<unknown, T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

function sameIds(text: string, got: readonly number[], want: Uint32Array): void {
  if (got.length !== want.length || got.some((id, index) => id !== want[index])) {
    expect({ text, ids: got }).toEqual({ text, ids: Array.from(want) });
  }
}

function joined(text: string, ranks: RankFile, segmentUnits: number): number[] {
  return [...encodeInSteps(text, ranks, segmentUnits)].flatMap((ids) => Array.from(ids));
}

describe.each(['cl100k_base', 'o200k_base', 'p50k_base', 'r50k_base'] as const)('%s', (name) => {
  const ranks = openRanks(name);
  const { vocabulary } = ranks;

  /** Token ids of our own pieces, each merged by our own code. */
  function own(text: string): number[] {
    const ids: number[] = [];
    for (let at = 0, end; at < text.length; at = end) {
      end = ranks.pieceEnd(text, at);
      if (end <= at) throw new Error(`no piece at ${at} of ${JSON.stringify(text)}`);
      ids.push(...finish(mergePiece(new TextEncoder().encode(text.slice(at, end)), vocabulary)));
    }
    return ids;
  }

  it('gives the ids of tiktoken for random texts, wherever a segment ends', () => {
    const random = seededRandom(7);
    for (let i = 0; i < usuallyOrLong(120, 30_000); i++) {
      const text = randomText(random, 60);
      const want = ranks.tokenizer.encode_ordinary(text);
      sameIds(text, own(text), want);
      sameIds(text, joined(text, ranks, 1 + (i % 40)), want);
    }
  });

  it('gives the ids of tiktoken for long pieces, merged at once and in windows of any size', () => {
    const random = seededRandom(11);
    const alphabets = [
      'a',
      ' ',
      '\n',
      "'",
      'abcdefghijklmnopqrstuvwxyz',
      'ab',
      'aeinrst',
      '字漢日本語',
      '\u0300\u0301\u0302',
      '-=_*#',
      '😀👍🎉',
      'ABCDEFGabcdefg',
      '\ud800字a',
    ];
    for (let i = 0; i < usuallyOrLong(80, 390); i++) {
      const alphabet = Array.from(alphabets[i % alphabets.length]);
      let text = '';
      for (let left = 1 + Math.floor(random() * 900); left > 0; left--) text += alphabet[Math.floor(random() * alphabet.length)];
      const want = ranks.tokenizer.encode_ordinary(text);
      sameIds(text, own(text), want);
      // Some windows are shorter than a token: their last tokens are always merged again.
      const windowBytes = [5, 40, 100, 333][i % 4];
      if (ranks.pieceEnd(text, 0) === text.length)
        sameIds(text, Array.from(finish(mergeIncrementally(new TextEncoder().encode(text), ranks, windowBytes))), want);
    }
  });

  it('merges bytes that repeat themselves as it merges others', () => {
    const part = fc.string({ unit: fc.constantFrom(...' \n\tab-=estéж中', '        '), minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(fc.array(fc.tuple(part, fc.integer({ min: 1, max: 400 })), { minLength: 1, maxLength: 3 }), (parts) => {
        const bytes = Buffer.from(parts.map(([text, times]) => text.repeat(times)).join(''));
        sameIds(bytes.toString(), Array.from(finish(mergeIncrementally(bytes, ranks))), finish(mergePiece(bytes, vocabulary)));
      }),
      { numRuns: usuallyOrLong(30, 1_000) },
    );
  });

  it('merges no block of a run, because blocks of one share no token', () => {
    const merge = jest.spyOn(ranks.merge, 'merge');
    for (const text of [`${' '.repeat(250)}word`, ' '.repeat(430), `some words${' '.repeat(600)}`]) {
      const bytes = Buffer.from(text);
      sameIds(text, Array.from(finish(mergeIncrementally(bytes, ranks))), finish(mergePiece(bytes, vocabulary)));
    }
    expect(merge).not.toHaveBeenCalled();
    const words = Buffer.from('abcdefgh'.repeat(40));
    sameIds('words', Array.from(finish(mergeIncrementally(words, ranks))), finish(mergePiece(words, vocabulary)));
    expect(merge).toHaveBeenCalled();
    merge.mockRestore();
  });

  it('merges the bytes of every token into that token, so ranks can be merged in ascending order', () => {
    // The first byte, which is in no other token, prevents a look-up of the whole piece.
    let tokens = 0;
    const step = usuallyOrLong(36, 1);
    for (const [id, bytes] of ranks.tokens()) {
      if (id % step !== 0) continue;
      const parts = finish(mergePiece(Uint8Array.of(0xff, ...bytes), vocabulary));
      if (parts.length !== 2 || parts[1] !== id) throw new Error(`token ${id} merges to ${parts.join()}`);
      tokens += 1;
    }
    expect(tokens).toBeGreaterThan(50_000 / step);
  });

  it('returns true from has() for the ids of ordinary tokens only', () => {
    const missing = { cl100k_base: 100256, o200k_base: 199998, p50k_base: 50256, r50k_base: 50256 }[name];
    expect(ranks.has(missing)).toBe(false);
    expect(ranks.has(0)).toBe(true);
    expect(ranks.has(ranks.size - 1)).toBe(true);
    expect(ranks.has(ranks.size)).toBe(false);
  });

  it('ends a segment of encodeInSteps at its limit, however short the pieces are', () => {
    for (const text of ['word '.repeat(20_000), ' .\n'.repeat(30_000), '字，'.repeat(30_000), '1 \n'.repeat(30_000)]) {
      const steps = [...encodeInSteps(text, ranks, 1024)];
      // A token has at least one byte, and a segment ends with the first piece that fills it.
      expect(Math.max(...steps.map((ids) => ids.length))).toBeLessThan((1024 + LONG_PIECE_UNITS) * 3);
      expect(steps.length).toBeGreaterThan(50);
    }
  });
});

// The pattern of o200k distinguishes the most character classes.
it('gives the ids of tiktoken for every code point', () => {
  const ranks = openRanks('o200k_base');
  const shapes = usuallyOrLong(96, 1);
  for (let block = 0; block < 0x110000; block += 16) {
    if (block >= 0x3400 && (block >> 4) % shapes !== 0) continue;
    let text = '';
    for (let point = block; point < block + 16; point++) {
      const c = String.fromCodePoint(point);
      text += point < 0x34000 || point >> 12 === 0xe0 ? `${c}s'${c} A${c}b${c}1${c}\n${c}/` : c;
    }
    sameIds(text, joined(text, ranks, 1), ranks.tokenizer.encode_ordinary(text));
  }
});

it('lists the special tokens that tiktoken publishes', () => {
  for (const name of ENCODING_NAMES) {
    if (name === 'o200k_harmony') continue;
    const data = jest.requireActual<{ special_tokens: Record<string, number> }>(`tiktoken/encoders/${name}.json`);
    expect(Object.fromEntries(SPECIAL_TOKENS[name])).toEqual(data.special_tokens);
  }
  const harmony = SPECIAL_TOKENS.o200k_harmony;
  expect(harmony.get('<|call|>')).toBe(200012);
  expect(harmony.get('<|reserved_200013|>')).toBe(200013);
  expect(harmony.get('<|reserved_201087|>')).toBe(201087);
  expect(harmony.get('<|endofprompt|>')).toBe(200018);
  expect(new Set(harmony.values()).size).toBe(201087 - 199998 + 1);
});

describe('encodeInSteps', () => {
  it('encodes a piece of a million units without cutting a surrogate pair between two steps', () => {
    const ranks = openRanks('o200k_base');
    const units = 1 << 20;
    const whole = (text: string): number[] => Array.from(finish(mergeIncrementally(new TextEncoder().encode(text), ranks)));
    const cut = `${'-'.repeat(units - 1)}😀${'-'.repeat(usuallyOrLong(9, units))}`;
    const others = [`${'='.repeat(units - 1)}\ud83d${'='.repeat(9)}`, '-'.repeat(units)];
    for (const text of [cut, ...(isComplete ? others : [])])
      sameIds(text.slice(0, 10), joined(text, ranks, 1024), Uint32Array.from(whole(text)));
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../test/project/sources.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { ENCODING_NAMES } from '../engine/engine.js';
import type { EncodingName, TokenCounterEngine } from '../engine/engine.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { TypeScriptTokenCounterEngine } from '../engine/typescript.js';
import { cpuTimer } from '../../../test/support/cpu-time.js';

interface WorstVector {
  readonly parts: readonly (readonly [part: string, times: number])[];
  readonly ids: readonly (readonly [id: number, times: number])[];
}

interface WorstVectors {
  /** Maps an encoding to the one with its vectors: the two differ only in their special tokens. */
  readonly as: Readonly<Partial<Record<EncodingName, EncodingName>>>;
  readonly encodings: Readonly<Partial<Record<EncodingName, readonly WorstVector[]>>>;
}

const vectors = JSON.parse(readFileSync(join(root, 'test/vectors/token-counter-worst.json'), 'utf8')) as WorstVectors;
const { binding } = openNativeBinding();
const engines: TokenCounterEngine[] = [new TypeScriptTokenCounterEngine()];
if (binding) engines.push(new NativeTokenCounterEngine(binding));

describe.each(engines.map((engine) => [engine.engine, engine] as const))('slow texts in the %s engine', (_name, engine) => {
  it.each(ENCODING_NAMES)('gives the ids of tiktoken for slow texts in %s', async (encoding) => {
    const handle = engine.load(encoding);
    expect.hasAssertions();
    for (const { parts, ids } of vectors.encodings[vectors.as[encoding] ?? encoding] ?? []) {
      const text = parts.map(([part, times]) => part.repeat(times)).join('');
      const want = ids.flatMap(([id, times]) => new Array<number>(times).fill(id));
      expect({ parts, ids: Array.from(engine.encode(text, handle)) }).toEqual({ parts, ids: want });
      expect({ parts, count: engine.count(text, handle) }).toEqual({ parts, count: want.length });
      expect({ parts, count: await engine.countUpToAsync(text, handle, want.length) }).toEqual({ parts, count: want.length });
      expect(Buffer.from(engine.decode(Uint32Array.from(want), handle)).toString()).toBe(text);
    }
  });
});

/** Lowest CPU time of three counts, in milliseconds. */
function countMs(engine: TokenCounterEngine, text: string, handle: number): number {
  let best = Infinity;
  for (let turn = 0; turn < 3; turn++) {
    const cpuMs = cpuTimer();
    engine.count(text, handle);
    best = Math.min(best, cpuMs());
  }
  return best;
}

describe.each(engines.map((engine) => [engine.engine, engine] as const))('runs of one character in the %s engine', (_name, engine) => {
  it('counts runs of one character in linear time, within a fixed multiple of the time of prose', () => {
    const handle = engine.load('o200k_base');
    const prose = 'Some words of prose, and then some more of them: none is rare. '.repeat(200);
    const proseMs = countMs(engine, prose, handle);
    for (const char of '-=\t') {
      const [short, long] = [1, 8].map((times) => countMs(engine, char.repeat(prose.length * times), handle));
      // Before the fix, such a run took over 1,000 ns per byte, 400 times the time of prose.
      expect(short / proseMs).toBeLessThan(engine.engine === 'native' ? 120 : 40);
      expect(long / short).toBeLessThan(16);
    }
  });
});

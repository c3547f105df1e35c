// A worker thread that has more tokens counted than it will live to see.
import { parentPort, workerData } from 'node:worker_threads';
import { openNativeBinding } from '../../../lib/engine/native-binding.js';
import { NativeTokenCounterEngine } from '../../../lib/token-counter/engine/native.js';

export type TokenizingKind = 'many texts' | 'long texts' | 'one run' | 'own bytes';

const { binding } = openNativeBinding();
if (binding === null) throw new Error('this needs the addon');
const engine = new NativeTokenCounterEngine(binding);
const handle = engine.load('o200k_base');

/** No two alike, so that none is known from before. */
const word = (seed: number): string => (Math.imul(seed + 1, 0x9e3779b1) >>> 0).toString(36);
const words = (count: number): string => Array.from({ length: count }, (_, at) => word(at)).join(' ');

/** Counts of bytes that other threads read where they are: each of another text. */
function ownBytes(counts: number): Promise<unknown> {
  const bytes = Buffer.from(`"${words(400_000)}"`);
  const count = (__: unknown, at: number) =>
    engine.countSlicesAsync({ bytes, texts: Uint32Array.of(1 + at, bytes.length - 1), isOwn: true }, handle, 2 ** 31 - 1);
  return Promise.all(Array.from({ length: counts }, count));
}

const counting: Record<TokenizingKind, () => Promise<unknown>> = {
  'many texts': () =>
    engine.countBatchAsync(
      Array.from({ length: 100_000 }, (_, at) => `${word(at)} ${word(at * 7)} `.repeat(60)),
      handle,
    ),
  'long texts': () => engine.countBatchAsync(new Array<string>(400).fill(words(200_000)), handle),
  'one run': () =>
    engine.countUpToAsync(
      words(200_000)
        .replaceAll(/[^a-z]/g, '')
        .repeat(20),
      handle,
      2 ** 31 - 1,
    ),
  'own bytes': () => ownBytes(1_000),
};
void counting[workerData as TokenizingKind]();
parentPort?.postMessage('counting');

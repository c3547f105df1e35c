import { measure, speedup } from '../harness/measure.js';
import { seeded } from '../harness/random.js';
import type { TokenCounterEngine } from '../../../lib/token-counter/engine/engine.js';
import type { BenchEncoding } from './contenders.js';
import { NATIVE } from './ours.js';
import { TEXT_KINDS, makeText } from './texts.js';
import type { TextKind } from './texts.js';

/** A thousand chat messages at once, on all cores, and what the main thread feels of it. */
export interface BatchRow {
  readonly engine: string;
  readonly encoding: BenchEncoding;
  readonly messages: number;
  readonly megabytes: number;
  /** Times one thread that counts the messages one by one. */
  readonly synchronous: number;
  readonly promise: number;
  /** Worst delay of a 1 ms timer on the main thread, in milliseconds: idle, and during batches. */
  readonly idleLatenessMs: number;
  readonly batchLatenessMs: number;
}

const MESSAGES = 1000;
const MESSAGES_OF_A_SMOKE_RUN = 100;
const PROSE: readonly TextKind[] = ['prose', 'prose', 'prose', 'prose', 'prose'];

/** From a greeting to a document: 12 B to 12 KB, log-uniform lengths, half of them plain prose. */
function chatMessages(count: number): string[] {
  const random = seeded(1000);
  const kinds = [...PROSE, ...TEXT_KINDS.slice(1, 6)];
  return Array.from({ length: count }, () =>
    makeText(kinds[Math.floor(random() * kinds.length)], Math.round(12 * 1000 ** random()), random),
  );
}

export async function batchRow(name: string, engine: TokenCounterEngine, encoding: BenchEncoding, quick: boolean): Promise<BatchRow> {
  const handle = engine.load(encoding);
  const messages = chatMessages(quick ? MESSAGES_OF_A_SMOKE_RUN : MESSAGES);
  const singles = (): number => messages.reduce((sum, text) => sum + engine.count(text, handle), 0);
  const right = singles();
  const check = (counts: Uint32Array): void => {
    const tokens = counts.reduce((sum, count) => sum + count, 0);
    if (tokens !== right) throw new Error(`${name}: a batch has ${tokens} tokens, its texts have ${right}`);
  };
  const samples = await measure(
    [
      { name: 'one thread', run: (times) => repeat(times, () => void singles()) },
      { name: 'synchronous', run: (times) => repeat(times, () => check(engine.countBatch(messages, handle))) },
      {
        name: 'promise',
        run: async (times) => {
          for (let i = 0; i < times; i++) check(await engine.countBatchAsync(messages, handle));
        },
      },
    ],
    { rounds: quick ? 2 : name === NATIVE ? 15 : 4, minMs: quick ? 5 : 30, keep: () => true },
  );
  const forMs = quick ? 100 : 1500;
  const idleLatenessMs = await latenessDuring(forMs, () => new Promise((resolve) => setTimeout(resolve, 20)));
  const batchLatenessMs = await latenessDuring(forMs, () => engine.countBatchAsync(messages, handle));
  return {
    engine: name,
    encoding,
    messages: messages.length,
    megabytes: messages.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6,
    synchronous: speedup(samples, 'synchronous', 'one thread'),
    promise: speedup(samples, 'promise', 'one thread'),
    idleLatenessMs,
    batchLatenessMs,
  };
}

function repeat(times: number, work: () => void): void {
  for (let i = 0; i < times; i++) work();
}

/** The worst delay of a 1 ms timer while `work` runs again and again. */
async function latenessDuring(ms: number, work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let worst = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last - 1);
    last = now;
  }, 1);
  const until = last + ms;
  while (performance.now() < until) {
    await work();
    await new Promise(setImmediate);
  }
  // A timer that is late at the very end shows only once it has run.
  await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(timer);
  return worst;
}

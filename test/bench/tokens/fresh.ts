import type { Samples } from '../harness/measure.js';
import { median } from '../harness/measure.js';
import { REFERENCE } from './contenders.js';
import type { BenchEncoding } from './contenders.js';
import { compare, doesOtherWork, warmUp } from './counted.js';
import type { Differences, Opened } from './counted.js';
import { SERVICE } from './ours.js';
import { makeRow } from './row.js';
import type { Row } from './row.js';
import { staysToTheEnd } from './throughput.js';

/** Packages this many times slower than the best of them leave after `TRIAL_ROUNDS`. */
const LEAVE_BEHIND = 2;
const TRIAL_ROUNDS = 4;
const SLICES_PER_ROUND = 48;
/** Share of the stream that runs untimed first: a running service has already met common words. */
const WARM_UP_SHARE = 0.15;

export interface FreshEffort {
  readonly maxRounds: number;
  /** CPU time that each contender spends on the warm-up. */
  readonly warmUpMs: number;
}

/**
 * A stream of new texts: in each round, every contender counts the same slices once. Service and
 * native engine share their caches, so the service gets slices of its own.
 */
export async function freshRow(
  label: string,
  encoding: BenchEncoding,
  slices: readonly string[],
  opened: readonly Opened[],
  { maxRounds, warmUpMs }: FreshEffort,
): Promise<Row> {
  const warmUpSlices = slices.slice(0, Math.ceil(slices.length * WARM_UP_SHARE));
  for (const contender of opened) await warmUp(contender, warmUpSlices, warmUpMs);
  const perRound = Math.min(SLICES_PER_ROUND, Math.floor((slices.length - warmUpSlices.length) / (2 * maxRounds)));
  const reference = opened.find(({ name }) => name === REFERENCE) as Opened;
  const samples: Samples = new Map(opened.map(({ name }) => [name, new Array<number>(maxRounds).fill(NaN)]));
  const differences: Record<string, Differences> = {};
  let running = [...opened];
  let bytes = 0;

  for (let round = 0; round < maxRounds; round++) {
    const start = warmUpSlices.length + round * 2 * perRound;
    const seenByAll = slices.slice(start, start + perRound);
    const seenByService = slices.slice(start + perRound, start + 2 * perRound);
    const lengthOf = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    bytes += lengthOf(seenByAll);
    const scale = lengthOf(seenByAll) / lengthOf(seenByService);
    const counts = new Map<string, Float64Array>();
    for (let turn = 0; turn < running.length; turn++) {
      const contender = running[(turn + round) % running.length];
      const out = new Float64Array(perRound);
      const isService = contender.name === SERVICE;
      const ns = await timeStream(contender, isService ? seenByService : seenByAll, out);
      counts.set(contender.name, out);
      (samples.get(contender.name) as number[])[round] = isService ? ns * scale : ns;
    }
    const expectedByService = seenByService.map((text) => reference.counter.count(text) as number);
    for (const { name } of running) {
      const right: ArrayLike<number> = name === SERVICE ? expectedByService : (counts.get(REFERENCE) as Float64Array);
      const found = (differences[name] ??= { tokens: 0, of: 0, first: '' });
      (counts.get(name) as Float64Array).forEach((tokens, i) => compare(found, tokens, right[i]));
    }
    running = running.filter(({ name }) => !doesOtherWork(differences[name]));
    if (round + 1 === TRIAL_ROUNDS) {
      const speed = (name: string): number => median(samples.get(name) as number[]);
      const best = Math.min(...running.filter(({ name }) => !staysToTheEnd(name)).map(({ name }) => speed(name)));
      running = running.filter(({ name }) => staysToTheEnd(name) || speed(name) <= best * LEAVE_BEHIND);
    }
  }
  for (const name of Object.keys(differences)) if (doesOtherWork(differences[name])) samples.delete(name);
  const wrong = Object.fromEntries(Object.entries(differences).filter(([, { tokens }]) => tokens > 0));
  return makeRow(samples, { mode: 'fresh', label, encoding, wrong, bytesPerOperation: bytes / maxRounds, textsPerOperation: perRound });
}

async function timeStream({ counter, asynchronous }: Opened, texts: readonly string[], out: Float64Array): Promise<number> {
  const start = process.hrtime.bigint();
  if (asynchronous) for (let i = 0; i < texts.length; i++) out[i] = await counter.count(texts[i]);
  else for (let i = 0; i < texts.length; i++) out[i] = counter.count(texts[i]) as number;
  return Number(process.hrtime.bigint() - start);
}

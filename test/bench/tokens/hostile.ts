import { join } from 'node:path';
import { PatientChild, TIMED_OUT } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type { BenchEncoding, Contender } from './contenders.js';
import type { Opened } from './counted.js';
import type { HostileAnswer, HostileQuestion } from './hostile.child.js';
import { HOSTILE_KINDS, hostileText } from './hostile-texts.js';

/** 100 KB in one piece, and what becomes of the time when the text grows. */
export interface HostileRow {
  readonly kind: string;
  readonly encoding: BenchEncoding;
  /** Milliseconds for 100 KB and for 1 MB, and how much longer 1 MB takes than 500 KB: about 2 when time grows with the length. */
  readonly ours: Record<string, { ms100k: number; ms1m: number; doubling: number }>;
  /** Milliseconds for 100 KB by package; a text when there is no figure: `> 3 s`, an error. */
  readonly peers: Record<string, number | string>;
}

const SIZE = 100_000;

function timed(counter: Opened['counter'], text: string): number {
  const start = performance.now();
  void counter.count(text);
  return performance.now() - start;
}

/** The median of 5, or what fits into half a second. */
function steady(counter: Opened['counter'], text: string): number {
  const times: number[] = [];
  const until = performance.now() + 500;
  do times.push(timed(counter, text));
  while (times.length < 5 && performance.now() < until);
  return median(times);
}

export function hostileOurs(opened: readonly Opened[], encoding: BenchEncoding, size = SIZE): HostileRow[] {
  return HOSTILE_KINDS.map((kind) => {
    const [small, half, whole] = [size, 5 * size, 10 * size].map((bytes) => hostileText(kind, bytes)) as [string, string, string];
    const ours = Object.fromEntries(
      opened.map(({ name, counter }) => {
        const [ms100k, msHalf, ms1m] = [small, half, whole].map((text) => steady(counter, text)) as [number, number, number];
        return [name, { ms100k, ms1m, doubling: ms1m / msHalf }];
      }),
    );
    return { kind, encoding, ours, peers: {} };
  });
}

/** One package on every kind, in a process of its own that is ended when a text takes longer than `capMs`. */
export async function hostilePeer(peer: Contender, encoding: BenchEncoding, capMs: number): Promise<Record<string, number | string>> {
  const child = new PatientChild(join(__dirname, 'hostile.child.js'));
  const ask = (question: Omit<HostileQuestion, 'name' | 'encoding'>, ms: number): Promise<HostileAnswer | typeof TIMED_OUT> =>
    child.ask<HostileAnswer>({ name: peer.name, encoding, ...question }, ms);
  const results: Record<string, number | string> = {};
  for (const kind of HOSTILE_KINDS) {
    try {
      await ask({}, 20_000);
      const answer = await ask({ kind, bytes: SIZE }, capMs);
      results[kind] = answer === TIMED_OUT ? `> ${capMs / 1000} s` : (answer.error ?? answer.ms);
    } catch (error) {
      results[kind] = (error as Error).message;
    }
  }
  child.close();
  return results;
}

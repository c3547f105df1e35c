import { join } from 'node:path';
import { PatientChild, TIMED_OUT } from '../harness/child.js';
import { median } from '../harness/measure.js';
import type { BenchEncoding, Contender } from './contenders.js';
import type { Opened } from './counted.js';
import type { HostileAnswer, HostileQuestion } from './hostile.child.js';
import { HOSTILE_KINDS, hostileText } from './hostile-texts.js';

/** Milliseconds for 100 KB and 1 MB, and the ratio of 1 MB to 500 KB: about 2 for linear time. */
export interface OursOnHostile {
  readonly ms100k: number;
  readonly ms1m: number;
  readonly doubling: number;
}

/** 100 KB in one piece, and what becomes of the time when the text grows. */
export interface HostileRow {
  readonly kind: string;
  readonly encoding: BenchEncoding;
  readonly ours: Record<string, OursOnHostile>;
  /** Milliseconds for 100 KB by package; a text when there is no figure: `> 1 s`, an error. */
  readonly peers: Record<string, number | string>;
}

const SIZE = 100_000;

const ROUNDS = 7;
const LONGEST_MS = 800;

/** The three sizes alternately, so that a noisy moment does not pass for a text that takes longer. */
function timeSizes(counter: Opened['counter'], texts: readonly string[]): OursOnHostile {
  const rounds: number[][] = [];
  const until = performance.now() + LONGEST_MS;
  do {
    rounds.push(
      texts.map((text) => {
        const start = performance.now();
        void counter.count(text);
        return performance.now() - start;
      }),
    );
  } while (rounds.length < ROUNDS && performance.now() < until);
  return {
    ms100k: median(rounds.map(([small]) => small)),
    ms1m: median(rounds.map(([, , whole]) => whole)),
    doubling: median(rounds.map(([, half, whole]) => whole / half)),
  };
}

export function hostileOurs(opened: readonly Opened[], encoding: BenchEncoding, size = SIZE): HostileRow[] {
  return HOSTILE_KINDS.map((kind) => {
    const texts = [size, 5 * size, 10 * size].map((bytes) => hostileText(kind, bytes));
    const ours = Object.fromEntries(opened.map(({ name, counter }) => [name, timeSizes(counter, texts)]));
    return { kind, encoding, ours, peers: {} };
  });
}

/** One package on all kinds, in its own process, which is killed after `capMs` on one text. */
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

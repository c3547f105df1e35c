import { median, speedup } from '../harness/measure.js';
import type { Samples } from '../harness/measure.js';
import { REFERENCE } from './contenders.js';
import type { BenchEncoding } from './contenders.js';
import type { Differences } from './counted.js';
import { NATIVE, OURS } from './ours.js';

export type RowMode = 'rotating' | 'hot' | 'cold' | 'fresh' | 'encode';

/** One line of the throughput table, with all that is known about it. */
export interface Row {
  readonly mode: RowMode;
  readonly label: string;
  readonly encoding: BenchEncoding;
  /** Nanoseconds per text, by contender. */
  readonly nsPerText: Record<string, number>;
  /** Megabytes of UTF-8 per second, by contender: a scale, as it moves with the machine. */
  readonly mbPerS: Record<string, number>;
  /** How many times faster than tiktoken, by contender: medians of the ratios within a round. */
  readonly timesReference: Record<string, number>;
  /** The fastest right package that is neither ours nor the reference. */
  readonly best?: string;
  /** How many times faster than `best`, by each of ours. */
  readonly timesBest: Record<string, number>;
  /**
   * Contenders whose counts differ from tiktoken's; those with many differences are not measured.
   */
  readonly wrong: Record<string, Differences>;
}

interface RowFacts {
  readonly mode: RowMode;
  readonly label: string;
  readonly encoding: BenchEncoding;
  readonly bytesPerOperation: number;
  readonly textsPerOperation: number;
  readonly wrong: Record<string, Differences>;
}

/** Turns nanoseconds per operation into a row. */
export function makeRow(samples: Samples, facts: RowFacts): Row {
  const { mode, label, encoding, bytesPerOperation, textsPerOperation, wrong } = facts;
  const medians = new Map(
    [...samples].map(([name, values]) => [name, median(values)]).filter(([, ns]) => !Number.isNaN(ns)) as [string, number][],
  );
  const others = [...medians].filter(([name]) => !OURS.includes(name) && name !== REFERENCE).sort((a, b) => a[1] - b[1]);
  const best = others[0]?.[0];
  const over = (other: string, names: readonly string[]): Record<string, number> =>
    Object.fromEntries(names.filter((name) => medians.has(name)).map((name) => [name, speedup(samples, name, other)]));
  return {
    mode,
    label,
    encoding,
    nsPerText: Object.fromEntries([...medians].map(([name, ns]) => [name, ns / textsPerOperation])),
    mbPerS: Object.fromEntries([...medians].map(([name, ns]) => [name, (bytesPerOperation * 1e3) / ns])),
    timesReference: over(REFERENCE, [...medians.keys()]),
    best,
    timesBest: best === undefined ? {} : over(best, OURS),
    wrong,
  };
}

/** One line for the progress display. */
export function describeRow(row: Row): string {
  const subject = row.mbPerS[NATIVE] === undefined ? 'typescript' : NATIVE;
  const speed = row.mbPerS[subject]?.toFixed(1) ?? '-';
  const times = row.timesReference[subject]?.toFixed(1) ?? '-';
  const best = row.best === undefined ? '' : `, ${row.timesBest[subject]?.toFixed(1) ?? '-'}x ${row.best}`;
  return `${row.encoding} ${row.mode} ${row.label}: ${subject} ${speed} MB/s, ${times}x tiktoken${best}`;
}

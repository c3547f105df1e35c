import { atLeast, atMost, type Verdict } from '../harness/verdict.js';
import type { BatchRow } from './batch.js';
import type { FamilyRow } from './families.js';
import type { FamilyLoadRow } from './family-load.js';
import { familyVerdicts } from './family-report.js';
import type { HostileRow } from './hostile.js';
import type { LoadCost } from './load.js';
import { NATIVE, OURS, TYPESCRIPT } from './ours.js';
import type { Row } from './row.js';

/** What the native engine is meant to reach: [times tiktoken, times the best other package]. */
const RATIOS: Record<string, readonly number[]> = {
  'rotating 11 B prose': [40, 3.5],
  'rotating 60 B prose': [130, 15],
  'rotating 500 B prose': [220, 33],
  'rotating 4 KB prose': [230, 36],
  'rotating 64 KB prose': [180, 28],
  'rotating 4 KB code': [200, 30],
  'rotating 4 KB json': [250, 33],
  'rotating 4 KB cjk': [40, 6],
  'rotating 4 KB emoji': [43, 10],
  'rotating 4 KB multilingual': [45, 9],
  'rotating 1 MB mixed': [40, 12],
  'fresh md': [50, 10],
  'fresh js': [50, 10],
  'fresh ts': [50, 10],
  'fresh json': [30, 6],
  'cold 4 KB prose': [100],
  'cold 4 KB code': [75],
  'cold 4 KB cjk': [18],
  'encode 4 KB prose': [20],
};

const HOSTILE_MS: Record<string, number> = { [NATIVE]: 10, [TYPESCRIPT]: 300 };
const DOUBLING = 2.2;
const BATCH_SPEEDUP = 1.7;
const TIMER_LATENESS_MS = 5;
const READY_MS = 25;
const RSS_MB = 20;

/** What the run measured. */
export interface TokensResult {
  readonly rows: readonly Row[];
  readonly hostile: readonly HostileRow[];
  readonly batches: readonly BatchRow[];
  readonly load: readonly { name: string; encoding: string; cost: LoadCost | string }[];
  readonly families: readonly FamilyRow[];
  readonly familyLoads: readonly FamilyLoadRow[];
}

/** Rows in which another package is faster than ours, through the engine or through the service. */
export function losses(rows: readonly Row[]): string[] {
  return rows.flatMap((row) =>
    OURS.filter((name) => name !== TYPESCRIPT).flatMap((name) => {
      const [overBest, overReference] = [row.timesBest[name] ?? Infinity, row.timesReference[name] ?? Infinity];
      const rival = overBest < 1 ? row.best : overReference < 1 ? 'tiktoken' : undefined;
      return rival === undefined
        ? []
        : [`${row.encoding} ${row.mode} ${row.label}: ${rival} is faster than ${name} (${Math.min(overBest, overReference).toFixed(2)}x)`];
    }),
  );
}

/** Every target beside its figure; rows in which we count wrong. */
export function verdicts({ rows, hostile, batches, load, families, familyLoads }: TokensResult): Verdict[] {
  return [
    ...rows.flatMap((row) => [
      ...OURS.flatMap((name) => (row.wrong[name] ? [wrongCount(row, name)] : [])),
      ...ratioVerdicts(row, RATIOS[`${row.mode} ${row.label}`] ?? []),
    ]),
    ...hostile.flatMap(({ kind, encoding, ours }) =>
      Object.entries(ours).flatMap(([name, { ms100k, ms1m, doubling }]) => [
        ...atMost(`${encoding} hostile ${kind}, ${name}, 100 KB of 1 MB`, Math.max(ms100k, ms1m / 10), HOSTILE_MS[name] ?? Infinity, ' ms'),
        ...atMost(`${encoding} hostile ${kind}, ${name}, doubled`, doubling, DOUBLING, ' x'),
      ]),
    ),
    ...batches.flatMap(({ encoding, engine, promise, batchLatenessMs }) => [
      ...(engine === NATIVE ? atLeast(`${encoding} batch, two cores`, promise, BATCH_SPEEDUP, ' x one thread') : []),
      ...atMost(`${encoding} batch, ${engine}, a 1 ms timer is late by`, batchLatenessMs, TIMER_LATENESS_MS, ' ms'),
    ]),
    ...load.flatMap(({ name, encoding, cost }) =>
      name !== NATIVE || typeof cost === 'string'
        ? []
        : [
            ...atMost(`${encoding} ready after loading`, cost.readyMs, READY_MS, ' ms'),
            ...atMost(`${encoding} memory`, cost.rssMb, RSS_MB, ' MB'),
          ],
    ),
    ...familyVerdicts(families, familyLoads),
  ];
}

function ratioVerdicts(row: Row, [reference, best]: readonly number[]): Verdict[] {
  const what = `${row.encoding} ${row.mode} ${row.label}`;
  return [
    ...(reference ? atLeast(what, row.timesReference[NATIVE], reference, ' x tiktoken') : []),
    ...(best ? atLeast(what, row.timesBest[NATIVE], best, ' x best other') : []),
  ];
}

function wrongCount(row: Row, name: string): Verdict {
  return {
    what: `${row.encoding} ${row.mode} ${row.label}, ${name}`,
    target: "tiktoken's count",
    measured: row.wrong[name].first,
    met: false,
  };
}

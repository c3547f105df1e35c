import type { BatchRow } from './batch.js';
import type { HostileRow } from './hostile.js';
import type { LoadCost } from './load.js';
import { NATIVE, OURS, TYPESCRIPT } from './ours.js';
import type { Row } from './row.js';

/** What the native engine is meant to reach: [times tiktoken, times the best other package]. */
const RATIOS: Record<string, readonly [number, number?]> = {
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

/** Targets that this run missed, in words. */
export function missedTargets({ rows, hostile, batches, load }: TokensResult): string[] {
  const missed: string[] = [];
  const miss = (what: string, got: number, unit: string, wanted: string): void =>
    void missed.push(`${what}: ${got.toFixed(2)}${unit}, target ${wanted}`);
  for (const row of rows) {
    for (const name of OURS)
      if (row.wrong[name]) missed.push(`${row.encoding} ${row.mode} ${row.label}: ${name} counts wrong, ${row.wrong[name].first}`);
    const [reference, best] = RATIOS[`${row.mode} ${row.label}`] ?? [];
    const what = `${row.encoding} ${row.mode} ${row.label}`;
    const [overReference, overBest] = [row.timesReference[NATIVE], row.timesBest[NATIVE]];
    if (reference && overReference !== undefined && overReference < reference) miss(what, overReference, 'x tiktoken', String(reference));
    if (best && overBest !== undefined && overBest < best) miss(what, overBest, `x ${row.best}`, String(best));
  }
  for (const { kind, encoding, ours } of hostile) {
    for (const [name, { ms100k, ms1m, doubling }] of Object.entries(ours)) {
      const limit = HOSTILE_MS[name] ?? Infinity;
      if (Math.max(ms100k, ms1m / 10) > limit)
        miss(`${encoding} hostile ${kind}, ${name}`, Math.max(ms100k, ms1m / 10), ' ms per 100 KB', `${limit}`);
      if (doubling > DOUBLING) miss(`${encoding} hostile ${kind}, ${name}`, doubling, 'x when doubled', `${DOUBLING}`);
    }
  }
  for (const batch of batches) {
    const what = `${batch.encoding} batch, ${batch.engine}`;
    if (batch.engine === NATIVE && batch.promise < BATCH_SPEEDUP) miss(what, batch.promise, 'x one thread', `${BATCH_SPEEDUP}`);
    if (batch.batchLatenessMs > TIMER_LATENESS_MS) miss(what, batch.batchLatenessMs, ' ms timer lateness', `${TIMER_LATENESS_MS}`);
  }
  for (const { name, encoding, cost } of load) {
    if (name !== NATIVE || typeof cost === 'string') continue;
    if (cost.readyMs > READY_MS) miss(`${encoding} load`, cost.readyMs, ' ms', `${READY_MS}`);
    if (cost.rssMb > RSS_MB) miss(`${encoding} load`, cost.rssMb, ' MB', `${RSS_MB}`);
  }
  return missed;
}

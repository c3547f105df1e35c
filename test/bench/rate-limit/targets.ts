import type { Verdict } from '../harness/verdict.js';
import type { BudgetRow } from './budgets.js';
import type { DecisionRow } from './decisions.js';
import { GUARD, type GuardRow } from './guard.js';
import { FLAT_MB, growth, type ChurnRow, type MemoryRow } from './memory.js';
import { NATIVE, OURS } from './ours.js';
import type { PauseRow } from './pause.js';
import { REDIS_OURS, REDIS_PEER, type RedisRow } from './redis.js';
import type { SharedBudgetRow } from './shared-budgets.js';
import type { ThreadsRow } from './threads.js';

/** What the run measured. */
export interface RateLimitResult {
  readonly decisions: readonly DecisionRow[];
  readonly memory: MemoryRow;
  readonly churn: readonly ChurnRow[];
  readonly pauses: readonly PauseRow[];
  readonly threads?: ThreadsRow;
  readonly guards: readonly GuardRow[];
  readonly budgets: readonly BudgetRow[];
  readonly redis: readonly RedisRow[];
  readonly shared: readonly SharedBudgetRow[];
}

/** Nanoseconds of a native decision, the making of the key included. */
const NS: Record<string, number> = {
  '1 key, fresh': 200,
  '1,000 keys, fresh': 200,
  '100,000 keys, fresh': 350,
  '1,000,000 keys, fresh': 700,
  handle: 45,
};
const FLEXIBLE = 'rate-limiter-flexible';
const THROTTLER = '@nestjs/throttler storage';
/** How many times as fast as a peer, by row. A fixed-window counter in a Map may win on a handful of keys. */
const TIMES: Record<string, readonly (readonly [peer: string, times: number])[]> = {
  '1 key, fresh': [[FLEXIBLE, 1]],
  '1,000 keys, fresh': [[FLEXIBLE, 1]],
  '100,000 keys, fresh': [
    [FLEXIBLE, 6],
    [THROTTLER, 50],
  ],
};
/** Bytes of a key, and of each peer's the part. */
const BYTES = 50;
const MEMORY_SHARE = 5;

const round = (value: number): string => value.toFixed(value < 10 ? 2 : 0);

/** Every target beside its figure. */
export function verdicts(result: RateLimitResult): Verdict[] {
  const all: Verdict[] = [];
  const add = (what: string, target: string, measured: string, met: boolean): void => void all.push({ what, target, measured, met });
  for (const { label, ns } of result.decisions) {
    const own = ns[NATIVE];
    if (own === undefined) continue;
    const most = NS[label];
    if (most !== undefined) add(`${label}, ${NATIVE}`, `${most} ns`, `${round(own)} ns`, own <= most);
    for (const [peer, times] of TIMES[label] ?? []) {
      if (ns[peer] === undefined) continue;
      add(label, times === 1 ? `no slower than ${peer}` : `${times} x ${peer}`, `${round(ns[peer] / own)} x`, own * times <= ns[peer]);
    }
  }
  const { [NATIVE]: bytes, ...others } = result.memory;
  if (typeof bytes === 'number') {
    add('memory', `${BYTES} bytes a key`, `${round(bytes)}`, bytes <= BYTES);
    for (const [peer, peerBytes] of Object.entries(others)) {
      if (OURS.includes(peer) || typeof peerBytes !== 'number') continue;
      add('memory', `1/${MEMORY_SHARE} of ${peer}`, `1/${round(peerBytes / bytes)}`, bytes * MEMORY_SHARE <= peerBytes);
    }
  }
  for (const row of result.churn)
    add(`churn, ${row.engine}`, `${FLAT_MB} MB in the last half`, `${round(growth(row))} MB`, growth(row) <= FLAT_MB);
  for (const { engine, keys, worstMs } of result.pauses) {
    if (engine === NATIVE) add(`growth to ${keys.toLocaleString('en')} keys`, '1 ms', `${round(worstMs)} ms`, worstMs <= 1);
  }
  if (result.threads !== undefined) add('two workers', '1.6 x one', `${round(result.threads.ratio)} x`, result.threads.ratio >= 1.6);
  for (const { adapter, ns } of result.guards) {
    const [bare, full] = [ns[`${NATIVE}, ${GUARD.bare}`], ns[`${NATIVE}, ${GUARD.full}`]];
    if (bare === undefined) continue;
    add(`guard, ${adapter}, headers off`, '1,500 ns', `${round(bare)} ns`, bare <= 1500);
    add(`guard, ${adapter}, all headers`, '2,500 ns', `${round(full)} ns`, full <= 2500);
    const throttler = ns[GUARD.throttler60];
    if (throttler !== undefined)
      add(`guard, ${adapter}, all headers`, '1/2 of ThrottlerGuard', `1/${round(throttler / full)}`, full * 2 <= throttler);
  }
  for (const { label, ratio } of result.budgets) {
    if (label === NATIVE) add('one budget, native', '1.5 x without', `${round(ratio)} x`, ratio <= 1.5);
  }
  for (const { label, timesPeer } of result.redis) {
    const own = timesPeer[REDIS_OURS];
    if (Number.isNaN(own)) continue;
    add(`Redis, ${label}`, `1.4 x ${REDIS_PEER}`, `${round(own)} x`, own >= 1.4);
  }
  return all;
}

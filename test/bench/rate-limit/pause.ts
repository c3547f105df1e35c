import { PerformanceObserver } from 'node:perf_hooks';
import type { RateLimitEngine } from '../../../lib/rate-limit/engine/engine.js';
import { flat, freshKey } from './keys.js';
import { openEngine, type EngineKind } from './ours.js';

/** Decisions timed together: reading the clock takes longer than one decision. */
const BLOCK = 64;
/** Keys before those that count: V8 compiles meanwhile. */
const WARM_UP = 200_000;

/** Longest decision while a space grows to so many keys, without pauses of the collector. */
export interface PauseRow {
  readonly engine: string;
  readonly keys: number;
  readonly worstMs: number;
}

/** A block of decisions, by `performance.now()`, and what of that time was theirs. */
interface Block {
  readonly startMs: number;
  readonly endMs: number;
  readonly ownMs: number;
}

/** The best of several runs: a page fault or a timer of the system shows as a pause, too. */
export async function pauseRow(kind: EngineKind, keys: number, runs: number): Promise<PauseRow> {
  const engine = openEngine(kind);
  const collections: { readonly startMs: number; readonly endMs: number }[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) collections.push({ startMs: startTime, endMs: startTime + duration });
  });
  observer.observe({ entryTypes: ['gc'] });
  let worstMs = Infinity;
  for (let run = 0; run < runs; run++) {
    const blocks = grow(engine, keys);
    // Until the observer has been told.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const own = blocks.filter(({ startMs, endMs }) => !collections.some((other) => other.startMs < endMs && other.endMs > startMs));
    worstMs = Math.min(worstMs, Math.max(0, ...own.map(({ ownMs }) => ownMs)));
  }
  observer.disconnect();
  return { engine: kind, keys, worstMs };
}

/**
 * The slow blocks. The time of a block is the lesser of wall time and CPU time: another process
 * adds to the one, another thread of this process to the other.
 */
function grow(engine: RateLimitEngine, keys: number): Block[] {
  const space = engine.open(null, keys * 2);
  const policy = engine.policy({ scope: 'bench', requestsPerMinute: 10, tokensPerMinute: 1000 });
  const names = new Array<string>(BLOCK);
  const blocks: Block[] = [];
  for (let first = 0; first < keys + WARM_UP; first += BLOCK) {
    for (let i = 0; i < BLOCK; i++) names[i] = flat(freshKey(first + i));
    const startMs = performance.now();
    const before = process.cpuUsage();
    for (let i = 0; i < BLOCK; i++) engine.check(space, { policy, key: names[i] }, { cost: 1, tokens: 1, nowMs: 1.7e12 });
    const { user, system } = process.cpuUsage(before);
    const endMs = performance.now();
    const ownMs = Math.min(endMs - startMs, (user + system) / 1_000);
    if (ownMs > 0.1 && first >= WARM_UP) blocks.push({ startMs, endMs, ownMs });
  }
  engine.close(space);
  return blocks;
}

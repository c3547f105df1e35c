import { freshKey } from './keys.js';
import { openEngine, type EngineKind } from './ours.js';

/** Decisions whose processor time is read together: to read it for each would take longer than to decide. */
const BLOCK = 64;

/** The longest that one decision can have taken while a space grew to so many keys: its table's growth, and not the collector's. */
export interface PauseRow {
  readonly engine: string;
  readonly keys: number;
  readonly worstMs: number;
}

/** The best of several runs: a page fault or a timer of the system shows as a pause, too. */
export function pauseRow(kind: EngineKind, keys: number, runs: number): PauseRow {
  let worstMs = Infinity;
  for (let run = 0; run < runs; run++) {
    const engine = openEngine(kind);
    const space = engine.open(null, keys * 2);
    const policy = engine.policy({ scope: 'bench', requestsPerMinute: 10, tokensPerMinute: 1000 });
    const names = new Array<string>(BLOCK);
    let worst = 0;
    for (let first = 0; first < keys; first += BLOCK) {
      for (let i = 0; i < BLOCK; i++) names[i] = freshKey(first + i);
      const start = process.cpuUsage();
      for (let i = 0; i < BLOCK; i++) engine.check(space, policy, names[i], 1, 1, 1.7e12);
      const { user, system } = process.cpuUsage(start);
      worst = Math.max(worst, user + system);
    }
    engine.close(space);
    worstMs = Math.min(worstMs, worst / 1_000);
  }
  return { engine: kind, keys, worstMs };
}

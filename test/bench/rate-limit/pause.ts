import { freshKey } from './keys.js';
import { openEngine, type EngineKind } from './ours.js';

/** The longest that one decision took while a space grew to so many keys: its table's growth, and not the collector's. */
export interface PauseRow {
  readonly engine: string;
  readonly keys: number;
  readonly worstMs: number;
}

/** The best of several runs: another process that had the processor shows as a pause, too. */
export function pauseRow(kind: EngineKind, keys: number, runs: number): PauseRow {
  let worstMs = Infinity;
  for (let run = 0; run < runs; run++) {
    const engine = openEngine(kind);
    const space = engine.open(null, keys * 2);
    const policy = engine.policy({ scope: 'bench', requestsPerMinute: 10, tokensPerMinute: 1000 });
    let worst = 0n;
    for (let index = 0; index < keys; index++) {
      const key = freshKey(index);
      const start = process.hrtime.bigint();
      engine.check(space, policy, key, 1, 1, 1.7e12);
      const took = process.hrtime.bigint() - start;
      if (took > worst) worst = took;
    }
    engine.close(space);
    worstMs = Math.min(worstMs, Number(worst) / 1e6);
  }
  return { engine: kind, keys, worstMs };
}

import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { median } from '../harness/measure.js';

/** What a process has taken by the time that its app listens. */
export interface StartUp {
  /** From the start of the process. */
  readonly readyMs: number;
  /** CPU time of the process by then. */
  readonly cpuMs: number;
  /** Resident memory after a garbage collection. */
  readonly megabytes: number;
}

/** Medians of as many starts, alternating between the app with and without the module. */
export async function started(rounds: number): Promise<{ readonly bare: StartUp; readonly withModule: StartUp }> {
  const found: Record<'bare' | 'module', StartUp[]> = { bare: [], module: [] };
  for (let round = 0; round < rounds; round++) {
    for (const app of ['bare', 'module'] as const) {
      found[app].push(await runForJson<StartUp>(join(__dirname, 'app.child.js'), [app], ['--expose-gc']));
    }
  }
  const medianOf = (all: readonly StartUp[]): StartUp => ({
    readyMs: median(all.map(({ readyMs }) => readyMs)),
    cpuMs: median(all.map(({ cpuMs }) => cpuMs)),
    megabytes: median(all.map(({ megabytes }) => megabytes)),
  });
  return { bare: medianOf(found.bare), withModule: medianOf(found.module) };
}

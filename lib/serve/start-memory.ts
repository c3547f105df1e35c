import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** By then the parts that the start has not used are loaded. */
const SETTLED_MS = 2_000;

/**
 * Keeps V8's young generation at its first size during the start. The allocations of a start would
 * fill the largest size (32 MB) once, and V8 does not return it while the process is idle.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Once the start is over and no request runs, collects its garbage, and lets the young generation
 * grow again under load.
 */
export function releaseStartMemory(isBusy: () => boolean): void {
  const timer = setTimeout(() => {
    if (isBusy()) {
      timer.refresh();
      return;
    }
    // Without compaction, what is left is spread over all pages.
    for (const flag of ['--expose-gc', '--compact-on-every-full-gc']) setFlagsFromString(flag);
    const collect = runInNewContext('gc') as (options?: object) => void;
    collect();
    for (const flag of ['--no-compact-on-every-full-gc', '--no-expose-gc']) setFlagsFromString(flag);
    // From V8 12 on, a pool keeps the freed pages until a collection for lack of memory.
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    setFlagsFromString('--semi-space-growth-factor=2');
  }, SETTLED_MS);
  timer.unref();
}

import { steadyNow } from '../../lib/common/clock.js';

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Waits until `holds`; fails after `forMs`, by default more than a loaded machine takes. Asks every
 * 2 ms at first and every 20 ms after a second, because the question may take more time than that.
 */
export async function until(holds: () => boolean | Promise<boolean>, forMs = 45_000): Promise<void> {
  const startMs = performance.now();
  while (!(await holds())) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs > forMs) throw new Error(`not within ${forMs} ms: ${holds.toString()}`);
    await sleep(Math.min(20, 2 + waitedMs / 50));
  }
}

/** A clock by which a minute begins now: the router counts by minutes, which must not end in a test. */
export function fromMinute(): () => number {
  const aheadMs = 60_000 - (steadyNow() % 60_000);
  return () => steadyNow() + aheadMs;
}

/** Waits if the minute may end during a test of a busy machine: the router counts by its minutes. */
export async function untilMinuteLasts(): Promise<void> {
  const leftMs = 60_000 - (Date.now() % 60_000);
  if (leftMs < 15_000) await sleep(leftMs);
}

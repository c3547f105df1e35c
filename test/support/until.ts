export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `holds`; fails after `forMs`, by default more than a loaded machine takes. */
export async function until(holds: () => boolean | Promise<boolean>, forMs = 20_000): Promise<void> {
  const endMs = performance.now() + forMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${forMs} ms: ${holds.toString()}`);
    await sleep(2);
  }
}

/** Waits if the minute ends within `ms`, because the router counts tokens per clock minute. */
export async function untilMinuteLasts(ms = 5_000): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < ms) await sleep(left);
}

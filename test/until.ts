export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `holds`; fails after `forMs`, by default more than a loaded machine takes. */
export async function until(holds: () => boolean | Promise<boolean>, forMs = 20_000): Promise<void> {
  const endMs = performance.now() + forMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${forMs} ms: ${holds.toString()}`);
    await sleep(2);
  }
}

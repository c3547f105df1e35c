/** Rounded down, like every reading: never before the wall clock as it was then. */
const startMs = Date.now() - performance.now();

/**
 * Whole milliseconds since 1970, as the wall clock had it when the process began and the monotonic clock has counted since: it never steps, so what
 * ends after a while ends after that while, whatever is done to the machine's time. For instants that stay in the process.
 */
export function steadyNow(): number {
  return Math.floor(startMs + performance.now());
}

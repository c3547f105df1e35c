/** The longest time that a timer takes, in milliseconds: with more, Node makes it 1. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Both in milliseconds since 1970. */
export interface Clocks {
  /** Never steps: for durations and deadlines. */
  readonly now: () => number;
  /** The wall clock, which an administrator may set: for instants that are shown. */
  readonly wall: () => number;
}

/** @param given Clock that replaces both. Default: the clocks of the process. */
export function clocksOf(given?: () => number): Clocks {
  return given === undefined ? { now: steadyNow, wall: () => Date.now() } : { now: given, wall: given };
}

/** Rounded down, like every reading: never before the wall clock as it was then. */
const startMs = Date.now() - performance.now();

/**
 * Whole milliseconds since 1970, as the wall clock had it when the process began and the monotonic
 * clock has counted since: a step of the machine's time changes no deadline in this process.
 */
export function steadyNow(): number {
  return Math.floor(startMs + performance.now());
}

/** Calls within one millisecond after which the following ones share a reading, and how many do. */
const BURST = 32;
/** The real one: a reading must not outlive its turn where a test has replaced the timers. */
const afterTurn = setImmediate;

/**
 * `steadyNow` for code that reads it thousands of times a millisecond, as a reading takes 60 ns. In
 * a burst up to 32 calls of one turn of the event loop share a reading: late by what they take,
 * never early.
 *
 * @param read Replacement for the monotonic clock.
 * @param beganMs Time at which that clock was 0, in milliseconds since 1970.
 */
export function burstClock(read?: () => number, beganMs = startMs): () => number {
  let nowMs = 0;
  let reads = 0;
  let shared = 0;
  let endsWithTurn = false;
  const end = (): void => {
    endsWithTurn = false;
    shared = 0;
  };
  return () => {
    if (--shared >= 0) return nowMs;
    const readMs = read === undefined ? Math.floor(beganMs + performance.now()) : read();
    reads = readMs === nowMs ? reads + 1 : 0;
    nowMs = readMs;
    shared = reads >= BURST ? BURST : 0;
    if (shared > 0 && !endsWithTurn) {
      endsWithTurn = true;
      afterTurn(end);
    }
    return nowMs;
  };
}

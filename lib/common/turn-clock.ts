import { steadyNow } from './steady-now.js';

/** So many readings of one millisecond, and the next are taken to follow as fast. */
const BUSY_READS = 32;
/** Calls that then share a reading. */
const SHARED_CALLS = 32;
/** The real one: a reading must not outlive its turn where a test has put the time in its own hands. */
const afterTurn = setImmediate;

/**
 * `steadyNow`, asked once for many calls where they come in bursts: it takes 20 to 60 ns, which is more than many a decision. A reading is shared by the calls
 * of one turn of the event loop alone, and by 32 at most: it may be late by the time that those take, never early.
 */
export function turnClock(read: () => number = steadyNow): () => number {
  let timeMs = 0;
  let reads = 0;
  let shared = 0;
  let isEnding = false;
  const end = (): void => {
    isEnding = false;
    shared = 0;
  };
  const ask = (): number => {
    shared = 0;
    const nowMs = read();
    if (nowMs !== timeMs) {
      timeMs = nowMs;
      reads = 0;
    } else if (++reads >= BUSY_READS) {
      shared = SHARED_CALLS;
      if (!isEnding) {
        isEnding = true;
        afterTurn(end);
      }
    }
    return timeMs;
  };
  // All else is kept apart, so that this is inlined where it is called.
  return () => (--shared >= 0 ? timeMs : ask());
}

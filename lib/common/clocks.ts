import { steadyNow } from './steady-now.js';

/** The longest time that a timer takes, in milliseconds: with more, Node makes it 1. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Both in milliseconds since 1970. */
export interface Clocks {
  /** Never steps: for how long something takes, and when it is over. */
  readonly now: () => number;
  /** What people and other machines call the time, which somebody may set: for instants that are shown. */
  readonly wall: () => number;
}

/** @param given A clock to stand for both. Default: those of the process. */
export function clocksOf(given?: () => number): Clocks {
  return given === undefined ? { now: steadyNow, wall: () => Date.now() } : { now: given, wall: given };
}

/**
 * How much a test does: `usually` in `npm test`, and `long` with `LONG=1`, as in `.ci/run` and `npm run ready`. The same test, the same code: only the
 * count or the duration differs. `npm run ready` finds the suites that need a long run by their import of this file.
 */
export function usuallyOrLong<T>(usually: T, long: T): T {
  return Number(process.env.LONG ?? 0) > 0 ? long : usually;
}

/** How many histories a test replays: with `LONG=1` as many as the contract asks for, with `LONG=20000` so many, otherwise `usually`. */
export function histories(usually: number): number {
  const asked = Number(process.env.LONG ?? 0);
  return asked > 1 ? asked : usuallyOrLong(usually, 100_000);
}

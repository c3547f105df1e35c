const asked = Number(process.env.LONG ?? 0);

/** Whether there is time for what is long. */
export const isLong = asked > 0;

/**
 * How much a test does: `usually` in `npm test`, `long` with `LONG=1`, and with `LONG=0.5` as many times more than usually as `long` is more than that. The
 * same test, the same code: only the count or the duration differs. `npm run ready` finds the suites that need a long run by their import of this file.
 */
export function usuallyOrLong(usually: number, long: number): number {
  return Math.round(usually * (long / usually) ** Math.min(asked, 1));
}

/** How many histories a test replays: with `LONG=1` as many as the contract asks for, with `LONG=20000` so many, otherwise `usually`. */
export function histories(usually: number): number {
  return asked > 1 ? asked : usuallyOrLong(usually, 100_000);
}

const asked = Number(process.env.LONG ?? 0);

/** True if tests run that `npm test` skips: those that compile types or pack the package. */
export const isLong = asked > 0;
/**
 * True if all adapters and pairs are tested, not a sample, and with packages that tests install:
 * every night, and in the workflow on one machine of each push.
 */
export const isComplete = asked >= 0.2;
/** True if tests have all of their dose. */
export const isWhole = asked >= 1;

/**
 * The count or duration of a test: `usually` in `npm test`, `long` with `LONG=1`, and between them,
 * on a logarithmic scale, with `LONG=0.5`. `npm run ready` runs the suites that import this file
 * longer.
 */
export function usuallyOrLong(usually: number, long: number): number {
  return Math.round(usually * (long / usually) ** Math.min(asked, 1));
}

/**
 * True for the pairs that are tested: all of them if the tests are complete, otherwise one of `every`
 * in each row, shifted by one from row to row, so that each row and each column is tested.
 */
export function isSampled(row: number, column: number, every: number): boolean {
  return isComplete || (row + column) % every === 0;
}

/** All of `list` if the tests are complete, otherwise its first entry. */
export function oneOrAll<T>(list: readonly T[]): readonly T[] {
  return isComplete ? list : list.slice(0, 1);
}

/** Histories to replay: 100,000 with `LONG=1`, so many with `LONG=20000`, otherwise `usually`. */
export function histories(usually: number): number {
  return asked > 1 ? asked : usuallyOrLong(usually, 100_000);
}

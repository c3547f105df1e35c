const asked = Number(process.env.LONG ?? 0);

/** True if the tests run in full. */
export const isLong = asked > 0;
/** The same with all of their dose. */
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
 * True for the pairs that are tested: all of them if the tests run in full, otherwise one of `every`
 * in each row, shifted by one from row to row, so that each row and each column is tested.
 */
export function isSampled(row: number, column: number, every: number): boolean {
  return isLong || (row + column) % every === 0;
}

/** All of `list` if the tests run in full, otherwise its first entry. */
export function oneOrAll<T>(list: readonly T[]): readonly T[] {
  return isLong ? list : list.slice(0, 1);
}

/** Histories to replay: 100,000 with `LONG=1`, so many with `LONG=20000`, otherwise `usually`. */
export function histories(usually: number): number {
  return asked > 1 ? asked : usuallyOrLong(usually, 100_000);
}

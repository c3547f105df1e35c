import fc from 'fast-check';
import { BUCKETS, DurationHistograms, durationOf } from './duration-histograms.js';
import { usuallyOrLong } from '../../../test/support/long.js';

const LAST = BUCKETS - 1;

/** The bucket that a duration is counted in. */
function bucketOf(durationMs: number): number {
  const histograms = new DurationHistograms();
  const counts = new Float64Array(BUCKETS);
  histograms.add(durationMs);
  histograms.addTo(counts, 'interval');
  return counts.indexOf(1);
}

describe('the scale of durations', () => {
  it('represents every duration from 31 ns to 17 minutes within 1 %', () => {
    const durations = fc.double({ min: Math.log(31e-6), max: Math.log(17 * 60_000), noNaN: true }).map(Math.exp);
    fc.assert(
      fc.property(durations, (durationMs) => {
        expect(Math.abs(durationOf(bucketOf(durationMs)) / durationMs - 1)).toBeLessThanOrEqual(0.01);
      }),
      { numRuns: usuallyOrLong(1_500, 20_000) },
    );
  });

  it('is monotonic through every bucket, and the duration of a bucket is in it', () => {
    const buckets = Array.from({ length: LAST + 1 }, (_, bucket) => bucket);
    expect(buckets.map((bucket) => bucketOf(durationOf(bucket)))).toEqual(buckets);
  });

  it.each([
    [0, 0],
    [5e-324, 0],
    [1e-7, 0],
    [2 ** 20, LAST],
    [Number.MAX_VALUE, LAST],
  ])('puts %d into the outermost bucket', (durationMs, bucket) => {
    expect(bucketOf(durationMs)).toBe(bucket);
  });
});

import { ReportedBucket } from './reported-bucket.js';

const bucketOf = (limit: number, remaining: number, resetMs?: number): ReportedBucket => {
  const bucket = new ReportedBucket();
  bucket.update({ limit, remaining, resetMs } as never, { atMs: 1000, total: 10 }, 1500);
  return bucket;
};

describe('ReportedBucket', () => {
  it.each<[string, ReportedBucket, number, number, number]>([
    ['what fits goes at once', bucketOf(100, 40), 40, 10, 0],
    ['what was sent since is missing', bucketOf(100, 40, 30_000), 40, 12, 1000],
    ['the rest refills up to the reset', bucketOf(100, 40, 30_000), 50, 10, 5000],
    ['without a reset it refills in a minute', bucketOf(100, 40), 50, 10, 6000],
    ['nor with a reset of 0', bucketOf(100, 40, 0), 50, 10, 6000],
    ['a full limit refills in a minute', bucketOf(100, 100, 5000), 100, 11, 600],
    ['more than the limit waits until it is full', bucketOf(100, 40, 30_000), 500, 10, 30_000],
  ])('%s', (_, bucket, cost, sent, waitMs) => {
    expect(bucket.waitMs(cost, sent, 1000)).toBeCloseTo(waitMs, 6);
  });

  it('ignores the answer to an earlier request, and has its figures and their age', () => {
    const bucket = bucketOf(100, 40, 30_000);
    bucket.update({ limit: 7, remaining: 7 } as never, { atMs: 999, total: 9 }, 1600);
    expect(bucket.figures(10, 1500)).toEqual({ limit: 100, remaining: 41, ageMs: 0 });
    expect(bucket.figures(60, 1700)).toEqual({ limit: 100, remaining: 0, ageMs: 200 });
    bucket.update({ limit: 7, remaining: 6 } as never, { atMs: 1000, total: 10 }, 1600);
    expect(bucket.figures(10, 1600)).toEqual({ limit: 7, remaining: 6, ageMs: 0 });
  });

  it('owes no more than its limit', () => {
    const bucket = bucketOf(100, 40, 60_000);
    expect(bucket.waitMs(1, 1_000_000, 1000)).toBeCloseTo(101_000, 6);
  });

  it('does not offset a refill that a full limit had no use for', () => {
    const bucket = bucketOf(100, 100, 1000);
    bucket.advance(10, 601_000);
    expect(bucket.waitMs(100, 110, 601_000)).toBeCloseTo(60_000, 6);
  });

  it('takes a reset that requests do not postpone for the end of a window', () => {
    const bucket = bucketOf(100, 50, 60_000);
    bucket.update({ limit: 100, remaining: 30, resetMs: 59_000 } as never, { atMs: 2000, total: 30 }, 2000);
    expect(bucket.waitMs(50, 30, 2000)).toBe(59_000);
    expect(bucket.waitMs(100, 30, 61_000)).toBe(0);
    const gradual = bucketOf(100, 50, 30_000);
    gradual.update({ limit: 100, remaining: 30, resetMs: 42_000 } as never, { atMs: 2000, total: 30 }, 2000);
    expect(gradual.waitMs(50, 30, 2000)).toBeCloseTo(12_000, 6);
  });
});

import { ReportedBucket } from './reported-bucket.js';
import { readReportedLimits } from './reported-limits.js';

const WALL_MS = Date.parse('2026-11-28T12:00:00Z');
const read = (headers: Record<string, string>) => readReportedLimits(new Headers(headers), WALL_MS);

describe('readReportedLimits', () => {
  it('reads OpenAI’s headers', () => {
    expect(
      read({
        'x-ratelimit-limit-requests': '5000',
        'x-ratelimit-remaining-requests': '4999',
        'x-ratelimit-reset-requests': '12ms',
        'x-ratelimit-limit-tokens': '160000',
        'x-ratelimit-remaining-tokens': '159976',
        'x-ratelimit-reset-tokens': '6m0.5s',
      }),
    ).toEqual([
      { counted: 'requests', limit: 5_000, remaining: 4_999, resetMs: 12 },
      { counted: 'tokens', limit: 160_000, remaining: 159_976, resetMs: 360_500 },
    ]);
  });

  it('reads Anthropic’s headers', () => {
    expect(
      read({
        'anthropic-ratelimit-requests-limit': '50',
        'anthropic-ratelimit-requests-remaining': '0',
        'anthropic-ratelimit-requests-reset': '2026-11-28T12:00:07Z',
        'anthropic-ratelimit-input-tokens-limit': '30000',
        'anthropic-ratelimit-input-tokens-remaining': '28000',
        'anthropic-ratelimit-input-tokens-reset': '2026-11-28T11:59:59Z',
        'anthropic-ratelimit-output-tokens-limit': '8000',
        'anthropic-ratelimit-output-tokens-remaining': '8000',
      }),
    ).toEqual([
      { counted: 'requests', limit: 50, remaining: 0, resetMs: 7_000 },
      { counted: 'inputTokens', limit: 30_000, remaining: 28_000, resetMs: 0 },
      { counted: 'outputTokens', limit: 8_000, remaining: 8_000, resetMs: undefined },
    ]);
  });

  it.each([
    ['nothing', {}],
    ['a rest without its limit', { 'x-ratelimit-remaining-requests': '3' }],
    ['a limit of 0', { 'x-ratelimit-limit-requests': '0', 'x-ratelimit-remaining-requests': '0' }],
    ['what is no count', { 'x-ratelimit-limit-requests': '-1', 'x-ratelimit-remaining-requests': 'many' }],
    ['a figure that is too large', { 'x-ratelimit-limit-requests': '9'.repeat(40), 'x-ratelimit-remaining-requests': '1' }],
  ])('leaves out %s', (_, headers) => {
    expect(read(headers as Record<string, string>)).toEqual([]);
  });

  it.each([
    ['1.5', 1_500],
    ['1d2h3m4.5s', 93_784_500],
    ['later', undefined],
    ['99999999h', undefined],
    [`${'1s'.repeat(30)}`, undefined],
  ])('reads the reset %s as %s', (reset, resetMs) => {
    const headers = { 'x-ratelimit-limit-requests': '9', 'x-ratelimit-remaining-requests': '5', 'x-ratelimit-reset-requests': reset };
    expect(read(headers)[0]).toMatchObject({ resetMs });
  });
});

describe('ReportedBucket', () => {
  const told = (remaining: number, resetMs: number) => ({ counted: 'requests', limit: 60, remaining, resetMs }) as const;

  it('counts requests sent since, and the refill in the meantime', () => {
    const bucket = new ReportedBucket();
    bucket.update(told(10, 50_000), { atMs: 1_000, total: 4 }, 1_200);
    expect(bucket.figures(4, 1_000)).toEqual({ limit: 60, remaining: 10, ageMs: -200 });
    expect(bucket.waitMs(1, 13, 1_000)).toBe(0);
    expect(bucket.waitMs(1, 14, 1_000)).toBe(1_000);
    expect(bucket.waitMs(1, 14, 1_500)).toBe(500);
    expect(bucket.figures(14, 600_000).remaining).toBe(50);
  });

  it('believes the answer to the latest request, in whatever order they come', () => {
    const bucket = new ReportedBucket();
    bucket.update(told(8, 52_000), { atMs: 2_000, total: 2 }, 2_100);
    bucket.update(told(9, 51_000), { atMs: 1_000, total: 1 }, 2_200);
    expect(bucket.figures(2, 2_000).remaining).toBe(8);
  });

  it('sends a request that exceeds the whole limit when the limit is full', () => {
    const bucket = new ReportedBucket();
    bucket.update(told(30, 30_000), { atMs: 0, total: 30 }, 0);
    expect(bucket.waitMs(1_000, 30, 0)).toBe(30_000);
    expect(bucket.waitMs(1_000, 30, 30_000)).toBe(0);
  });

  it('waits for the end of a window whose reset stays where it is', () => {
    const [refilled, stepped] = [new ReportedBucket(), new ReportedBucket()];
    for (let second = 0; second < 10; second++) {
      const sent = { atMs: second * 1_000, total: (second + 1) * 5 };
      // 5 a second are sent, 1 comes back.
      const missing = (second + 1) * 5 - second;
      refilled.update(told(60 - missing, missing * 1_000), sent, sent.atMs);
      stepped.update(told(60 - (second + 1) * 5, 60_000 - second * 1_000), sent, sent.atMs);
    }
    expect(refilled.waitMs(20, 50, 9_000)).toBeCloseTo(1_000, -1);
    expect(stepped.waitMs(20, 50, 9_000)).toBe(51_000);
    expect(stepped.waitMs(20, 50, 60_000)).toBe(0);
  });
});

import fc from 'fast-check';
import { WINDOW_INTERVALS } from './duration-histograms.js';
import { figuresOf, PerformanceSeries, type CallFigures } from './performance-series.js';

const ALL = { on: true, rate: 1 };
/** Bytes of tables that a series may have at most. */
const MOST_BYTES = 8192;

/** Nearest rank, as the histograms have it. */
const percentile = (sorted: readonly number[], share: number): number => sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1];

function expectFigures(figures: CallFigures, durations: readonly number[]): void {
  const sorted = [...durations].sort((a, b) => a - b);
  const sum = durations.reduce((total, each) => total + each, 0);
  expect(figures.measuredCalls).toBe(durations.length);
  expect(figures.totalDurationMs).toBeCloseTo(sum, 6);
  expect(figures.minDurationMs).toBe(sorted[0] ?? 0);
  expect(figures.maxDurationMs).toBe(sorted.at(-1) ?? 0);
  if (durations.length === 0) return;
  const shares = [
    [figures.p50DurationMs, 0.5],
    [figures.p95DurationMs, 0.95],
    [figures.p99DurationMs, 0.99],
  ] as const;
  for (const [found, share] of shares) expect(Math.abs(found / percentile(sorted, share) - 1)).toBeLessThanOrEqual(0.01);
}

const logarithmic = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min: Math.log(min), max: Math.log(max), noNaN: true }).map(Math.exp);

/** Durations, and `null` for the end of an interval. */
const history = (min: number, max: number): fc.Arbitrary<(number | null)[]> =>
  fc.array(fc.oneof({ weight: 12, arbitrary: logarithmic(min, max) }, { weight: 1, arbitrary: fc.constant(null) }), { maxLength: 400 });

function replay(events: readonly (number | null)[]) {
  const series = new PerformanceSeries('c', 'o', ALL);
  const intervals: number[][] = [[]];
  for (const event of events) {
    if (event === null) {
      series.rotate();
      intervals.push([]);
    } else {
      series.record(event);
      intervals.at(-1)!.push(event);
    }
  }
  return { series, total: intervals.flat(), window: intervals.slice(-WINDOW_INTERVALS).flat() };
}

describe('a series', () => {
  it('returns total and window of any history within 1 %', () => {
    fc.assert(
      fc.property(history(0.05, 50), (events) => {
        const { series, total, window } = replay(events);
        expectFigures(figuresOf([series], 'total', 1), total);
        expectFigures(figuresOf([series], 'window', 1), window);
        expect(series.bytes).toBeLessThanOrEqual(MOST_BYTES);
      }),
    );
  });

  it('keeps the total exact, and its size, however wide the durations are spread', () => {
    fc.assert(
      fc.property(history(31e-6, 1_000_000), (events) => {
        const { series, total, window } = replay(events);
        expectFigures(figuresOf([series], 'total', 1), total);
        expect(figuresOf([series], 'window', 1).measuredCalls).toBe(window.length);
        expect(series.bytes).toBeLessThanOrEqual(MOST_BYTES);
      }),
    );
  });

  it('adds up several series as if they were one', () => {
    fc.assert(
      fc.property(history(0.01, 100), history(1, 10_000), (one, other) => {
        const [a, b] = [replay(one), replay(other)];
        expectFigures(figuresOf([a.series, b.series], 'total', 1), [...a.total, ...b.total]);
      }),
    );
  });

  it('halves the counts when a bucket would overflow', () => {
    const series = new PerformanceSeries('c', 'o', ALL);
    const pages = (series as unknown as { durations: { counts: Uint32Array } }).durations;
    for (let round = 0; round < 10; round++) {
      for (const durationMs of [1, 1, 1, 100]) series.record(durationMs);
      for (const [index, count] of pages.counts.entries()) if (count > 0) pages.counts[index] = count > 1 ? 1_500_000_000 : 500_000_000;
      for (let turn = 0; turn <= WINDOW_INTERVALS; turn++) series.rotate();
    }
    const { p50DurationMs, p95DurationMs } = figuresOf([series], 'total', 1);
    expect(Math.abs(p50DurationMs - 1)).toBeLessThanOrEqual(0.01);
    expect(Math.abs(p95DurationMs - 100)).toBeLessThanOrEqual(1);
  });

  it('counts errors and sizes', () => {
    const series = new PerformanceSeries('c', 'o', ALL);
    series.record(1, true, 100, 10);
    series.record(3, false, 50);
    series.record(2);
    expect(figuresOf([series], 'total', 2)).toMatchObject({
      totalCalls: 3,
      errorCount: 1,
      errorRate: 1 / 3,
      successRate: 1 - 1 / 3,
      averageDurationMs: 2,
      throughputPerSecond: 1.5,
      totalInputSize: 150,
      totalOutputSize: 10,
    });
  });

  it.each([NaN, -1, Infinity, -Infinity])('ignores %d', (durationMs) => {
    const series = new PerformanceSeries('c', 'o', ALL);
    series.record(durationMs);
    expectFigures(figuresOf([series], 'total', 1), []);
  });

  it('accepts 0 and -0 as the same duration', () => {
    const series = new PerformanceSeries('c', 'o', ALL);
    series.record(0);
    series.record(-0);
    expect(figuresOf([series], 'total', 1)).toMatchObject({ measuredCalls: 2, minDurationMs: 0, p99DurationMs: 0, maxDurationMs: 0 });
  });

  it('records again after clear()', () => {
    const series = new PerformanceSeries('c', 'o', ALL);
    series.record(5, false, 1, 1);
    series.rotate();
    series.clear();
    expectFigures(figuresOf([series], 'total', 1), []);
    series.record(7);
    expectFigures(figuresOf([series], 'total', 1), [7]);
  });
});

describe('sampling', () => {
  const calls = (series: PerformanceSeries, count: number): number => {
    let measured = 0;
    for (let i = 0; i < count; i++) {
      if (!series.sampled()) continue;
      measured++;
      series.record(1);
    }
    return measured;
  };

  it.each([0.01, 0.2, 0.5])('at rate %d measures that share and counts every call', (rate) => {
    const series = new PerformanceSeries('c', 'o', { on: true, rate });
    const measured = calls(series, 200_000);
    expect(measured / 200_000).toBeGreaterThan(rate * 0.9);
    expect(measured / 200_000).toBeLessThan(rate * 1.1);
    expect(figuresOf([series], 'total', 1)).toMatchObject({ totalCalls: 200_000, measuredCalls: measured });
    series.rotate();
    expect(figuresOf([series], 'total', 1).totalCalls).toBe(200_000);
  });

  it('at rate 1 measures all and at rate 0 none, and counts every call', () => {
    const series = new PerformanceSeries('c', 'o', ALL);
    expect(calls(series, 100)).toBe(100);
    expect(figuresOf([series], 'total', 1)).toMatchObject({ totalCalls: 100, measuredCalls: 100 });
    const none = new PerformanceSeries('c', 'o', { on: true, rate: 0 });
    expect(calls(none, 100)).toBe(0);
    expect(figuresOf([none], 'total', 1)).toMatchObject({ totalCalls: 100, measuredCalls: 0 });
  });

  it('is not biased by a rhythm of the calls', () => {
    const series = new PerformanceSeries('c', 'o', { on: true, rate: 0.01 });
    let slow = 0;
    for (let i = 0; i < 400_000; i++) if (series.sampled() && i % 100 === 0) slow++;
    // One call in a hundred is slow, and one in a hundred measured: 40 of them on average.
    expect(slow).toBeGreaterThan(8);
    expect(slow).toBeLessThan(120);
  });

  it('records and counts nothing when switched off, and starts again', () => {
    const sampling = { on: false, rate: 1 };
    const series = new PerformanceSeries('c', 'o', sampling);
    expect(calls(series, 1000)).toBe(0);
    series.record(1);
    expect(figuresOf([series], 'total', 1).totalCalls).toBe(0);
    sampling.on = true;
    series.resample();
    expect(calls(series, 3)).toBe(3);
    sampling.on = false;
    series.resample();
    calls(series, 5);
    expect(figuresOf([series], 'total', 1).totalCalls).toBe(3);
  });
});

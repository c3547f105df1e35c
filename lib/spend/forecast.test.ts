import { forecastOf } from './forecast.js';
import type { DailySpend } from './spend-queries.js';

const DAY_MS = 86_400_000;
const MARCH = { fromMs: Date.UTC(2027, 2, 1), toMs: Date.UTC(2027, 3, 1) };
const NOON = Date.UTC(2027, 2, 11, 12);
const day = (text: string, nanoUsd: number): DailySpend => ({ day: text, nanoUsd }) as DailySpend;

describe('the forecast of a month', () => {
  it('is zero without calls', () => expect(forecastOf(MARCH, [], NOON).nanoUsd).toBe(0));

  it('ignores the unfinished day in the mean, and expects the rest of it', () => {
    const days = [4, 5, 6, 7, 8, 9, 10].map((date) => day(`2027-03-${String(date).padStart(2, '0')}`, 700));
    expect(forecastOf(MARCH, [...days, day('2027-03-11', 100)], NOON)).toEqual({
      spentNanoUsd: 5_000,
      perDayNanoUsd: 700,
      nanoUsd: 5_000 + 700 * 20.5,
    });
  });

  it('counts days without calls after the first', () => {
    expect(forecastOf(MARCH, [day('2027-03-07', 400)], NOON).perDayNanoUsd).toBe(100);
  });

  it('expects on the first day as much as until now', () => {
    expect(forecastOf(MARCH, [day('2027-03-11', 100)], NOON)).toEqual({ spentNanoUsd: 100, perDayNanoUsd: 200, nanoUsd: 100 + 200 * 20.5 });
  });

  it('of a month to come is the mean of each day', () => {
    const days = [day('2027-03-10', 300)];
    const may = { fromMs: Date.UTC(2027, 4, 1), toMs: Date.UTC(2027, 4, 1) + 31 * DAY_MS };
    expect(forecastOf(may, days, NOON)).toEqual({ spentNanoUsd: 0, perDayNanoUsd: 300, nanoUsd: 9_300 });
  });
});

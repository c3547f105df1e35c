import { DAY_MS } from './spend-range.js';
import type { DailySpend, SpendRange } from './spend-queries.js';

/** Complete days whose mean is expected of the days to come. */
const RECENT_DAYS = 7;

/** What a month will probably cost. */
export interface SpendForecast {
  /** `2027-01`. */
  readonly month: string;
  /** Until now. */
  readonly spentNanoUsd: number;
  readonly spentUsd: number;
  /** Mean of the last 7 days before today, or of fewer if the log is younger. */
  readonly perDayNanoUsd: number;
  readonly perDayUsd: number;
  /** Of the whole month. For a month that is over, what it has cost. */
  readonly nanoUsd: number;
  readonly usd: number;
}

/** Days before a month that a forecast needs. */
export const FORECAST_DAYS = RECENT_DAYS;

/**
 * What was spent in a month until now, and for the rest of it the mean of the last 7 days.
 * @param days of the month, and of the 7 days before today
 */
export function forecastOf(
  month: SpendRange,
  days: readonly DailySpend[],
  nowMs: number,
): Pick<SpendForecast, 'spentNanoUsd' | 'perDayNanoUsd' | 'nanoUsd'> {
  const at = ({ day }: DailySpend): number => Date.parse(day);
  const todayMs = nowMs - (nowMs % DAY_MS);
  const spent = sumOf(days.filter((each) => at(each) >= month.fromMs && at(each) < month.toMs));
  const recent = days.filter((each) => at(each) < todayMs && at(each) >= todayMs - RECENT_DAYS * DAY_MS);
  // Days before the first call say nothing.
  const firstMs = recent.length === 0 ? todayMs : Math.min(...recent.map(at));
  const counted = (todayMs - firstMs) / DAY_MS;
  const perDay = counted === 0 ? meanOfToday(days, todayMs, nowMs) : sumOf(recent) / counted;
  const restMs = Math.max(0, month.toMs - Math.max(nowMs, month.fromMs));
  return { spentNanoUsd: spent, perDayNanoUsd: Math.round(perDay), nanoUsd: Math.round(spent + (perDay * restMs) / DAY_MS) };
}

/** On the first day of a log: as much as until now in the rest of it. */
function meanOfToday(days: readonly DailySpend[], todayMs: number, nowMs: number): number {
  const today = days.find(({ day }) => Date.parse(day) === todayMs);
  const passedMs = Math.max(nowMs - todayMs, DAY_MS / 24);
  return today === undefined ? 0 : (today.nanoUsd * DAY_MS) / passedMs;
}

function sumOf(days: readonly DailySpend[]): number {
  return days.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0);
}

import { DAY_MS } from './spend-range.js';
import type { DailySpend, SpendRange } from './spend-queries.js';

/** Number of complete days whose mean predicts future days. */
const RECENT_DAYS = 7;

/** Expected spend of a month. */
export interface SpendForecast {
  /** `2027-01`. */
  readonly month: string;
  /** Spend so far. */
  readonly spentNanoUsd: number;
  readonly spentUsd: number;
  /** Mean of the last 7 days before today, or of fewer if the log is younger. */
  readonly perDayNanoUsd: number;
  readonly perDayUsd: number;
  /** Expected spend of the whole month; for a past month, its actual spend. */
  readonly nanoUsd: number;
  readonly usd: number;
}

/** Start of the days that a forecast reads: those of the month and the ones before it. */
export const FORECAST_DAYS = RECENT_DAYS;

/**
 * Adds the spend of a month so far and, for its remaining days, the mean of the last 7 days.
 * @param days days of the month, and the 7 days before today
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
  // Ignore days before the first call.
  const firstMs = recent.length === 0 ? todayMs : Math.min(...recent.map(at));
  const counted = (todayMs - firstMs) / DAY_MS;
  const perDay = counted === 0 ? meanOfToday(days, todayMs, nowMs) : sumOf(recent) / counted;
  const restMs = Math.max(0, month.toMs - Math.max(nowMs, month.fromMs));
  return { spentNanoUsd: spent, perDayNanoUsd: Math.round(perDay), nanoUsd: Math.round(spent + (perDay * restMs) / DAY_MS) };
}

/** On the first day of a log, extrapolates from the spend so far today. */
function meanOfToday(days: readonly DailySpend[], todayMs: number, nowMs: number): number {
  const today = days.find(({ day }) => Date.parse(day) === todayMs);
  const passedMs = Math.max(nowMs - todayMs, DAY_MS / 24);
  return today === undefined ? 0 : (today.nanoUsd * DAY_MS) / passedMs;
}

function sumOf(days: readonly DailySpend[]): number {
  return days.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0);
}

import { InvalidArgumentError } from '../common/errors.js';
import { refuseArgument, checkString } from '../common/options.js';
import type { SpendRange } from './spend-queries.js';

export const DAY_MS = 86_400_000;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/;
const MONTH = /^(\d{4})-(\d\d)$/;
/** Number of days in the default range, including today. */
const DEFAULT_DAYS = 30;

/**
 * A period. A date without a time means the whole day in UTC, so `to` includes that day; a `to`
 * with a time is excluded. Times without a zone are UTC. Default: the last 30 days, including
 * today.
 */
export interface SpendPeriod {
  readonly from?: Date | string;
  readonly to?: Date | string;
}

/** @throws InvalidArgumentError naming `from` or `to`, or `names`. */
export function rangeOf({ from, to }: SpendPeriod, nowMs: number, names: readonly [from: string, to: string] = ['from', 'to']): SpendRange {
  const toMs = to === undefined ? dayOf(nowMs) + DAY_MS : timeOf(names[1], to, DAY_MS);
  const fromMs = from === undefined ? dayOf(toMs - 1) - (DEFAULT_DAYS - 1) * DAY_MS : timeOf(names[0], from, 0);
  if (fromMs < toMs) return { fromMs, toMs };
  throw new InvalidArgumentError(names[0], from, `must be before ${names[1]}`);
}

/** Whether daily sums can answer for a range. */
export function isWholeDays({ fromMs, toMs }: SpendRange): boolean {
  return fromMs % DAY_MS === 0 && toMs % DAY_MS === 0;
}

/** Returns the period of the same length before a range. */
export function previousOf({ fromMs, toMs }: SpendRange): SpendRange {
  return { fromMs: fromMs - (toMs - fromMs), toMs: fromMs };
}

/** Parses a month in UTC: `2027-01`. @throws InvalidArgumentError */
export function monthOf(name: string, month: string): SpendRange {
  const [, year, number] = MONTH.exec(month) ?? [];
  const index = Number(number) - 1;
  if (index >= 0 && index < 12) return { fromMs: Date.UTC(Number(year), index), toMs: Date.UTC(Number(year), index + 1) };
  throw new InvalidArgumentError(name, month, 'must be a month such as 2027-01');
}

/** Returns the start of the day in UTC. */
export function dayOf(ms: number): number {
  return ms - (((ms % DAY_MS) + DAY_MS) % DAY_MS);
}

/** `2027-01-31`. */
export function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Returns the days of a range, including partial ones. */
export function daysOf({ fromMs, toMs }: SpendRange): string[] {
  const days: string[] = [];
  for (let ms = dayOf(fromMs); ms < toMs; ms += DAY_MS) days.push(dayText(ms));
  return days;
}

function timeOf(name: string, value: unknown, ofDayMs: number): number {
  const ms = value instanceof Date ? value.getTime() : msOf(checkString(name, value, refuseArgument), ofDayMs);
  // PostgreSQL supports no dates after this year.
  if (Number.isFinite(ms) && ms >= 0 && ms < Date.UTC(9999, 0)) return ms;
  throw new InvalidArgumentError(name, value, 'must be a date such as 2027-01-31 or 2027-01-31T08:00:00Z');
}

function msOf(text: string, ofDayMs: number): number {
  const zone = TIME.exec(text);
  if (zone !== null) return Date.parse(text.replace(' ', 'T') + (zone[1] === undefined ? 'Z' : ''));
  const ms = DAY.test(text) ? Date.parse(text) : NaN;
  // `Date.parse` accepts February 31.
  return Number.isNaN(ms) || dayText(ms) !== text ? NaN : ms + ofDayMs;
}

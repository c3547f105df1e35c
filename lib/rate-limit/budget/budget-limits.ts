import { LARGEST_USD, NANO_PER_USD, type BudgetPeriod } from '../../common/nano-usd.js';
import { checkNumber, checkOneOf, joinPath, type Refuse } from '../../common/options.js';
import { Calendar, unitOf, ZoneClock, type Span } from './calendar.js';

/** How the windows of `usdPerWindow` follow each other. */
export type UsdWindowKind = 'calendar' | 'sliding' | 'firstUse';

/** Budgets of one key, all of which must allow a request. 0 allows nothing, unset is unlimited. */
export interface BudgetOptions {
  /** USD in each day of the calendar, from midnight in `timeZone`. Up to 4 million. */
  readonly usdPerDay?: number;
  /** USD in each month of the calendar, from its first in `timeZone`. */
  readonly usdPerMonth?: number;
  /** USD in a window of any length. Needs `usdWindow`. */
  readonly usdPerWindow?: number;
  /** Length of that window as LiteLLM writes it: `30m`, `24h`, `7d`, `1w`, `1mo` (30 days). */
  readonly usdWindow?: string;
  /**
   * `calendar` (default): from midnight, Monday, the first of a month, or on multiples of hours and
   * minutes. `sliding`: in any span of that length, up to a 60th longer. `firstUse`: from the first
   * request after the last window.
   */
  readonly usdWindowKind?: UsdWindowKind;
  /** USD in all: never starts again. `reset` and `setSpent` change what was spent. */
  readonly usdTotal?: number;
  /** IANA zone of the calendar: `Europe/Zurich`. Default `UTC`. */
  readonly timeZone?: string;
}

export const BUDGET_KEYS = [
  'usdPerDay',
  'usdPerMonth',
  'usdPerWindow',
  'usdWindow',
  'usdWindowKind',
  'usdTotal',
  'timeZone',
] as const satisfies readonly (keyof BudgetOptions)[];

/** A checked budget. */
export interface BudgetLimit {
  readonly period: BudgetPeriod;
  /** With the limit's name and the key the identity of its counters; without a `/`. */
  readonly id: string;
  readonly nanoUsd: number;
  readonly window: BudgetWindow;
}

/** A window: the instants that count together, and until when they are counted. */
export interface BudgetWindow {
  readonly kind: UsdWindowKind | 'total';
  /** `Infinity` for `total`. */
  readonly lengthMs: number;
  /**
   * The part of the window that a taking at `nowMs` falls into, from its beginning until it is not
   * counted any more. A sliding window has 61 parts, any other one.
   * @param newest The part of the latest taking, if it still counts.
   */
  partAt(nowMs: number, newest?: Span): Span;
}

const DAY_MS = 86_400_000;
const MONTH_MS = 30 * DAY_MS;
const LONGEST_MS = 366 * DAY_MS;
const SHORTEST_MS = 1_000;
const KINDS: readonly UsdWindowKind[] = ['calendar', 'sliding', 'firstUse'];
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, mo: MONTH_MS };
/** As the windows of requests: an amount counts for the length and up to a 60th longer. */
const PARTS_PER_WINDOW = 60;
const ALL_TIME: Span = { startMs: 0, endMs: Infinity };
const TOTAL: BudgetWindow = { kind: 'total', lengthMs: Infinity, partAt: () => ALL_TIME };

/** Checks the budgets of a limit; `undefined` without any. @throws by `refuse`. */
export function compileBudgets(options: BudgetOptions, path: string, refuse: Refuse): readonly BudgetLimit[] | undefined {
  const at = (key: keyof BudgetOptions): string => joinPath(path, key);
  const { usdPerDay, usdPerMonth, usdPerWindow, usdWindow, usdWindowKind, timeZone = 'UTC' } = options;
  const nanoOf = (key: 'usdPerDay' | 'usdPerMonth' | 'usdPerWindow' | 'usdTotal'): number =>
    Math.round(checkNumber(at(key), options[key], { min: 0, max: LARGEST_USD }, refuse) * NANO_PER_USD);
  const clock = zoneClock(at('timeZone'), timeZone, refuse);
  const calendar = (lengthMs: number, value: unknown): BudgetWindow =>
    calendarWindow(lengthMs, new Calendar(lengthMs, clock, { path: at('usdWindow'), value, refuse }));
  const budgets: BudgetLimit[] = [];
  const add = (period: BudgetLimit['period'], nano: number, window: BudgetWindow): void => {
    budgets.push({ period, id: idOf(window, timeZone), nanoUsd: nano, window });
  };
  if (usdPerDay !== undefined) add('day', nanoOf('usdPerDay'), calendar(DAY_MS, usdPerDay));
  if (usdPerMonth !== undefined) add('month', nanoOf('usdPerMonth'), calendar(MONTH_MS, usdPerMonth));
  if (usdPerWindow !== undefined) {
    const nano = nanoOf('usdPerWindow');
    const lengthMs = readLength(at('usdWindow'), usdWindow, refuse);
    const kind = usdWindowKind === undefined ? 'calendar' : checkOneOf(at('usdWindowKind'), usdWindowKind, KINDS, refuse);
    const window =
      kind === 'calendar' ? calendar(lengthMs, usdWindow) : kind === 'sliding' ? slidingWindow(lengthMs) : firstUseWindow(lengthMs);
    add('window', nano, window);
  } else if (usdWindow !== undefined) throw refuse(at('usdWindow'), usdWindow, 'needs usdPerWindow beside it');
  else if (usdWindowKind !== undefined) throw refuse(at('usdWindowKind'), usdWindowKind, 'needs usdPerWindow beside it');
  if (options.usdTotal !== undefined) add('total', nanoOf('usdTotal'), TOTAL);
  if (new Set(budgets.map(({ id }) => id)).size < budgets.length)
    throw refuse(at('usdPerWindow'), usdPerWindow, 'must have another window than usdPerDay and usdPerMonth');
  if (budgets.length > 0) return budgets;
  if (options.timeZone !== undefined) throw refuse(at('timeZone'), timeZone, 'needs a budget beside it');
  return undefined;
}

function idOf({ kind, lengthMs }: BudgetWindow, timeZone: string): string {
  if (kind === 'total') return kind;
  return `${kind}:${lengthMs}${kind === 'calendar' ? `:${timeZone.replaceAll('/', '.')}` : ''}`;
}

function zoneClock(path: string, timeZone: unknown, refuse: Refuse): ZoneClock {
  try {
    if (typeof timeZone === 'string' && timeZone !== '') return ZoneClock.of(timeZone);
  } catch {
    // Said below: `Intl` throws for a zone that it does not know.
  }
  throw refuse(path, timeZone, 'must be an IANA time zone such as Europe/Zurich');
}

/**
 * How LiteLLM's `budget_duration` resets: by the calendar or, for other lengths (`14d`, `48h`,
 * `3mo`), with the first request after the last window.
 */
export function kindOfDuration(duration: unknown): UsdWindowKind | undefined {
  const [, count, unit] = (typeof duration === 'string' && /^(\d{1,8})(s|m|h|d|w|mo)$/.exec(duration)) || [];
  return count === undefined || unitOf(Number(count) * UNITS[unit]) !== undefined ? undefined : 'firstUse';
}

function readLength(path: string, value: unknown, refuse: Refuse): number {
  const [, count, unit] = (typeof value === 'string' && /^(\d{1,8})(s|m|h|d|w|mo)$/.exec(value)) || [];
  const lengthMs = Number(count) * UNITS[unit];
  if (lengthMs >= SHORTEST_MS && lengthMs <= LONGEST_MS) return lengthMs;
  throw refuse(path, value, 'must be a length such as 30m, 24h, 7d, 1w or 1mo, of 366 days at most');
}

function calendarWindow(lengthMs: number, calendar: Calendar): BudgetWindow {
  return { kind: 'calendar', lengthMs, partAt: (nowMs) => calendar.at(nowMs) };
}

function slidingWindow(lengthMs: number): BudgetWindow {
  const stepMs = Math.ceil(lengthMs / PARTS_PER_WINDOW);
  const partAt = (nowMs: number): Span => {
    const startMs = Math.floor(nowMs / stepMs) * stepMs;
    return { startMs, endMs: startMs + stepMs + lengthMs };
  };
  return { kind: 'sliding', lengthMs, partAt };
}

function firstUseWindow(lengthMs: number): BudgetWindow {
  const partAt = (nowMs: number, newest?: Span): Span =>
    newest !== undefined && nowMs < newest.endMs ? newest : { startMs: nowMs, endMs: nowMs + lengthMs };
  return { kind: 'firstUse', lengthMs, partAt };
}

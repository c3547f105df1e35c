import { LARGEST_USD, NANO_PER_USD, type BudgetPeriod } from '../../common/nano-usd.js';
import { custom, number, oneOf, type OptionsOf } from '../../common/option.js';
import { joinPath, type Refuse } from '../../common/options.js';
import { Calendar, unitOf, ZoneClock, type Span } from './calendar.js';

/** How consecutive windows of `usdPerWindow` are placed. */
export type UsdWindowKind = 'calendar' | 'sliding' | 'firstUse';

export const BUDGETS = {
  /** USD per calendar day, from midnight in `timeZone`. Up to 4 million. */
  usdPerDay: number({ min: 0, max: LARGEST_USD }),
  /** USD per calendar month, from its first day in `timeZone`. */
  usdPerMonth: number({ min: 0, max: LARGEST_USD }),
  /** USD in a window of any length. Requires `usdWindow`. */
  usdPerWindow: number({ min: 0, max: LARGEST_USD }),
  /** Length of that window in LiteLLM's format: `30m`, `24h`, `7d`, `1w`, `1mo` (30 days). */
  usdWindow: custom<string>('length: `30m`, `24h`, `7d`, `1mo`', checkLength),
  /**
   * `calendar` (default): windows start at midnight, on Monday, on the first of a month, or at
   * multiples of hours and minutes. `sliding`: any span of that length, plus up to a 60th.
   * `firstUse`: a window starts with the first request after the previous one.
   */
  usdWindowKind: oneOf(['calendar', 'sliding', 'firstUse']),
  /** USD in total: never resets. `reset` and `setSpent` change the spend. */
  usdTotal: number({ min: 0, max: LARGEST_USD }),
  /** IANA time zone of the calendar: `Europe/Zurich`. Default `UTC`. */
  timeZone: custom<string>('IANA time zone', checkTimeZone),
};

/** Budgets of one key; all must allow a request. 0 allows nothing; unset means unlimited. */
export interface BudgetOptions extends OptionsOf<typeof BUDGETS> {}

/** The names of the budgets. */
export const BUDGET_KEYS = Object.keys(BUDGETS) as (keyof BudgetOptions)[];

/** A checked budget. */
export interface BudgetLimit {
  readonly period: BudgetPeriod;
  /** Together with the limit's name and the key, identifies its counters; without a `/`. */
  readonly id: string;
  readonly nanoUsd: number;
  readonly window: BudgetWindow;
}

/** A window: the instants that count together, and how long they count. */
export interface BudgetWindow {
  readonly kind: UsdWindowKind | 'total';
  /** `Infinity` for `total`. */
  readonly lengthMs: number;
  /**
   * Returns the part of the window that a charge at `nowMs` falls into, from its start until it no
   * longer counts. A sliding window has 61 parts, any other one.
   * @param newest The part of the latest charge, if it still counts.
   */
  partAt(nowMs: number, newest?: Span): Span;
}

const DAY_MS = 86_400_000;
const MONTH_MS = 30 * DAY_MS;
const LONGEST_MS = 366 * DAY_MS;
const SHORTEST_MS = 1_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, mo: MONTH_MS };
/** As the windows of requests: an amount counts for the length and up to a 60th longer. */
const PARTS_PER_WINDOW = 60;
const ALL_TIME: Span = { startMs: 0, endMs: Infinity };
const TOTAL: BudgetWindow = { kind: 'total', lengthMs: Infinity, partAt: () => ALL_TIME };

/** Compiles checked budgets; `undefined` without any. @throws by `refuse`. */
export function compileBudgets(options: BudgetOptions, path: string, refuse: Refuse): readonly BudgetLimit[] | undefined {
  const at = (key: keyof BudgetOptions): string => joinPath(path, key);
  const { usdPerDay, usdPerMonth, usdPerWindow, usdWindow, usdWindowKind, timeZone = 'UTC' } = options;
  const clock = ZoneClock.of(timeZone);
  const calendar = (lengthMs: number, value: unknown): BudgetWindow =>
    calendarWindow(lengthMs, new Calendar(lengthMs, clock, { path: at('usdWindow'), value, refuse }));
  const budgets: BudgetLimit[] = [];
  const add = (period: BudgetLimit['period'], usd: number, window: BudgetWindow): void => {
    budgets.push({ period, id: idOf(window, timeZone), nanoUsd: Math.round(usd * NANO_PER_USD), window });
  };
  if (usdPerDay !== undefined) add('day', usdPerDay, calendar(DAY_MS, usdPerDay));
  if (usdPerMonth !== undefined) add('month', usdPerMonth, calendar(MONTH_MS, usdPerMonth));
  if (usdPerWindow !== undefined) {
    const lengthMs = lengthOf(usdWindow);
    if (lengthMs === undefined) throw refuse(at('usdWindow'), usdWindow, LENGTH_RULE);
    const window =
      usdWindowKind === 'sliding'
        ? slidingWindow(lengthMs)
        : usdWindowKind === 'firstUse'
          ? firstUseWindow(lengthMs)
          : calendar(lengthMs, usdWindow);
    add('window', usdPerWindow, window);
  } else if (usdWindow !== undefined) throw refuse(at('usdWindow'), usdWindow, 'requires usdPerWindow');
  else if (usdWindowKind !== undefined) throw refuse(at('usdWindowKind'), usdWindowKind, 'requires usdPerWindow');
  if (options.usdTotal !== undefined) add('total', options.usdTotal, TOTAL);
  if (new Set(budgets.map(({ id }) => id)).size < budgets.length)
    throw refuse(at('usdPerWindow'), usdPerWindow, 'must have a different window from usdPerDay and usdPerMonth');
  if (budgets.length > 0) return budgets;
  if (options.timeZone !== undefined) throw refuse(at('timeZone'), timeZone, 'requires a budget');
  return undefined;
}

function idOf({ kind, lengthMs }: BudgetWindow, timeZone: string): string {
  if (kind === 'total') return kind;
  return `${kind}:${lengthMs}${kind === 'calendar' ? `:${timeZone.replaceAll('/', '.')}` : ''}`;
}

function checkTimeZone(path: string, timeZone: unknown, refuse: Refuse): string {
  try {
    if (typeof timeZone === 'string' && timeZone !== '' && ZoneClock.of(timeZone)) return timeZone;
  } catch {
    // `Intl` throws for an unknown zone.
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

const LENGTH_RULE = 'must be a duration such as 30m, 24h, 7d, 1w or 1mo, of at most 366 days';

function checkLength(path: string, value: unknown, refuse: Refuse): string {
  if (lengthOf(value) === undefined) throw refuse(path, value, LENGTH_RULE);
  return value as string;
}

/** In milliseconds. */
function lengthOf(text: unknown): number | undefined {
  const [, count, unit] = (typeof text === 'string' && /^(\d{1,8})(s|m|h|d|w|mo)$/.exec(text)) || [];
  const lengthMs = Number(count) * UNITS[unit];
  return lengthMs >= SHORTEST_MS && lengthMs <= LONGEST_MS ? lengthMs : undefined;
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

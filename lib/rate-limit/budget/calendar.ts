import type { Refuse } from '../../common/options.js';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/** 1970-01-01 was a Thursday: days from the Monday before it. */
const DAYS_SINCE_MONDAY = 3;

/** A time span: it includes `startMs` and excludes `endMs`. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Unknown zones throw, but spellings of a zone differ in case: it is cleared when full. */
const clocks = new Map<string, ZoneClock>();
const MOST_CLOCKS = 1_000;

/**
 * The wall clock of a time zone. Local times are milliseconds since 1970-01-01T00:00 local, as if
 * the zone were UTC. Uses `Intl`, which has the zones; a library would use it, too.
 */
export class ZoneClock {
  /** `undefined`: UTC, which needs none. The first formatter of a process takes 11 ms. */
  private readonly format: Intl.DateTimeFormat | undefined;

  /** Returns the clock of a zone, which is cached. @throws RangeError for an unknown zone. */
  static of(timeZone: string): ZoneClock {
    let clock = clocks.get(timeZone);
    if (clocks.size >= MOST_CLOCKS) clocks.clear();
    if (clock === undefined) clocks.set(timeZone, (clock = new ZoneClock(timeZone)));
    return clock;
  }

  private constructor(readonly timeZone: string) {
    const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const;
    if (timeZone !== 'UTC') this.format = new Intl.DateTimeFormat('en-US', { ...fields, timeZone, calendar: 'gregory', hourCycle: 'h23' });
  }

  localOf(utcMs: number): number {
    return utcMs + this.offsetAt(utcMs);
  }

  /**
   * The instant at which the zone's clock shows `localMs`: the first one where it shows it twice,
   * and the end of the gap where it is skipped.
   */
  instantOf(localMs: number): number {
    const before = localMs - this.offsetAt(localMs - DAY_MS);
    const after = localMs - this.offsetAt(localMs + DAY_MS);
    const shown = [before, after].filter((utcMs) => this.localOf(utcMs) === localMs);
    return shown.length === 0 ? before : Math.min(...shown);
  }

  /** Offset of the zone from UTC, in milliseconds. */
  private offsetAt(utcMs: number): number {
    if (this.format === undefined) return 0;
    const part: Record<string, number> = {};
    for (const { type, value } of this.format.formatToParts(utcMs)) part[type] = Number(value);
    const localMs = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
    return localMs - Math.floor(utcMs / SECOND_MS) * SECOND_MS;
  }
}

/** A part of the calendar: its beginnings, in local time. */
interface CalendarUnit {
  /** The beginning of the unit that holds `localMs`, and those `steps` units later. */
  readonly beginning: (localMs: number, steps: number) => number;
}

function everyMs(lengthMs: number): CalendarUnit {
  return { beginning: (localMs, steps) => (Math.floor(localMs / lengthMs) + steps) * lengthMs };
}

const MONTH: CalendarUnit = {
  beginning: (localMs, steps) => {
    const date = new Date(localMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + steps, 1);
  },
};
const WEEK: CalendarUnit = {
  beginning: (localMs, steps) => {
    const day = Math.floor(localMs / DAY_MS);
    return ((Math.floor((day + DAYS_SINCE_MONDAY) / 7) + steps) * 7 - DAYS_SINCE_MONDAY) * DAY_MS;
  },
};

/** LiteLLM's alignment: midnight, Monday, the first of the month; hours on multiples. */
export function unitOf(lengthMs: number): CalendarUnit | undefined {
  if (lengthMs === 30 * DAY_MS) return MONTH;
  if (lengthMs === 7 * DAY_MS) return WEEK;
  return DAY_MS % lengthMs === 0 ? everyMs(lengthMs) : undefined;
}

/** The calendar's windows of one length in one time zone. */
export class Calendar {
  private readonly unit: CalendarUnit;
  /** Windows last for hours: most decisions fall into the one before. */
  private latest: Span = { startMs: 0, endMs: 0 };

  /**
   * @param lengthMs 30 days is a month, 7 days a week from Monday, anything else part of a day.
   * @throws by `refuse` for other lengths, which no calendar has.
   */
  constructor(
    lengthMs: number,
    private readonly clock: ZoneClock,
    { path, value, refuse }: { readonly path: string; readonly value: unknown; readonly refuse: Refuse },
  ) {
    const unit = unitOf(lengthMs);
    if (unit === undefined)
      throw refuse(path, value, 'must be 1mo (30d), 1w (7d), 1d, or hours or minutes that divide a day, for a calendar window');
    this.unit = unit;
  }

  /** The window that holds the instant. */
  at(utcMs: number): Span {
    const { latest } = this;
    if (utcMs >= latest.startMs && utcMs < latest.endMs) return latest;
    const localMs = this.clock.localOf(utcMs);
    // If a clock is set back across the start of a window, that window has already begun.
    let step = 1;
    while (this.beginning(localMs, step) <= utcMs) step++;
    return (this.latest = { startMs: this.beginning(localMs, step - 1), endMs: this.beginning(localMs, step) });
  }

  private beginning(localMs: number, steps: number): number {
    return this.clock.instantOf(this.unit.beginning(localMs, steps));
  }
}

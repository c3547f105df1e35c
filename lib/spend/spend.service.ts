import { InvalidArgumentError } from '../common/errors.js';
import { usdOf } from '../common/nano-usd.js';
import { checkInteger, checkKnownKeys, checkOneOf, refuseArgument } from '../common/options.js';
import { FORECAST_DAYS, forecastOf, type SpendForecast } from './forecast.js';
import { DAY_MS, dayOf, daysOf, dayText, monthOf, previousOf, rangeOf, type SpendPeriod } from './spend-range.js';
import {
  CALL_FILTERS,
  SPEND_DIMENSIONS,
  SPEND_FILTERS,
  type CallFilter,
  type CallPosition,
  type DailySpend,
  type SpendCall,
  type SpendCallDetails,
  type SpendDimension,
  type SpendFilter,
  type SpendQueries,
  type SpendRange,
  type SpendRow,
  type SpendSums,
} from './spend-queries.js';

/** A query for sums. */
export interface SpendQuestion extends SpendPeriod {
  readonly filter?: SpendFilter;
}

/** A query for spend by key, team, … */
export interface SpendByQuestion extends SpendQuestion {
  readonly by: SpendDimension;
  /** Maximum number of rows, 1 to 10,000. Default 100; for `topSpenders` 10. */
  readonly limit?: number;
}

/** A query for single calls. */
export interface CallsQuestion extends SpendPeriod {
  readonly filter?: CallFilter;
  /** Maximum number of calls, 1 to 1,000. Default 100. */
  readonly limit?: number;
  /** `next` of the previous page. */
  readonly after?: string;
  readonly oldestFirst?: boolean;
}

/** Spend by key, team, … */
export interface SpendReport {
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  readonly by: SpendDimension;
  /** Highest spend first. */
  readonly rows: readonly SpendRow[];
  /** Sums of all matching calls, not only of the rows. */
  readonly total: SpendSums;
}

/** Daily spend of the keys, teams, users, … with the highest spend. */
export interface SpendByDay {
  /** Days in UTC, oldest first, including days without calls. */
  readonly days: readonly string[];
  /** Highest spend first. */
  readonly rows: readonly { readonly name: string; readonly label?: string; readonly nanoUsd: readonly number[] }[];
}

/** The change of a figure. */
export interface SpendChange {
  readonly previousNanoUsd: number;
  readonly previousUsd: number;
  /** 0.25 means a quarter more; `null` if nothing was spent before. */
  readonly change: number | null;
}

/** A row, compared with the previous period. */
export interface TopSpender extends SpendRow, SpendChange {
  /** Share of the total, from 0 to 1. */
  readonly share: number;
}

/** The highest spenders, compared with the previous period of the same length. */
export interface TopSpenders extends Omit<SpendReport, 'rows'> {
  readonly rows: readonly TopSpender[];
}

/** A period and the previous one of the same length. */
export interface SpendComparison extends SpendChange {
  readonly from: Date;
  readonly to: Date;
  readonly current: SpendSums;
  readonly previous: SpendSums;
}

/** A page of calls. */
export interface CallPage {
  readonly calls: readonly SpendCall[];
  /** Pass it as `after`; absent on the last page. */
  readonly next?: string;
}

const MOST_ROWS = 10_000;
const LARGEST_PAGE = 1_000;
/** Number of calls that an export keeps in memory. */
const EXPORT_PAGE = 1_000;
/** Maximum number of days in one answer. */
const MOST_DAYS = 3_700;

/**
 * Reports spend from the spend log: how much, on what and by whom. Days are in UTC. Whole days are
 * read from daily sums; other periods add up single calls.
 *
 * @example
 * const { rows } = await spend.spendBy({ by: 'model', from: '2027-01-01', to: '2027-01-31', filter: { team: 'search' } });
 */
export class FastLiteLLMSpendService {
  /** @internal Made by `FastLiteLLMSpendModule`. */
  constructor(
    private readonly queries: SpendQueries,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Returns the spend of each key, team, user, …, highest first.
   * @throws InvalidArgumentError
   */
  async spendBy({ by, limit, filter, ...period }: SpendByQuestion): Promise<SpendReport> {
    const [range, checked, most] = [this.rangeOf(period), filterOf(filter), limitOf(limit, 100, MOST_ROWS)];
    const dimension = dimensionOf(by);
    const [rows, total] = await Promise.all([this.queries.grouped(dimension, range, checked, most), this.queries.sums(range, checked)]);
    return { ...datesOf(range), by: dimension, rows, total };
  }

  /** Returns the sums of each day, including days without calls. @throws InvalidArgumentError */
  async daily({ filter, ...period }: SpendQuestion = {}): Promise<readonly DailySpend[]> {
    const range = this.rangeOf(period);
    checkDays(range, period.from);
    const known = new Map((await this.queries.days(range, filterOf(filter))).map((each) => [each.day, each]));
    return daysOf(range).map((day) => known.get(day) ?? { day, ...NOTHING });
  }

  /** Returns the sums of all calls of a period. @throws InvalidArgumentError */
  async total({ filter, ...period }: SpendQuestion = {}): Promise<SpendSums> {
    return this.queries.sums(this.rangeOf(period), filterOf(filter));
  }

  /**
   * Returns the daily spend of the keys, teams, users, … with the highest spend. Default: the top
   * 10.
   * @throws InvalidArgumentError
   */
  async dailyBy({ limit = 10, ...question }: SpendByQuestion): Promise<SpendByDay> {
    const { by, from, to, rows } = await this.spendBy({ ...question, limit });
    const range = { fromMs: from.getTime(), toMs: to.getTime() };
    checkDays(range, question.from);
    const days = daysOf(range);
    const names = rows.map(({ name }) => name);
    const filter = { ...filterOf(question.filter), [by]: names };
    const cells = names.length === 0 ? [] : await this.queries.cells([by], range, filter, days.length * names.length);
    const at = new Map(days.map((day, index) => [day, index]));
    const byName = new Map(names.map((name) => [name, days.map(() => 0)]));
    for (const cell of cells) byName.get(cell.names[by]!)![at.get(cell.day)!] = cell.nanoUsd;
    return { days, rows: rows.map(({ name, label }) => ({ name, ...(label !== undefined && { label }), nanoUsd: byName.get(name)! })) };
  }

  /** Returns a page of calls, newest first. @throws InvalidArgumentError */
  async calls({ filter, limit, after, oldestFirst = false, ...period }: CallsQuestion = {}): Promise<CallPage> {
    const most = limitOf(limit, 100, LARGEST_PAGE);
    const slice = { range: this.rangeOf(period), filter: callFilterOf(filter), oldestFirst, after: positionOf(after) };
    const { calls, next } = await this.queries.calls({ ...slice, limit: most });
    return { calls, ...(next !== undefined && { next: cursorOf(next) }) };
  }

  /** Returns a call with its attempts; `undefined` for an unknown id. */
  async call(id: string, filter: SpendFilter = {}): Promise<SpendCallDetails | undefined> {
    return this.queries.call(id, filterOf(filter));
  }

  /**
   * Returns the highest spenders, each compared with the previous period of the same length.
   * @throws InvalidArgumentError
   */
  async topSpenders({ limit = 10, ...question }: SpendByQuestion): Promise<TopSpenders> {
    const report = await this.spendBy({ ...question, limit });
    const names = report.rows.map(({ name }) => name);
    const range = { fromMs: report.from.getTime(), toMs: report.to.getTime() };
    const filter = { ...filterOf(question.filter), [report.by]: names };
    const before = names.length === 0 ? [] : await this.queries.grouped(report.by, previousOf(range), filter, names.length);
    const previous = new Map(before.map((row) => [row.name, row.nanoUsd]));
    const rows = report.rows.map((row) => ({
      ...row,
      ...changeOf(row.nanoUsd, previous.get(row.name) ?? 0),
      share: report.total.nanoUsd > 0 ? row.nanoUsd / report.total.nanoUsd : 0,
    }));
    return { ...report, rows };
  }

  /** Compares a period with the previous one of the same length. @throws InvalidArgumentError */
  async compare({ filter, ...period }: SpendQuestion = {}): Promise<SpendComparison> {
    const [range, checked] = [this.rangeOf(period), filterOf(filter)];
    const [current, previous] = await Promise.all([this.queries.sums(range, checked), this.queries.sums(previousOf(range), checked)]);
    return { ...datesOf(range), current, previous, ...changeOf(current.nanoUsd, previous.nanoUsd) };
  }

  /**
   * Returns the expected spend of a month: the spend so far, plus the mean of the last 7 days for
   * the remaining days. Default: the current month.
   * @throws InvalidArgumentError
   */
  async forecast({ month, filter }: { readonly month?: string; readonly filter?: SpendFilter } = {}): Promise<SpendForecast> {
    const nowMs = this.now();
    const name = month ?? dayText(nowMs).slice(0, 7);
    const range = monthOf('month', name);
    const recentMs = dayOf(nowMs) - FORECAST_DAYS * DAY_MS;
    const read: SpendRange = { fromMs: Math.min(range.fromMs, recentMs), toMs: Math.max(range.toMs, dayOf(nowMs) + DAY_MS) };
    const figures = forecastOf(range, await this.queries.days(read, filterOf(filter)), nowMs);
    const { spentNanoUsd, perDayNanoUsd, nanoUsd } = figures;
    return { month: name, ...figures, spentUsd: usdOf(spentNanoUsd), perDayUsd: usdOf(perDayNanoUsd), usd: usdOf(nanoUsd) };
  }

  /**
   * Yields all calls of a period, oldest first, in constant memory. Leaving the loop stops the
   * queries.
   * @throws InvalidArgumentError
   */
  async *export({ filter, ...period }: Omit<CallsQuestion, 'limit' | 'after' | 'oldestFirst'> = {}): AsyncGenerator<
    readonly SpendCall[],
    void
  > {
    const slice = { range: this.rangeOf(period), filter: callFilterOf(filter), limit: EXPORT_PAGE, oldestFirst: true };
    for (let after: CallPosition | undefined; ;) {
      const { calls, next } = await this.queries.calls({ ...slice, after });
      if (calls.length > 0) yield calls;
      if (next === undefined) return;
      after = next;
    }
  }

  private rangeOf(period: SpendPeriod): SpendRange {
    checkKnownKeys('', period, ['from', 'to'], refuseArgument);
    return rangeOf(period, this.now());
  }
}

const NOTHING: SpendSums = {
  requests: 0,
  successes: 0,
  failures: 0,
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  nanoUsd: 0,
  usd: 0,
  savedNanoUsd: 0,
  savedUsd: 0,
  durationMs: 0,
};

/** Compares a figure with the previous one. */
function changeOf(nanoUsd: number, previousNanoUsd: number): SpendChange {
  const change = previousNanoUsd > 0 ? (nanoUsd - previousNanoUsd) / previousNanoUsd : null;
  return { previousNanoUsd, previousUsd: usdOf(previousNanoUsd), change };
}

function checkDays({ fromMs, toMs }: SpendRange, from: unknown): void {
  if (toMs - fromMs > MOST_DAYS * DAY_MS) throw new InvalidArgumentError('from', from, `must be at most ${MOST_DAYS} days before to`);
}

function datesOf({ fromMs, toMs }: SpendRange): { readonly from: Date; readonly to: Date } {
  return { from: new Date(fromMs), to: new Date(toMs) };
}

function dimensionOf(by: unknown): SpendDimension {
  return checkOneOf('by', by, SPEND_DIMENSIONS, refuseArgument);
}

/** Rejects unknown conditions: a misspelt one would match everything. */
function filterOf(filter: SpendFilter = {}): SpendFilter {
  checkKnownKeys('filter', filter, SPEND_FILTERS, refuseArgument);
  return filter;
}

function callFilterOf(filter: CallFilter = {}): CallFilter {
  checkKnownKeys('filter', filter, CALL_FILTERS, refuseArgument);
  return filter;
}

function limitOf(limit: number | undefined, fallback: number, max: number): number {
  return limit === undefined ? fallback : checkInteger('limit', limit, { min: 1, max }, refuseArgument);
}

/** The cursor is opaque, so that its format can change. */
function cursorOf({ startedUs, id }: CallPosition): string {
  return Buffer.from(`${startedUs} ${id}`).toString('base64url');
}

function positionOf(cursor: string | undefined): CallPosition | undefined {
  if (cursor === undefined) return undefined;
  const [, startedUs, id] = /^(\d{1,17}) (.+)$/.exec(Buffer.from(String(cursor), 'base64url').toString()) ?? [];
  if (id !== undefined) return { startedUs, id };
  throw new InvalidArgumentError('after', cursor, 'must be the cursor of the previous page');
}

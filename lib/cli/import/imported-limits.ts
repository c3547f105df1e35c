import type { BudgetPeriod } from '../../common/nano-usd.js';
import { LARGEST_LIMIT, type RateLimits } from '../../rate-limit/limits.js';
import { kindOfDuration, type UsdWindowKind } from '../../rate-limit/budget/budget-limits.js';
import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import type { ImportFindings } from './findings.js';
import { durationOf, numberOf, objectOf, objectsOf, timeOf } from './litellm-values.js';

/** USD that were spent in the current window of each budget. */
export type ImportedSpend = Partial<Record<BudgetPeriod, number>>;

/** The limits of a row, and the spend under them. */
export interface ImportedLimits {
  /** `undefined` if the row limits nothing. */
  readonly limits: RateLimits | undefined;
  readonly spend: ImportedSpend;
}

/** Inputs for reading limits. */
export interface LimitContext {
  /** The name in reports: `keys`. */
  readonly table: string;
  readonly findings: ImportFindings;
  readonly nowMs: number;
  /** Of `litellm_settings.timezone`. */
  readonly timeZone: string | undefined;
  /** Spend in a window of `budget_limits`. */
  readonly windowSpend?: (duration: string, row: LiteLLMRow) => number;
}

type Limits = { -readonly [K in keyof RateLimits]: RateLimits[K] };

const DAY = /^(?:1d|24h|1440m|86400s)$/;
const MONTH = /^(?:30d|1mo)$/;
const WEEK = /^(?:7d|1w)$/;

/** Columns that `limitsOf` reads. */
export const LIMIT_COLUMNS =
  `rpm_limit tpm_limit max_parallel_requests max_budget budget_duration budget_reset_at budget_limits spend`.split(' ');

/** The limits of a key, a team, a user or a budget. */
export function limitsOf(row: LiteLLMRow, context: LimitContext): ImportedLimits {
  const limits: Limits = {};
  const spend: ImportedSpend = {};
  const set = (key: 'requestsPerMinute' | 'tokensPerMinute' | 'maxConcurrent', column: string): void => {
    const value = numberOf(row[column]);
    if (value !== undefined) limits[key] = capped(value, `${context.table}.${column}`, context.findings);
  };
  set('requestsPerMinute', 'rpm_limit');
  set('tokensPerMinute', 'tpm_limit');
  set('maxConcurrent', 'max_parallel_requests');
  setBudget(row, { limits, spend, context });
  for (const window of objectsOf(row.budget_limits)) addWindow(window, row, { limits, spend, context });
  if (context.timeZone !== undefined && hasBudget(limits)) limits.timeZone = context.timeZone;
  return { limits: Object.keys(limits).length === 0 ? undefined : limits, spend };
}

interface Target {
  readonly limits: Limits;
  readonly spend: ImportedSpend;
  readonly context: LimitContext;
}

/** `max_budget`: in a window with `budget_duration`, else in total. */
function setBudget(row: LiteLLMRow, { limits, spend, context }: Target): void {
  const usd = numberOf(row.max_budget);
  const duration = durationOf(row.budget_duration);
  const spent = Math.max(0, numberOf(row.spend) ?? 0);
  if (duration === undefined || usd === undefined) {
    if (usd !== undefined) limits.usdTotal = usd;
    if (duration !== undefined)
      context.findings.add(`${context.table}.budget_duration`, {
        advice: 'ignored because max_budget is not set; only the total spend is counted',
      });
    spend.total = spent;
    return;
  }
  limits.usdPerWindow = usd;
  limits.usdWindow = duration;
  const kind: UsdWindowKind | undefined = kindOfDuration(duration);
  if (kind !== undefined) limits.usdWindowKind = kind;
  spend.window = isOver(row.budget_reset_at, context.nowMs) ? 0 : spent;
}

/** A further budget of `budget_limits`: a day and a month fit in addition to another window. */
function addWindow(window: LiteLLMRow, row: LiteLLMRow, { limits, spend, context }: Target): void {
  const usd = numberOf(window.max_budget ?? window.budget_limit);
  const duration = durationOf(window.budget_duration ?? window.time_period);
  if (usd === undefined || duration === undefined) return;
  const spent = isOver(window.reset_at, context.nowMs) ? 0 : (context.windowSpend?.(duration, row) ?? 0);
  const place = (period: 'day' | 'month', key: 'usdPerDay' | 'usdPerMonth'): void => {
    limits[key] = Math.min(usd, limits[key] ?? Infinity);
    spend[period] = spent;
  };
  const { usdWindow } = limits;
  if (usdWindow !== undefined && isSameLength(usdWindow, duration)) limits.usdPerWindow = Math.min(usd, limits.usdPerWindow ?? Infinity);
  else if (DAY.test(duration)) place('day', 'usdPerDay');
  else if (MONTH.test(duration)) place('month', 'usdPerMonth');
  else if (usdWindow === undefined) {
    limits.usdPerWindow = usd;
    limits.usdWindow = duration;
    const kind = kindOfDuration(duration);
    if (kind !== undefined) limits.usdWindowKind = kind;
    spend.window = spent;
  } else {
    const advice = 'choose one: a record can have a budget per day, per month, for one other window, and in total';
    context.findings.add(`${context.table}.budget_limits`, { advice, protects: true });
  }
}

/** Limits for single models, from `model_max_budget` and the limits in `metadata`. */
export function modelLimitsOf(
  row: LiteLLMRow,
  metadata: LiteLLMRow,
  context: LimitContext,
): Readonly<Record<string, RateLimits>> | undefined {
  const byModel = new Map<string, LiteLLMRow>();
  const add = (model: string, fields: LiteLLMRow): void => void byModel.set(model, { ...byModel.get(model), ...fields });
  for (const [model, value] of Object.entries(objectOf(row.model_max_budget))) {
    const fields = objectOf(value);
    const { budget_limit, time_period, max_budget = budget_limit ?? numberOf(value), budget_duration = time_period } = fields;
    add(model, { max_budget, budget_duration, rpm_limit: fields.rpm_limit, tpm_limit: fields.tpm_limit });
  }
  for (const [model, rpm_limit] of Object.entries(objectOf(metadata.model_rpm_limit))) add(model, { rpm_limit });
  for (const [model, tpm_limit] of Object.entries(objectOf(metadata.model_tpm_limit))) add(model, { tpm_limit });
  const limits = [...byModel].flatMap(([model, fields]) => {
    const own = limitsOf(fields, context).limits;
    return own === undefined ? [] : [[model, own] as const];
  });
  return limits.length === 0 ? undefined : Object.fromEntries(limits);
}

/** A window whose end has passed starts at 0, even if LiteLLM has not reset it yet. */
function isOver(resetAt: unknown, nowMs: number): boolean {
  const endMs = timeOf(resetAt);
  return endMs !== undefined && endMs <= nowMs;
}

function isSameLength(one: string, other: string): boolean {
  return one === other || [DAY, MONTH, WEEK].some((form) => form.test(one) && form.test(other));
}

export function hasBudget({ usdPerDay, usdPerMonth, usdPerWindow, usdTotal }: RateLimits): boolean {
  return (usdPerDay ?? usdPerMonth ?? usdPerWindow ?? usdTotal) !== undefined;
}

function capped(value: number, field: string, findings: ImportFindings): number {
  if (value <= LARGEST_LIMIT) return value;
  findings.add(field, { advice: `reduced to ${LARGEST_LIMIT.toLocaleString('en-US')}, the highest limit` });
  return LARGEST_LIMIT;
}

import { checkKnownKeys, checkNumber, checkObject, joinPath, type Refuse } from '../../common/options.js';
import { checkAmount, type Reporting } from './file-values.js';

/** An amount that may be spent per period. The first period starts with the first call. */
export interface Budget {
  /** In USD. */
  readonly budgetUsd: number;
  /** Length of the period in milliseconds. */
  readonly periodMs: number;
}

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/** LiteLLM's units of time; a month is 30 days. */
const UNITS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 3_600 * SECOND_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
  mo: 30 * DAY_MS,
};

/** @throws what `refuse` makes, naming the provider and key. */
export function readProviderBudgets(path: string, value: unknown, refuse: Refuse): ReadonlyMap<string, Budget> {
  const entries = Object.entries(checkObject(path, value, refuse)).map(([provider, entry]) => {
    const at = joinPath(path, provider);
    const budget = checkObject(at, entry, refuse);
    checkKnownKeys(at, budget, ['budgetUsd', 'periodMs'], refuse);
    return [
      provider,
      {
        budgetUsd: checkNumber(joinPath(at, 'budgetUsd'), budget.budgetUsd, { min: 0 }, refuse),
        periodMs: checkNumber(joinPath(at, 'periodMs'), budget.periodMs, { min: 1 }, refuse),
      },
    ] as const;
  });
  return new Map(entries);
}

/** Translates LiteLLM's `provider_budget_config` to our names and units. */
export function budgetsFromLiteLLM(path: string, value: unknown, { refuse, warn }: Reporting): Record<string, Budget> {
  const budgets: Record<string, Budget> = {};
  for (const [provider, entry] of Object.entries(checkObject(path, value, refuse))) {
    const at = joinPath(path, provider);
    const {
      budget_limit: limit,
      max_budget: most,
      time_period: time,
      budget_duration: duration,
      ...others
    } = checkObject(at, entry, refuse);
    for (const key of Object.keys(others)) warn(`unknown option ignored: ${joinPath(at, key)}`);
    const [limitKey, timeKey] = [
      limit === undefined ? 'max_budget' : 'budget_limit',
      time === undefined ? 'budget_duration' : 'time_period',
    ];
    budgets[provider] = {
      budgetUsd: checkAmount(joinPath(at, limitKey), limit ?? most, refuse),
      periodMs: readPeriod(joinPath(at, timeKey), time ?? duration, refuse),
    };
  }
  return budgets;
}

/**
 * Returns a period in milliseconds, written as in LiteLLM: `30s`, `10m`, `24h`, `7d`, `1w`, `1mo`.
 * @throws what `refuse` makes.
 */
export function readPeriod(path: string, value: unknown, refuse: Refuse): number {
  const [, count, unit] = (typeof value === 'string' && /^(\d+)(s|m|h|d|w|mo)$/.exec(value)) || [];
  if (Number(count) > 0) return Number(count) * UNITS[unit];
  throw refuse(path, value, 'must be a period such as 30s, 10m, 24h, 7d, 1w or 1mo');
}

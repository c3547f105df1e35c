import fc from 'fast-check';
import type { RateLimits } from '../../lib/rate-limit/limits.js';
import type { ModelBudget, ModelLimit } from './budget-model.js';

/** One call of a history; `taking` is an index into the earlier ones, modulo their number. */
export type BudgetStep =
  | {
      readonly call: 'reserve';
      readonly scopes: readonly (readonly [limit: number, key: string])[];
      readonly nano: number;
      readonly expected: number;
    }
  | { readonly call: 'settle'; readonly taking: number; readonly nano: number }
  | { readonly call: 'extend'; readonly taking: number; readonly nano: number }
  | { readonly call: 'refund'; readonly place: number; readonly nano: number }
  | { readonly call: 'reset'; readonly limit: number; readonly key: string };

export interface BudgetHistory {
  readonly startMs: number;
  /** Without a renewal for that long, a hold is that of a dead process: over Redis. */
  readonly ttlMs: number;
  readonly limits: readonly ModelLimit[];
  readonly steps: readonly (readonly [advanceMs: number, step: BudgetStep])[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEYS = ['a', 'team/7'] as const;
const MOST_STEPS = 60;
const ZONES = ['UTC', 'Europe/Zurich', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'] as const;
/** Shortly before daylight saving, the ends of months and years, and 29 February. */
const STARTS = [
  '2024-02-28T20:00:00Z',
  '2024-03-10T05:30:00Z',
  '2024-03-31T00:10:00Z',
  '2024-10-27T00:10:00Z',
  '2024-11-03T04:30:00Z',
  '2025-02-28T22:59:59Z',
  '2024-12-31T18:00:00Z',
] as const;
const ADVANCES = [0, 0, 0, 1, 1_000, 60_000, HOUR_MS / 2, HOUR_MS, 7 * HOUR_MS, DAY_MS, 29 * DAY_MS] as const;
/** The last one is longer than any history: no process dies in it. */
const TTLS = [90_000, HOUR_MS, 1e12] as const;
const AMOUNTS = [0, 1, 7, 40, 100, 333, 1_000] as const;

const budget: fc.Arbitrary<ModelBudget> = fc.record({
  kind: fc.constantFrom('day', 'month', 'sliding', 'firstUse', 'total'),
  limit: fc.constantFrom(0, 1, 50, 100, 333, 500, 2_000),
  lengthMs: fc.constantFrom(60_000, HOUR_MS, DAY_MS),
  timeZone: fc.constant('UTC'),
});

/** Budgets of other kinds each: a window is sliding or from first use. */
const budgets: fc.Arbitrary<readonly ModelBudget[]> = fc
  .tuple(
    fc.uniqueArray(budget, { minLength: 1, maxLength: 3, selector: ({ kind }) => (kind === 'firstUse' ? 'sliding' : kind) }),
    fc.constantFrom(...ZONES),
  )
  .map(([list, timeZone]) =>
    [...list].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind)).map((each) => ({ ...each, timeZone })),
  );
const ORDER = ['day', 'month', 'sliding', 'firstUse', 'total'];

const amount = fc.constantFrom(...AMOUNTS);
const place = fc.nat(1);
const key = fc.constantFrom(...KEYS);
const taking = fc.nat(MOST_STEPS);
const step: fc.Arbitrary<BudgetStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      call: fc.constant('reserve' as const),
      scopes: fc.array(fc.tuple(place, key), { minLength: 1, maxLength: 3 }),
      nano: amount,
      expected: amount,
    }),
  },
  { weight: 4, arbitrary: fc.record({ call: fc.constant('settle' as const), taking, nano: amount }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('extend' as const), taking, nano: amount }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('refund' as const), place: taking, nano: amount }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('reset' as const), limit: place, key }) },
);

/** Two limits, two keys, and up to 60 calls around an instant at which calendars are special. */
export const budgetHistories: fc.Arbitrary<BudgetHistory> = fc.record({
  startMs: fc.constantFrom(...STARTS).map((text) => Date.parse(text)),
  ttlMs: fc.constantFrom(...TTLS),
  limits: fc.tuple(
    fc.record({ name: fc.constant('first'), budgets, maxConcurrent: fc.option(fc.constantFrom(0, 1, 3), { nil: undefined, freq: 2 }) }),
    fc.record({ name: fc.constant('second'), budgets }),
  ),
  steps: fc.array(fc.tuple(fc.constantFrom(...ADVANCES), step), { minLength: 1, maxLength: MOST_STEPS, size: 'max' }),
});

/** The model's limit as options. */
export function optionsOf({ budgets: list, maxConcurrent }: ModelLimit): RateLimits {
  const options: Record<string, unknown> = { timeZone: list[0].timeZone, ...(maxConcurrent !== undefined && { maxConcurrent }) };
  for (const { kind, limit, lengthMs } of list) {
    const usd = limit / 1e9;
    if (kind === 'day') options.usdPerDay = usd;
    else if (kind === 'month') options.usdPerMonth = usd;
    else if (kind === 'total') options.usdTotal = usd;
    else Object.assign(options, { usdPerWindow: usd, usdWindow: `${lengthMs / 60_000}m`, usdWindowKind: kind });
  }
  return options;
}

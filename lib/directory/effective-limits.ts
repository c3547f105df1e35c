import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetRecord } from './directory-records.js';

const MONEY = ['usdPerDay', 'usdPerMonth', 'usdPerWindow', 'usdWindow', 'usdWindowKind', 'usdTotal', 'timeZone'] as const;
const RATES = ['requestsPerSecond', 'burst'] as const;
const WINDOW = ['requestsPerWindow', 'windowMs'] as const;
/** Limits that belong together: a record that has one of them takes none from a budget. */
const GROUPS: readonly (readonly (keyof RateLimits)[])[] = [MONEY, RATES, WINDOW];

type Limited = { readonly limits?: RateLimits };

/**
 * The limits of a record, and of its budget those that it does not have itself. Always an object of
 * its own, because guards keep what they compile by it; `undefined` without any limit.
 */
export function effectiveLimits({ limits = {} }: Limited, budget: BudgetRecord | undefined): RateLimits | undefined {
  const merged: Record<string, unknown> = { ...limits };
  for (const [name, value] of Object.entries(budget?.limits ?? {})) {
    const key = name as keyof RateLimits;
    const group = GROUPS.find((each) => each.includes(key)) ?? [key];
    if (group.every((each) => limits[each] === undefined)) merged[key] = value;
  }
  return Object.keys(merged).length === 0 ? undefined : (merged as RateLimits);
}

import type { RateLimits } from '../rate-limit/limits.js';
import type { BudgetRecord } from './directory-records.js';

const MONEY = ['usdPerDay', 'usdPerMonth', 'usdPerWindow', 'usdWindow', 'usdWindowKind', 'usdTotal', 'timeZone'] as const;
const RATES = ['requestsPerSecond', 'burst'] as const;
const WINDOW = ['requestsPerWindow', 'windowMs'] as const;
/**
 * Groups of limits: a record that sets one limit of a group takes none of that group from its
 * budget.
 */
const GROUPS: readonly (readonly (keyof RateLimits)[])[] = [MONEY, RATES, WINDOW];

/** The same limits, split into budgets and all others; `undefined` if a part would be empty. */
export function splitMoney(limits: RateLimits | undefined): { readonly money?: RateLimits; readonly others?: RateLimits } {
  const entries = Object.entries(limits ?? {});
  const isMoney = ([name]: readonly [string, unknown]): boolean => (MONEY as readonly string[]).includes(name);
  const part = (kept: typeof entries): RateLimits | undefined => (kept.length === 0 ? undefined : Object.fromEntries(kept));
  const money = part(entries.filter(isMoney));
  const others = part(entries.filter((entry) => !isMoney(entry)));
  return { ...(money !== undefined && { money }), ...(others !== undefined && { others }) };
}

type Limited = { readonly limits?: RateLimits };

/**
 * Merges the limits of a record with those of its budget; the record's own limits win. Returns a
 * new object each time, because guards cache compiled limits by object; `undefined` without any
 * limit.
 */
export function limitsWithBudget({ limits = {} }: Limited, budget: BudgetRecord | undefined): RateLimits | undefined {
  const merged: Record<string, unknown> = { ...limits };
  for (const [name, value] of Object.entries(budget?.limits ?? {})) {
    const key = name as keyof RateLimits;
    const group = GROUPS.find((each) => each.includes(key)) ?? [key];
    if (group.every((each) => limits[each] === undefined)) merged[key] = value;
  }
  return Object.keys(merged).length === 0 ? undefined : merged;
}

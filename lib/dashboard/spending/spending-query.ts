import { SPENDING_BY, type SpendingBy } from './dimensions.js';
import type { SpendingQuestion } from './spending-source.js';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const DAY = /^\d{4}-\d\d-\d\d$/;
const LONGEST = 512;

/** How a call can end. */
export const CALL_STATUSES = ['success', 'failure', 'cancelled', 'denied'] as const;

/** Parameters in the address of a page. */
export interface SpendingView extends SpendingQuestion {
  readonly by: SpendingBy;
  /** Only for lists of calls. */
  readonly status?: (typeof CALL_STATUSES)[number];
  readonly after?: string;
  readonly id?: string;
}

/** Reads the query of an address; unknown parameters have no effect. */
export function spendingViewOf(query: URLSearchParams, nowMs: number): SpendingView {
  const text = (name: string): string | undefined => {
    const value = query.get(name);
    return value !== null && value !== '' && value.length <= LONGEST ? value : undefined;
  };
  const day = (name: string, byDefault: string): string => {
    const value = text(name);
    return value !== undefined && DAY.test(value) ? value : byDefault;
  };
  const to = day('to', dayText(nowMs));
  const from = day('from', dayText(Date.parse(to) - (DEFAULT_DAYS - 1) * DAY_MS));
  const by = SPENDING_BY.find((each) => each === text('by')) ?? 'team';
  const filter = Object.fromEntries(SPENDING_BY.flatMap((name) => (text(name) === undefined ? [] : [[name, text(name)]])));
  const status = CALL_STATUSES.find((each) => each === text('status'));
  return { from, to, by, filter, status, after: text('after'), id: text('id') };
}

/** Returns the address of a view, relative to the dashboard. */
export function linkTo(page: 'spending' | 'calls' | 'call', { from, to, by, filter, status, after, id }: Partial<SpendingView>): string {
  const given = Object.entries({ from, to, by, ...filter, status, after, id }).filter(
    (each): each is [string, string] => each[1] !== undefined,
  );
  return `${page}?${new URLSearchParams(given).toString()}`;
}

function dayText(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : '';
}

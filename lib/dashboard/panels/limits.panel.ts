import type { DashboardSnapshot, LimitState } from '../dashboard.snapshot.js';
import { compact, span } from '../number-format.js';
import type { Html } from '../html.js';
import { limitList, limitRow, usageBar } from './panel.js';

/** Keys nearest to their limit. */
export function limitsPanel({ limits }: DashboardSnapshot): Html | undefined {
  return limits.length === 0 ? undefined : limitList(limits.map(rowOf));
}

function rowOf(state: LimitState): Html {
  const { unit, total, remaining, resetMs } = state;
  const note = `${remaining <= 0 ? 'Denied now' : 'Allowed'} · resets in ${span(resetMs)}`;
  return limitRow(state, `${compact(remaining)} of ${compact(total)} ${unit}`, usageBar(total - remaining, total), note);
}

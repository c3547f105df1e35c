import type { BudgetState, DashboardSnapshot } from '../dashboard.snapshot.js';
import type { SpendingOverTime } from '../dashboard.source.js';
import { NONE, share, span, usd } from '../figures.js';
import { html, type Html } from '../html.js';
import { KEYS_NOTE, keyOf } from './limits.panel.js';
import { bar, nothing, table } from './panel.js';
import { spendingPlot } from './spending-plot.js';

const PERIODS = { day: 'a day', month: 'a month', window: 'a window', total: 'in all' } as const satisfies Record<
  BudgetState['period'],
  string
>;

/** Budgets nearest to exhaustion. */
export function budgetsPanel({ budgets }: DashboardSnapshot): Html {
  if (budgets.length === 0) return nothing('No key has spent a tenth of a budget. To define budgets, set usdPerDay or usdPerMonth.');
  return html`<ul class="limits">
      ${budgets.map(budgetRow)}
    </ul>
    <p class="note">${KEYS_NOTE}</p>`;
}

function budgetRow({ limit, keyHash, keyName, period, limitUsd, spentUsd, heldUsd, resetMs }: BudgetState): Html {
  const leftUsd = Math.max(0, limitUsd - spentUsd - heldUsd);
  const percentage = (part: number): number => (limitUsd > 0 ? (part / limitUsd) * 100 : 100);
  const kind = leftUsd === 0 ? 'full' : leftUsd < limitUsd / 4 ? 'near' : 'used';
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> ${keyOf(keyHash, keyName)}</span>
      <span class="figure">${usd(leftUsd)} of ${usd(limitUsd)} ${PERIODS[period]} left</span>
    </div>
    ${bar([
      { kind, percentage: percentage(spentUsd) },
      { kind: 'idle', percentage: percentage(heldUsd) },
    ])}
    <p class="note">
      ${usd(spentUsd)} spent · ${usd(heldUsd)} held by calls in flight${resetMs === Infinity ? '' : ` · resets in ${span(resetMs)}`}
    </p>
  </li>`;
}

/** Cost by model group: over time, and the dearest first. */
export function spendingPanel({ spending, spendingOverTime }: DashboardSnapshot): Html {
  if (spending.length === 0) return nothing('Nothing spent yet, or no model has a known price.');
  const totalUsd = spending.reduce((sum, each) => sum + each.totalUsd, 0);
  const rows = spending.map(({ group, provider, team, totalUsd: ownUsd, usdPerHour }) => {
    const part = totalUsd > 0 ? ownUsd / totalUsd : 0;
    return [
      html`${group} <span class="note below">${provider}${team !== undefined && team !== '' && ` · team ${team}`}</span>`,
      html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`,
      html`${usd(ownUsd)}`,
      html`${usdPerHour === undefined ? NONE : usd(usdPerHour)}`,
    ];
  });
  const figure = (label: string) => ({ label, isFigure: true });
  const columns = [{ label: 'Model group' }, { label: 'Share' }, figure('Since the start'), figure('An hour, now')];
  return html`${spendingOverTime !== null && spendingPlots(spendingOverTime)}${table('Spending', columns, rows)}`;
}

function spendingPlots(spending: SpendingOverTime): Html {
  const hasTeams = spending.series.some(({ team }) => team !== undefined && team !== '');
  return html`${spendingPlot('By model group', spending, ({ group }) => group)}${
    hasTeams && spendingPlot('By team', spending, ({ team = '' }) => (team === '' ? 'no team' : team))
  }`;
}

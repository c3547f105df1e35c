import type { BudgetState, DashboardSnapshot } from '../dashboard.snapshot.js';
import { span, usd } from '../figures.js';
import { html, type Html } from '../html.js';
import { bar, nothing } from './panel.js';

const PERIODS = { day: 'a day', month: 'a month', window: 'a window' } as const satisfies Record<BudgetState['period'], string>;

/** Budgets nearest to exhaustion. */
export function budgetsPanel({ budgets }: DashboardSnapshot): Html {
  if (budgets.length === 0) return nothing('No key has spent a tenth of a budget. Set usdPerDay or usdPerMonth to have some.');
  return html`<ul class="limits">
      ${budgets.map(budgetRow)}
    </ul>
    <p class="note">Keys are hashed with a salt of each process.</p>`;
}

function budgetRow({ limit, keyHash, period, limitUsd, spentUsd, heldUsd, resetMs }: BudgetState): Html {
  const leftUsd = Math.max(0, limitUsd - spentUsd - heldUsd);
  const percentage = (part: number): number => (limitUsd > 0 ? (part / limitUsd) * 100 : 100);
  const kind = leftUsd === 0 ? 'full' : leftUsd < limitUsd / 4 ? 'near' : 'used';
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> <code>${keyHash}</code></span>
      <span class="figure">${usd(leftUsd)} of ${usd(limitUsd)} ${PERIODS[period]} left</span>
    </div>
    ${bar([
      { kind, percentage: percentage(spentUsd) },
      { kind: 'idle', percentage: percentage(heldUsd) },
    ])}
    <p class="note">${usd(spentUsd)} spent · ${usd(heldUsd)} held by calls in flight · resets in ${span(resetMs)}</p>
  </li>`;
}

import type { DashboardSnapshot, LimitState } from '../dashboard.snapshot.js';
import { compact, span } from '../figures.js';
import { html, type Html } from '../html.js';
import { nothing, usageBar } from './panel.js';

/** Keys nearest to their limit. */
export function limitsPanel({ limits }: DashboardSnapshot): Html {
  if (limits.length === 0) return nothing('No key is near a limit.');
  return html`<ul class="limits">
      ${limits.map(limitRow)}
    </ul>
    <p class="note">Keys are hashed with a salt of each process.</p>`;
}

function limitRow({ limit, keyHash, unit, total, remaining, resetMs }: LimitState): Html {
  const used = total - remaining;
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> <code>${keyHash}</code></span>
      <span class="figure">${compact(remaining)} of ${compact(total)} ${unit} left</span>
    </div>
    ${usageBar(used, total)}
    <p class="note">${remaining <= 0 ? 'Denied now' : 'Allowed'} · resets in ${span(resetMs)}</p>
  </li>`;
}

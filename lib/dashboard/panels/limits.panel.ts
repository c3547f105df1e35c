import type { DashboardSnapshot, LimitState } from '../dashboard.snapshot.js';
import { compact, span } from '../figures.js';
import { html, type Html } from '../html.js';
import { nothing, usageBar } from './panel.js';

export const KEYS_NOTE = 'API keys, teams and users in the table below are shown by name; other keys are hashed with a per-process salt.';

/** Keys nearest to their limit. */
export function limitsPanel({ limits }: DashboardSnapshot): Html {
  if (limits.length === 0) return nothing('No key is near a limit.');
  return html`<ul class="limits">
      ${limits.map(limitRow)}
    </ul>
    <p class="note">${KEYS_NOTE}</p>`;
}

/** The name of a key that the dashboard shows elsewhere, else its hash. */
export function keyOf(keyHash: string, keyName: string | undefined): Html {
  return keyName === undefined ? html`<code>${keyHash}</code>` : html`${keyName}`;
}

function limitRow({ limit, keyHash, keyName, unit, total, remaining, resetMs }: LimitState): Html {
  const used = total - remaining;
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> ${keyOf(keyHash, keyName)}</span>
      <span class="figure">${compact(remaining)} of ${compact(total)} ${unit} left</span>
    </div>
    ${usageBar(used, total)}
    <p class="note">${remaining <= 0 ? 'Denied now' : 'Allowed'} · resets in ${span(resetMs)}</p>
  </li>`;
}

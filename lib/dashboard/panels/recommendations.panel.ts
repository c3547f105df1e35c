import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { words } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, nothing } from './panel.js';

const SHOWN = 8;
const KINDS: Readonly<Record<string, 'bad' | 'warn' | 'plain'>> = { high: 'bad', medium: 'warn' };

/** Recommendations, the most urgent first. */
export function recommendationsPanel({ recommendations }: DashboardSnapshot): Html {
  if (recommendations.length === 0) return nothing('No recommendations.');
  const rest = recommendations.length - SHOWN;
  return html`<ul class="advice">
      ${recommendations.slice(0, SHOWN).map(
        ({ type, priority, message, suggestion }) =>
          html`<li>
            <div class="head"><strong>${words(type)}</strong>${badge(KINDS[priority] ?? 'plain', priority)}</div>
            <p>${message}</p>
            <p class="note">${suggestion}</p>
          </li>`,
      )}
    </ul>
    ${rest > 0 && html`<p class="note">And ${rest} more.</p>`}`;
}

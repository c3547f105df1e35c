import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { compact, perSecond, share, span, usd, words } from '../number-format.js';
import { html, type Html } from '../html.js';
import { badge } from './panel.js';

/** The process: versions, platform, uptime, memory, and how busy its event loop is. */
export function processPanel({ version, node, platform, uptimeMs, residentBytes, loopBusy, health }: DashboardSnapshot): Html {
  const facts: readonly (readonly [string, string])[] = [
    ['nestjs-fast-litellm', version],
    ['Native addon', health.rustAvailable ? 'loaded' : 'not loaded'],
    ['Node.js', `${node}, ${platform}`],
    ['Uptime', span(uptimeMs)],
    ['Resident memory', `${Math.round(residentBytes / 2 ** 20)} MiB`],
    ...(loopBusy === undefined ? [] : [['Event loop', `${share(loopBusy)} busy`] as const]),
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** Counters since the start, and their rates. */
export function countersPanel({ tallies }: DashboardSnapshot): Html {
  return html`<dl class="facts">
    ${tallies.map(({ label, unit, total, perSecond: rate }) => {
      const growth = rate === undefined || unit === 'usd' ? '' : `, ${perSecond(rate)}`;
      return html`<div>
        <dt>${label}</dt>
        <dd>${unit === 'usd' ? usd(total) : compact(total)}${growth}</dd>
      </div>`;
    })}
  </dl>`;
}

const SHOWN_RECOMMENDATIONS = 8;
const PRIORITIES: Readonly<Record<string, 'bad' | 'warn' | 'plain'>> = { high: 'bad', medium: 'warn' };

/** Recommendations, the most urgent first. */
export function recommendationsPanel({ recommendations }: DashboardSnapshot): Html | undefined {
  if (recommendations.length === 0) return undefined;
  const rest = recommendations.length - SHOWN_RECOMMENDATIONS;
  return html`<ul class="advice">
      ${recommendations.slice(0, SHOWN_RECOMMENDATIONS).map(
        ({ type, priority, message, suggestion }) =>
          html`<li>
            <div class="head"><strong>${words(type)}</strong>${badge(PRIORITIES[priority] ?? 'plain', priority)}</div>
            <p>${message}</p>
            <p class="note">${suggestion}</p>
          </li>`,
      )}
    </ul>
    ${rest > 0 && html`<p class="note">And ${rest} more.</p>`}`;
}

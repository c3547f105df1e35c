import type { DashboardSnapshot, Tally } from '../dashboard.snapshot.js';
import { compact, count, NONE, perSecond, share, span, usd, words } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, nothing } from './panel.js';

const STATES = {
  ok: { kind: 'good', text: 'Healthy' },
  degraded: { kind: 'warn', text: 'Degraded' },
  down: { kind: 'bad', text: 'Down' },
} as const;

/** Health in one word, and the components concerned. */
export function statusPanel({ health }: DashboardSnapshot): Html {
  const { kind, text } = STATES[health.status];
  const troubled = Object.entries(health.components).filter(([, { status }]) => status !== 'ok');
  const about = troubled.map(([name]) => name.replaceAll('_', ' ')).join(', ') || (health.status === 'ok' ? '' : (health.reason ?? ''));
  return html`<span class="pill ${kind}"><span class="dot" aria-hidden="true"></span>${text}${about !== '' && html`: ${about}`}</span>`;
}

/** The process: versions, platform, uptime, memory, and how busy its event loop is. */
export function processPanel({ version, node, platform, uptimeMs, residentBytes, loopBusy, health }: DashboardSnapshot): Html {
  const addon = health.rustAvailable ? 'addon loaded' : 'no addon';
  const loop = loopBusy === undefined ? '' : ` · event loop ${share(loopBusy)} busy`;
  const memory = `${Math.round(residentBytes / 2 ** 20)} MiB`;
  return html`nestjs-fast-litellm ${version} · Node ${node} · ${platform} · ${addon} · up ${span(uptimeMs)} · ${memory}${loop}`;
}

/** Counters since the start, and their rates. */
export function overviewPanel({ tallies }: DashboardSnapshot): Html {
  return html`<dl class="tiles">${tallies.map(tile)}</dl>`;
}

function tile({ label, unit, total, perSecond: rate }: Tally): Html {
  const shown = unit === 'usd' ? usd(total) : compact(total);
  const exact = unit === 'usd' ? `${total} USD` : count(total);
  const growth = rate === undefined ? NONE : unit === 'usd' ? `${usd(rate * 3600)} /h` : perSecond(rate);
  return html`<div class="tile">
    <dt>${label}</dt>
    <dd class="total" title="${exact}">${shown}</dd>
    <dd class="rate">${growth}</dd>
  </div>`;
}

const SHOWN_RECOMMENDATIONS = 8;
const PRIORITIES: Readonly<Record<string, 'bad' | 'warn' | 'plain'>> = { high: 'bad', medium: 'warn' };

/** Recommendations, the most urgent first. */
export function recommendationsPanel({ recommendations }: DashboardSnapshot): Html {
  if (recommendations.length === 0) return nothing('No recommendations.');
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

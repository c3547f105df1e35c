import type { DashboardSnapshot, Tally } from '../dashboard.snapshot.js';
import { compact, count, NONE, perSecond, span, usd } from '../figures.js';
import { html, type Html } from '../html.js';

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

/** The process: versions, platform, uptime. */
export function processPanel({ version, node, platform, uptimeMs, health }: DashboardSnapshot): Html {
  const addon = health.rustAvailable ? 'addon loaded' : 'no addon';
  return html`nestjs-fast-litellm ${version} · Node ${node} · ${platform} · ${addon} · up ${span(uptimeMs)}`;
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

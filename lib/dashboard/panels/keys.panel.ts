import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { KeyState } from '../dashboard.source.js';
import { NONE, span, usd } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, figure, nothing, table } from './panel.js';

/** API keys by their last use, with what they have spent. */
export function keysPanel({ keys, atMs }: DashboardSnapshot): Html {
  if (keys === null) return nothing('This app has no API keys.');
  if (keys.length === 0) return nothing('No API key has been used since the start of this process.');
  const rows = keys.map((key) => [
    html`${key.alias ?? key.publicId}${key.alias !== undefined && html` <span class="note below">${key.publicId}</span>`}`,
    badge(key.state === 'active' ? 'good' : 'bad', key.state),
    html`${key.team ?? NONE}`,
    html`${key.user ?? NONE}`,
    html`${span(atMs - key.lastUsedMs)} ago`,
    html`${spending(key)}`,
  ]);
  const columns = [{ label: 'Key' }, { label: 'State' }, { label: 'Team' }, { label: 'User' }];
  return html`${table('API keys', [...columns, figure('Last use'), figure('Spent')], rows)}
    <p class="note">Uses in this process; spend of all processes that share the limiter's store.</p>`;
}

function spending({ budgets, spentUsd }: KeyState): string {
  if (budgets.length === 0) return spentUsd === undefined ? NONE : usd(spentUsd);
  return budgets.map(({ period, spentUsd, limitUsd }) => `${usd(spentUsd)} of ${usd(limitUsd)} (${period})`).join(', ');
}

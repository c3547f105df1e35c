import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { ModelCount } from '../../token-counter/token-counter.service.js';
import { count, NONE, share, times } from '../number-format.js';
import { html, type Html } from '../html.js';
import { badge, figure, table } from './panel.js';

/** How the prompts of models are counted, and how far estimates are off. */
export function countsPanel({ counts }: DashboardSnapshot): Html | undefined {
  if (counts.length === 0) return undefined;
  const columns = [{ label: 'Model' }, { label: 'Count' }, figure('Answers'), figure('Mean error'), figure('Bound')];
  return html`${table('Token counts by model', columns, counts.map(row))}
    <p class="note">Estimates are corrected by the usage of answers; limits reserve the estimate times the bound.</p>`;
}

function row({ model, countedAs, encoding, isExact, answers, meanError, bound, exactWith }: ModelCount): Html[] {
  const known = (value: number | undefined, write: (figure: number) => string): Html => html`${value === undefined ? NONE : write(value)}`;
  return [
    html`${model}
      <span class="note below"
        >${countedAs !== undefined && `as ${countedAs} · `}${encoding}${exactWith !== undefined && ` · exact with ${exactWith}`}</span
      >`,
    isExact ? badge('good', 'exact') : badge('plain', 'estimate'),
    known(isExact ? undefined : answers, count),
    known(meanError, share),
    known(bound, times),
  ];
}

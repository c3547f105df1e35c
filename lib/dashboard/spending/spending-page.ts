import { compact, NONE, share, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { bar, figure, nothing, table, tile } from '../panels/panel.js';
import { spendingChart } from './spending-chart.js';
import { linkTo, type SpendingView } from './spending-query.js';
import { BY_WORDS, SPENDING_BY } from './dimensions.js';
import type { SpenderState, SpendingSource } from './spending-source.js';

const TOP = 10;
const NANO = 1e9;

/** The overview: spend in a period. */
export async function renderSpending(source: SpendingSource, view: SpendingView): Promise<Html> {
  const { from, to, by, filter } = view;
  const question = { from, to, filter };
  const [comparison, forecast, days, byDay, top] = await Promise.all([
    source.compare(question),
    source.forecast({ filter }),
    source.daily(question),
    source.dailyBy({ ...question, by, limit: TOP }),
    source.topSpenders({ ...question, by, limit: TOP }),
  ]);
  const { current, change, previousUsd } = comparison;
  const word = BY_WORDS[by];
  const chart = {
    title: `Spend by day and ${word}`,
    days: byDay.days,
    totals: days.map((day) => day.usd),
    bands: byDay.rows.map(({ name, label, nanoUsd }) => ({ name: label ?? name, usd: nanoUsd.map((nano) => nano / NANO) })),
    // A call with two tags appears in both bands.
    rest: by === 'tag' ? undefined : `other, or no ${word}`,
  };
  return html`${controls(view)}
    <section class="wide" aria-labelledby="glance-title">
      <h2 id="glance-title" class="unseen">At a glance</h2>
      <dl class="tiles">
        ${tile('Spent', usd(current.usd), `${from} to ${to}`)}
        ${tile('Change', changeText(change), `${usd(previousUsd)} in the time before`)}
        ${tile(`Forecast for ${forecast.month}`, usd(forecast.usd), `${usd(forecast.spentUsd)} so far, ${usd(forecast.perDayUsd)} a day`)}
        ${tile('Calls', compact(current.requests), `${compact(current.failures)} failed · ${compact(current.totalTokens)} tokens`)}
      </dl>
    </section>
    <section class="card wide" aria-labelledby="days-title">
      <h2 id="days-title">By day</h2>
      ${spendingChart(chart)}
      <details>
        <summary>Days as a table</summary>
        ${dayTable(days, view)}
      </details>
    </section>
    <section class="card wide of-spenders" aria-labelledby="top-title">
      <div class="head">
        <h2 id="top-title">Top ${TOP} by ${word}</h2>
        <a href="${linkTo('calls', { from, to, filter })}">All calls</a>
      </div>
      ${top.rows.length === 0 ? nothing(`No call of a ${word} in this time.`) : spenders(top.rows, view)}
    </section>`;
}

/** Dates and grouping, and the conditions. */
function controls(view: SpendingView): Html {
  const { from, to, by, filter } = view;
  return html`<form class="wide controls" method="get" action="spending">
      <label>From <input type="date" name="from" value="${from}" required /></label>
      <label>To <input type="date" name="to" value="${to}" required /></label>
      <label
        >By
        <select name="by">
          ${SPENDING_BY.map((each) =>
            each === by
              ? html`<option value="${each}" selected>${BY_WORDS[each]}</option>`
              : html`<option value="${each}">${BY_WORDS[each]}</option>`,
          )}
        </select>
      </label>
      ${Object.entries(filter).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}
      <button type="submit">Show</button>
    </form>
    ${conditionList('spending', view)}`;
}

/** The conditions of a page, each with a link that removes it. */
export function conditionList(page: 'spending' | 'calls', view: SpendingView): Html | false {
  const { filter } = view;
  const conditions = Object.entries(filter) as [keyof typeof filter, string][];
  if (conditions.length === 0) return false;
  return html`<ul class="wide conditions" aria-label="Conditions">
    ${conditions.map(
      ([name, value]) =>
        html`<li>
          ${BY_WORDS[name]} <strong>${value}</strong>
          <a
            href="${linkTo(page, { ...view, after: undefined, filter: { ...filter, [name]: undefined } })}"
            aria-label="Remove ${BY_WORDS[name]} ${value}"
            >remove</a
          >
        </li>`,
    )}
  </ul>`;
}

function spenders(rows: readonly SpenderState[], { from, to, by, filter }: SpendingView): Html {
  // For a single team, group by model next.
  const next = by === 'model' || by === 'modelGroup' ? 'team' : 'model';
  const cells = rows.map((row) => {
    const narrowed = { ...filter, [by]: row.name };
    return [
      html`<a href="${linkTo('spending', { from, to, by: next, filter: narrowed })}">${row.label ?? row.name}</a
        >${row.label !== undefined && html` <span class="note below">${row.name}</span>`}`,
      html`<span class="share">${bar([{ kind: 'used', percentage: row.share * 100 }])}<span>${share(Math.min(1, row.share))}</span></span>`,
      html`${usd(row.usd)}`,
      html`${changeText(row.change)}`,
      html`${compact(row.totalTokens)}`,
      html`<a href="${linkTo('calls', { from, to, filter: narrowed })}" aria-label="${row.requests} calls of ${row.label ?? row.name}"
        >${compact(row.requests)}</a
      >`,
    ];
  });
  const word = BY_WORDS[by][0].toUpperCase() + BY_WORDS[by].slice(1);
  const columns = [{ label: word }, { label: 'Share' }, figure('Spent'), figure('Change'), figure('Tokens'), figure('Calls')];
  return table(`Top ${TOP} by ${BY_WORDS[by]}`, columns, cells);
}

function dayTable(
  days: readonly { readonly day: string; readonly usd: number; readonly requests: number; readonly failures: number }[],
  view: SpendingView,
): Html {
  const rows = days
    .filter(({ requests }) => requests > 0)
    .toReversed()
    .map(({ day, usd: spent, requests, failures }) => [
      html`<a href="${linkTo('spending', { from: day, to: day, by: view.by, filter: view.filter })}">${day}</a>`,
      html`${usd(spent)}`,
      html`${compact(requests)}`,
      html`${compact(failures)}`,
    ]);
  if (rows.length === 0) return nothing('No calls in this time.');
  return table('Spend by day', [{ label: 'Day' }, figure('Spent'), figure('Calls'), figure('Failed')], rows);
}

/** `+25%`, `−4%`. */
export function changeText(change: number | null): string {
  if (change === null) return NONE;
  const percent = Math.round(Math.abs(change) * 100);
  return percent === 0 ? '±0%' : `${change > 0 ? '+' : '−'}${percent}%`;
}

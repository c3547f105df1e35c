import type { BudgetState, DashboardSnapshot } from '../dashboard.snapshot.js';
import type { SpendingOverTime } from '../dashboard.source.js';
import { NONE, share, span, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { bar, figure, limitList, limitRow, table } from './panel.js';

/** Bands with a colour of their own; further names share one band. */
const SHOWN = 4;
const HEIGHT = 100;

/** A name, and its cost in each interval. */
interface Band {
  readonly name: string;
  readonly usd: readonly number[];
  readonly totalUsd: number;
}

/** Cost of each name over time, as stacked bars. */
function spendingPlot(title: string, spending: SpendingOverTime, nameOf: (series: SpendingOverTime['series'][number]) => string): Html {
  const bands = bandsOf(spending, nameOf);
  if (bands.length === 0) return html``;
  const sums = bands[0].usd.map((_, at) => bands.reduce((sum, band) => sum + band.usd[at], 0));
  const most = Math.max(...sums);
  const whole = span(sums.length * spending.binMs);
  const floors = sums.map(() => 0);
  const paths = bands.map(({ usd: figures }, at) => {
    const bars = figures.map((figure, bin) => {
      const [from, height] = [floors[bin], (figure / most) * HEIGHT];
      floors[bin] += height;
      return height > 0 ? `M${bin} ${(HEIGHT - from).toFixed(1)}v-${height.toFixed(1)}h.9v${height.toFixed(1)}z` : '';
    });
    return html`<path class="band-${at}" d="${bars.join('')}"></path>`;
  });
  const total = bands.reduce((sum, band) => sum + band.totalUsd, 0);
  return html`<figure class="spent">
    <figcaption>${title} <span class="note">${usd(total)} in ${whole}, at most ${usd(most)} in ${span(spending.binMs)}</span></figcaption>
    <svg viewBox="0 0 ${sums.length} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}, the last ${whole}">
      ${paths}
    </svg>
    <ul class="bands">
      ${bands.map(
        ({ name, totalUsd }, at) =>
          html`<li>
            <svg viewBox="0 0 1 1" aria-hidden="true" focusable="false"><rect class="band-${at}" width="1" height="1"></rect></svg>${name}
            <span class="note">${usd(totalUsd)}</span>
          </li>`,
      )}
    </ul>
  </figure>`;
}

/** The dearest first; names beyond `SHOWN` together. */
function bandsOf({ series }: SpendingOverTime, nameOf: (series: SpendingOverTime['series'][number]) => string): Band[] {
  const byName = new Map<string, number[]>();
  for (const each of series) {
    const sums = byName.get(nameOf(each));
    if (sums === undefined) byName.set(nameOf(each), [...each.usd]);
    else for (const [at, figure] of each.usd.entries()) sums[at] += figure;
  }
  const bands = [...byName]
    .map(([name, usd]): Band => ({ name, usd, totalUsd: usd.reduce((sum, figure) => sum + figure, 0) }))
    .filter(({ totalUsd }) => totalUsd > 0)
    .sort((a, b) => b.totalUsd - a.totalUsd);
  const [shown, rest] = [bands.slice(0, SHOWN), bands.slice(SHOWN)];
  if (rest.length === 0) return shown;
  const usd = shown[0].usd.map((_, at) => rest.reduce((sum, band) => sum + band.usd[at], 0));
  return [...shown, { name: `${rest.length} more`, usd, totalUsd: usd.reduce((sum, figure) => sum + figure, 0) }];
}

const PERIODS: Readonly<Record<BudgetState['period'], string>> = { day: 'a day', month: 'a month', window: 'a window', total: 'in all' };

/** Budgets nearest to exhaustion. */
export function budgetsPanel({ budgets }: DashboardSnapshot): Html | undefined {
  if (budgets.length === 0) return undefined;
  return limitList(budgets.map(budgetRow));
}

function budgetRow(budget: BudgetState): Html {
  const { period, limitUsd, spentUsd, heldUsd, resetMs } = budget;
  const leftUsd = Math.max(0, limitUsd - spentUsd - heldUsd);
  const percentage = (part: number): number => (limitUsd > 0 ? (part / limitUsd) * 100 : 100);
  const kind = leftUsd === 0 ? 'full' : leftUsd < limitUsd / 4 ? 'near' : 'used';
  const used = bar([
    { kind, percentage: percentage(spentUsd) },
    { kind: 'idle', percentage: percentage(heldUsd) },
  ]);
  const reset = resetMs === Infinity ? '' : ` · resets in ${span(resetMs)}`;
  const note = `${usd(spentUsd)} spent · ${usd(heldUsd)} held by calls in flight${reset}`;
  return limitRow(budget, `${usd(leftUsd)} of ${usd(limitUsd)} ${PERIODS[period]}`, used, note);
}

/** Cost by model group: over time, and the dearest first. */
export function spendingPanel({ spending, spendingOverTime }: DashboardSnapshot): Html | undefined {
  if (spending.length === 0) return undefined;
  const totalUsd = spending.reduce((sum, each) => sum + each.totalUsd, 0);
  const rows = spending.map(({ group, provider, team, totalUsd: ownUsd, usdPerHour }) => {
    const part = totalUsd > 0 ? ownUsd / totalUsd : 0;
    return [
      html`${group} <span class="note below">${provider}${team !== undefined && team !== '' && ` · team ${team}`}</span>`,
      html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`,
      html`${usd(ownUsd)}`,
      html`${usdPerHour === undefined ? NONE : usd(usdPerHour)}`,
    ];
  });
  const columns = [{ label: 'Model group' }, { label: 'Share' }, figure('Since the start'), figure('An hour, now')];
  return html`${spendingOverTime !== null && spendingPlots(spendingOverTime)}${table('Spending', columns, rows)}`;
}

function spendingPlots(spending: SpendingOverTime): Html {
  const hasTeams = spending.series.some(({ team }) => team !== undefined && team !== '');
  return html`${spendingPlot('By model group', spending, ({ group }) => group)}${
    hasTeams && spendingPlot('By team', spending, ({ team = '' }) => (team === '' ? 'no team' : team))
  }`;
}

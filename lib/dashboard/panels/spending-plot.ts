import type { SpendingOverTime } from '../dashboard.source.js';
import { span, usd } from '../figures.js';
import { html, type Html } from '../html.js';

/** Bands that are told apart by colour; further names are one band. */
const SHOWN = 4;
const HEIGHT = 100;

/** A name, and what it has cost in each interval. */
interface Band {
  readonly name: string;
  readonly usd: readonly number[];
  readonly totalUsd: number;
}

/** What each name has cost over time, as bars that stand on each other. */
export function spendingPlot(
  title: string,
  spending: SpendingOverTime,
  nameOf: (series: SpendingOverTime['series'][number]) => string,
): Html {
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

import { usd } from '../number-format.js';
import { html, type Html } from '../html.js';

/** Number of bands with their own color; the others share one. */
const SHOWN = 4;
const HEIGHT = 100;

/** A name and its cost on each day. */
interface Band {
  readonly name: string;
  readonly usd: readonly number[];
}

/** Data of the chart. */
export interface SpendingChart {
  readonly title: string;
  readonly days: readonly string[];
  /** Totals over all calls. */
  readonly totals: readonly number[];
  /** Highest spend first. */
  readonly bands: readonly Band[];
  /** Whether a call can be in several bands or in none. */
  readonly rest: string | undefined;
}

/** Bars by day, stacked by name. Drawn to fill any width; labels are text around it. */
export function spendingChart({ title, days, totals, bands, rest }: SpendingChart): Html {
  const shown = withRest(bands, totals, rest);
  const sums = days.map((_, at) => shown.reduce((sum, band) => sum + band.usd[at], 0));
  const most = Math.max(...sums);
  if (!(most > 0)) return html`<p class="nothing">Nothing was spent in this period.</p>`;
  const floors = sums.map(() => 0);
  const paths = shown.map(({ usd: figures }, at) => {
    const bars = figures.map((figure, day) => {
      const [from, height] = [floors[day], (figure / most) * HEIGHT];
      floors[day] += height;
      return height > 0 ? `M${day + 0.08} ${(HEIGHT - from).toFixed(2)}v-${height.toFixed(2)}h.84v${height.toFixed(2)}z` : '';
    });
    return html`<path class="band-${at}" d="${bars.join('')}"></path>`;
  });
  const highest = days[sums.indexOf(most)];
  const label = `${title}, ${days[0]} to ${days[days.length - 1]}: at most ${usd(most)} on ${highest}`;
  return html`<figure class="spent by-day">
    <figcaption>${title} <span class="note">at most ${usd(most)} on ${highest}</span></figcaption>
    <svg viewBox="0 0 ${days.length} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">${paths}</svg>
    <p class="ends note"><span>${days[0]}</span><span>${days[days.length - 1]}</span></p>
    <ul class="bands">
      ${shown.map(
        ({ name, usd: figures }, at) =>
          html`<li>
            <svg viewBox="0 0 1 1" aria-hidden="true" focusable="false"><rect class="band-${at}" width="1" height="1"></rect></svg>${name}
            <span class="note">${usd(figures.reduce((sum, figure) => sum + figure, 0))}</span>
          </li>`,
      )}
    </ul>
  </figure>`;
}

/** Returns the bands with the highest spend, and one for the rest of the totals. */
function withRest(bands: readonly Band[], totals: readonly number[], rest: string | undefined): readonly Band[] {
  if (rest === undefined) return bands.slice(0, SHOWN + 1);
  const shown = bands.slice(0, SHOWN);
  // Ignore less than a cent, because sums of USD are not exact.
  const left = totals.map((total, at) => Math.max(0, total - shown.reduce((sum, band) => sum + band.usd[at], 0)));
  return left.some((figure) => figure > 1e-9) ? [...shown, { name: rest, usd: left }] : shown;
}

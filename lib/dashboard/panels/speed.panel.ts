import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { PerformanceComparison } from '../../monitor/comparison.js';
import type { CallFigures } from '../../monitor/series/performance-series.js';
import { compact, duration, NONE, perSecond, share, times, words } from '../number-format.js';
import { html, type Html } from '../html.js';
import { type BarPart, badge, bar, figure, table } from './panel.js';

/** Native and TypeScript by component: the longer bar is slower. */
export function comparisonPanel({ comparisons }: DashboardSnapshot): Html | undefined {
  if (comparisons.length === 0) return undefined;
  return html`<ul class="versus">
    ${comparisons.map(versus)}
  </ul>`;
}

function versus({ rustComponent, rust, typescript, speedup, enoughSamples, recommendation }: PerformanceComparison): Html {
  const slowest = Math.max(meanOf(rust), meanOf(typescript));
  const comparison =
    speedup === null || !enoughSamples
      ? badge('plain', 'too few calls')
      : badge(speedup >= 1 ? 'good' : 'warn', `native ${times(speedup)} as fast`);
  return html`<li>
    <div class="head">
      <h3>${words(rustComponent.replace(/^rust_/, ''))}</h3>
      ${comparison}
    </div>
    ${side('Rust', 'native', rust, slowest)}${side('TypeScript', 'typescript', typescript, slowest)}
    <p class="note">${recommendation}</p>
  </li>`;
}

function side(label: string, kind: BarPart['kind'], figures: CallFigures, slowest: number): Html {
  const mean = meanOf(figures);
  const shown = figures.measuredCalls === 0 ? NONE : duration(figures.averageDurationMs);
  const percentiles = html`p95 ${duration(figures.p95DurationMs)} · n = ${compact(figures.measuredCalls)}`;
  return html`<div class="side">
    <span class="who">${label}</span>${bar([{ kind, percentage: mean > 0 ? Math.max(1, (mean / slowest) * 100) : 0 }])}
    <span class="mean">${shown}</span><span class="note">${figures.measuredCalls > 0 ? percentiles : 'not measured'}</span>
  </div>`;
}

function meanOf({ measuredCalls, averageDurationMs }: CallFigures): number {
  return measuredCalls > 0 ? averageDurationMs : 0;
}

/** Operations of the last window, as figures next to the plots. */
export function operationsPanel({ operations }: DashboardSnapshot): Html | undefined {
  if (operations.length === 0) return undefined;
  const rows = operations.map(({ component, operation, figures }) => [
    html`${words(component)} <span class="note">${operation}</span>`,
    html`${perSecond(figures.throughputPerSecond)}`,
    ...[figures.p50DurationMs, figures.p95DurationMs, figures.p99DurationMs].map(
      // A sample can be empty.
      (ms) => html`${figures.measuredCalls > 0 ? duration(ms) : NONE}`,
    ),
    html`${figures.errorRate > 0 ? html`<strong class="bad">${share(figures.errorRate)}</strong>` : '0%'}`,
  ]);
  return table('Operations of the last window', [{ label: 'Operation' }, ...['Calls', 'p50', 'p95', 'p99', 'Failed'].map(figure)], rows);
}

import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import { compact, count, duration, NONE, perSecond } from '../number-format.js';
import { html, type Html } from '../html.js';
import { figure, table, usageBar } from './panel.js';

/** Calls that wait for a deployment, by class. */
export function queuePanel({ queue }: DashboardSnapshot): Html | undefined {
  if (queue === null) return undefined;
  const { length, most, promptTokens, drainPerSecond, refused, late, classes } = queue;
  const wait = (ms: number | undefined): Html => html`${ms === undefined ? NONE : duration(ms)}`;
  const rows = classes.map(({ name, length: own, oldestMs, p50WaitMs, p95WaitMs }) => [
    html`${name}`,
    html`${count(own)}`,
    wait(own > 0 ? oldestMs : undefined),
    wait(p50WaitMs),
    wait(p95WaitMs),
  ]);
  return html`<div class="head">
      <span><strong>${count(length)}</strong> of ${count(most)} waiting, ${compact(promptTokens)} prompt tokens</span>
      <span class="figure">${perSecond(drainPerSecond)} leave</span>
    </div>
    ${usageBar(length, most)}
    ${table('Waiting calls, by class', [{ label: 'Class' }, figure('Waiting'), figure('Oldest'), figure('p50'), figure('p95')], rows)}
    <p class="note">Since the start: ${count(refused)} refused because the queue was full, ${count(late)} not served in time.</p>`;
}

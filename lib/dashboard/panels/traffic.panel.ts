import type { DashboardSnapshot, LimitState } from '../dashboard.snapshot.js';
import type { DeploymentState, EndpointState } from '../dashboard.source.js';
import { compact, count, duration, NONE, perSecond, share, span } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, bar, nothing, table, usageBar } from './panel.js';

/** Deployments by model group: state, and share of the group. */
export function deploymentsPanel({ deployments }: DashboardSnapshot): Html {
  if (deployments === null || deployments.length === 0)
    return nothing('No deployments. Set router.modelList, or the path of a config.yaml.');
  const answered = new Map<string, number>();
  for (const { group, answered: own } of deployments) answered.set(group, (answered.get(group) ?? 0) + own);
  const rows = deployments.map((deployment) => {
    const { group, model, id, failures, inFlight, latencyMs, timeToFirstTokenMs } = deployment;
    const part = deployment.answered / Math.max(1, answered.get(group) ?? 0);
    return [
      html`${group} <span class="note below">${model} · ${id}</span>${faultOf(deployment)}`,
      stateOf(deployment),
      html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`,
      html`${compact(deployment.answered)}${failures > 0 && html` <span class="bad-word">(${compact(failures)} failed)</span>`}`,
      html`${count(inFlight)}`,
      html`${latencyMs > 0 ? duration(latencyMs) : NONE}`,
      html`${timeToFirstTokenMs > 0 ? duration(timeToFirstTokenMs) : NONE}`,
      html`${budget(deployment.rpm, deployment.rpmLimit)}`,
      html`${budget(deployment.tpm, deployment.tpmLimit)}`,
    ];
  });
  const figure = (label: string) => ({ label, isFigure: true });
  const columns = [{ label: 'Deployment' }, { label: 'State' }, { label: 'Share of its group' }];
  return table('Deployments', [...columns, ...['Answered', 'In flight', 'Latency', 'First token', 'rpm', 'tpm'].map(figure)], rows);
}

function stateOf({ state, coolingForMs }: DeploymentState): Html {
  if (state === 'available') return badge('good', state);
  return state === 'cooling' ? badge('warn', `in cooldown, ${span(coolingForMs)}`) : badge('bad', state);
}

/** Why it cannot be called, and how to mend it. */
function faultOf({ uncallable }: DeploymentState): Html | false {
  if (uncallable === undefined) return false;
  const { reason, mend } = uncallable;
  return html` <span class="note below">${mend === '' ? reason : `${reason}: ${mend}`}</span>`;
}

function budget(used: number, limit: number | undefined): string {
  return limit === undefined ? compact(used) : `${compact(used)} / ${compact(limit)}`;
}

/** Keys nearest to their limit. */
export function limitsPanel({ limits }: DashboardSnapshot): Html {
  if (limits.length === 0) return nothing('No key is near a limit.');
  return html`<ul class="limits">
      ${limits.map(limitRow)}
    </ul>
    <p class="note">Keys are hashed with a salt of each process.</p>`;
}

function limitRow({ limit, keyHash, unit, total, remaining, resetMs }: LimitState): Html {
  const used = total - remaining;
  return html`<li>
    <div class="head">
      <span><strong>${limit}</strong> <code>${keyHash}</code></span>
      <span class="figure">${compact(remaining)} of ${compact(total)} ${unit} left</span>
    </div>
    ${usageBar(used, total)}
    <p class="note">${remaining <= 0 ? 'Denied now' : 'Allowed'} · resets in ${span(resetMs)}</p>
  </li>`;
}

/** Connections by origin. */
export function poolPanel({ pool }: DashboardSnapshot): Html {
  if (pool === null) return nothing('No connection pool here.');
  const { leased, idle, waiting, maxConnections, endpoints } = pool;
  const head = html`<div class="head">
      <span><strong>${count(leased)}</strong> in use, <strong>${count(idle)}</strong> idle of ${count(maxConnections)}</span>
      ${waiting > 0 ? badge('warn', `${count(waiting)} waiting`) : badge('plain', 'none waiting')}
    </div>
    ${occupancy(leased, idle, maxConnections)}`;
  if (endpoints.length === 0)
    return html`${head}
      <p class="nothing">No connection is open.</p>`;
  return html`${head}
    <ul class="endpoints">
      ${endpoints.map(endpointRow)}
    </ul>`;
}

/** Calls that wait for a deployment, by class. */
export function queuePanel({ queue }: DashboardSnapshot): Html {
  if (queue === null) return nothing('Calls do not wait here: llmClient.queue is not set.');
  const { length, most, promptTokens, drainPerSecond, refused, late, classes } = queue;
  const figure = (label: string) => ({ label, isFigure: true });
  const wait = (ms: number | undefined): Html => html`${ms === undefined ? NONE : duration(ms)}`;
  const rows = classes.map(({ name, length: own, oldestMs, p50WaitMs, p95WaitMs }) => [
    html`${name}`,
    html`${count(own)}`,
    wait(own > 0 ? oldestMs : undefined),
    wait(p50WaitMs),
    wait(p95WaitMs),
  ]);
  return html`<div class="head">
      <span><strong>${count(length)}</strong> of ${count(most)} wait, ${compact(promptTokens)} prompt tokens</span>
      <span class="figure">${perSecond(drainPerSecond)} leave</span>
    </div>
    ${usageBar(length, most)}
    ${table('Calls that wait, by class', [{ label: 'Class' }, figure('Waiting'), figure('Oldest'), figure('p50'), figure('p95')], rows)}
    <p class="note">Since the start ${count(refused)} refused because the queue was full, ${count(late)} not served in time.</p>`;
}

function endpointRow({ origin, leased, idle, waiting, maxConnections: max }: EndpointState): Html {
  return html`<li>
    <div class="head">
      <code>${origin}</code>
      <span class="figure"
        >${count(leased)} in use, ${count(idle)} idle of ${count(max)}${waiting > 0 && `, ${count(waiting)} waiting`}</span
      >
    </div>
    ${occupancy(leased, idle, max)}
  </li>`;
}

function occupancy(leased: number, idle: number, max: number): Html {
  const part = (value: number): number => (max > 0 ? (value / max) * 100 : 0);
  return bar([
    { kind: leased >= max ? 'full' : 'used', percentage: part(leased) },
    { kind: 'idle', percentage: part(idle) },
  ]);
}

import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { compact, count, duration, NONE, share, span } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, bar, figure, nothing, table } from './panel.js';

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
      html`${stateOf(deployment)}${lastFailureOf(deployment)}`,
      html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`,
      html`${compact(deployment.answered)}${failures > 0 && html` <span class="bad-word">(${compact(failures)} failed)</span>`}`,
      html`${count(inFlight)}`,
      html`${latencyMs > 0 ? duration(latencyMs) : NONE}`,
      html`${timeToFirstTokenMs > 0 ? duration(timeToFirstTokenMs) : NONE}`,
      html`${budget(deployment.rpm, deployment.rpmLimit)}`,
      html`${budget(deployment.tpm, deployment.tpmLimit)}`,
    ];
  });
  const columns = [{ label: 'Deployment' }, { label: 'State' }, { label: 'Share of its group' }];
  return table(
    'Deployments',
    [...columns, ...['Attempts', 'In flight', 'Latency per token', 'First token', 'rpm', 'tpm'].map(figure)],
    rows,
  );
}

function stateOf({ state, coolingForMs }: DeploymentState): Html {
  if (state === 'available') return badge('good', state);
  return state === 'cooling' ? badge('warn', `in cooldown, ${span(coolingForMs)}`) : badge('bad', state);
}

/** Also where it is available again: what happened minutes ago is what the operator looks for. */
function lastFailureOf({ lastFailure }: DeploymentState): Html | false {
  if (lastFailure === undefined) return false;
  return html` <span class="note below">${lastFailure.cause}, ${span(lastFailure.agoMs)} ago</span>`;
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

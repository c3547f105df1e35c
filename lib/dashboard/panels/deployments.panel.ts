import type { AttemptWindow } from '../calls/attempt-window.js';
import type { DashboardSnapshot } from '../dashboard.snapshot.js';
import type { DeploymentState } from '../dashboard.source.js';
import { compact, count, duration, NONE, share, span } from '../number-format.js';
import { html, type Html } from '../html.js';
import { deploymentStatus, failedShare, groupStates, type GroupState } from '../overview/deployment-status.js';
import { badge, bar, figure, groupedTable, nothing, type RowGroup } from './panel.js';

/** Deployments by model group: state with its reason, share, attempts, latency and usage. */
export function deploymentsPanel(snapshot: DashboardSnapshot, base: string): Html | undefined {
  const { deployments } = snapshot;
  if (deployments === null) return undefined;
  if (deployments.length === 0) return nothing('No models yet.');
  const columns = [{ label: 'Deployment' }, { label: 'State', isLong: true }, { label: 'Share' }];
  const figures = ['Attempts', 'Last 5 min', 'p95', 'First token p95', 'In flight', 'rpm', 'tpm'];
  const groups = groupStates(snapshot).map((group) => rowGroup(group, base));
  return groupedTable('Deployments by model group', [...columns, ...figures.map(figure)], groups);
}

/** Models of the store that are not in use, with the reason. */
export function leftOutPanel({ leftOutModels }: DashboardSnapshot, base: string): Html | undefined {
  if (leftOutModels === null || leftOutModels.length === 0) return undefined;
  return html`<ul class="attention">
    ${leftOutModels.map(
      ({ id, modelName, reason }) =>
        html`<li class="is-bad">
          <strong><a href="${modelLink(base, id)}">${modelName}</a></strong> <span class="note">${id}</span>
          <p>${reason}</p>
        </li>`,
    )}
  </ul>`;
}

/** The page of a model. */
export function modelLink(base: string, id: string): string {
  return `${base}model?${new URLSearchParams({ id }).toString()}`;
}

/** The state of a deployment, and why. */
export function stateOf(deployment: DeploymentState): Html {
  const { state, coolingForMs, lastFailure, uncallable } = deployment;
  const { severity, word, reason } = deploymentStatus(deployment);
  const isOut = state === 'cooling' || state === 'over_budget';
  const why = uncallable === undefined || uncallable.remedy === '' ? reason : `${reason}: ${uncallable.remedy}`;
  return html`${badge(severity, isOut ? `${word}, ${span(coolingForMs)}` : word)}
  ${why !== undefined && html`<span class="note below">${why}</span>`}
  ${lastFailure !== undefined && html`<span class="note below">${lastFailure.cause}, ${span(lastFailure.agoMs)} ago</span>`}`;
}

/** Used and allowed: `12 / 100`. */
export function used(amount: number, limit: number | undefined): string {
  return limit === undefined ? compact(amount) : `${compact(amount)} / ${compact(limit)}`;
}

function rowGroup({ group, deployments, window, statusLabel }: GroupState, base: string): RowGroup {
  const answered = deployments.reduce((sum, each) => sum + each.answered, 0);
  const hasOthers = deployments.length > 1;
  // Of a single deployment its row says the same.
  const heading = hasOthers
    ? html`<span class="head"
        ><span><strong>${group}</strong> ${badge(statusLabel.severity, statusLabel.word)}</span>${
          window !== undefined && html`<span class="note">${windowText(window)}</span>`
        }</span
      >`
    : html`<strong>${group}</strong>`;
  return { heading, rows: deployments.map((deployment) => row(deployment, answered, hasOthers, base)) };
}

function row(deployment: DeploymentState, answered: number, hasOthers: boolean, base: string): Html[] {
  const { model, id, failures, inFlight, parallelLimit, window, definedBy } = deployment;
  const part = deployment.answered / Math.max(1, answered);
  return [
    html`<a href="${modelLink(base, id)}">${id}</a> ${definedBy === 'api' && badge('plain', 'API')}
      <span class="note below">${model}</span>`,
    stateOf(deployment),
    hasOthers
      ? html`<span class="share">${bar([{ kind: 'used', percentage: part * 100 }])}<span>${share(part)}</span></span>`
      : html`${NONE}`,
    html`${compact(deployment.answered)}${failures > 0 && html` <span class="bad-word">(${compact(failures)} failed)</span>`}`,
    html`${recent(window)}`,
    html`${optionalDuration(window?.p95Ms)}`,
    html`${optionalDuration(window?.firstTokenP95Ms)}`,
    html`${parallelLimit === undefined ? count(inFlight) : used(inFlight, parallelLimit)}`,
    html`${used(deployment.rpm, deployment.rpmLimit || undefined)}`,
    html`${used(deployment.tpm, deployment.tpmLimit || undefined)}`,
  ];
}

/** Attempts of the last minutes, and the share that failed. */
export function recent(window: AttemptWindow | undefined): Html | string {
  if (window === undefined) return NONE;
  const { attempts, failures } = window;
  return html`${compact(attempts)}${failures > 0 && html` <span class="bad-word">(${failedShare(window)} failed)</span>`}`;
}

/** A duration; a dash if it is not known. */
export function optionalDuration(ms: number | undefined): string {
  return ms === undefined || ms === 0 ? NONE : duration(ms);
}

function windowText(window: AttemptWindow): string {
  const { attempts, failures, p95Ms, period = 'the last 5 minutes' } = window;
  const failed = failures > 0 ? `, ${failedShare(window)} failed` : '';
  const latency = p95Ms === undefined ? '' : `, p95 ${duration(p95Ms)}`;
  return `${compact(attempts)} ${attempts === 1 ? 'attempt' : 'attempts'} in ${period}${failed}${latency}`;
}

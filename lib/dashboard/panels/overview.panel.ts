import type { DashboardSnapshot, Tally } from '../dashboard.snapshot.js';
import { compact, count, duration, NONE, perSecond, share, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { attentionOf, type AttentionItem } from '../overview/attention.js';
import { failedShare, groupsOf, type GroupState } from '../overview/deployment-status.js';
import { badge, figure, table, tile } from './panel.js';

const SHOWN_ITEMS = 12;

/** Items that need attention, most urgent first, with the reason and advice. */
export function attentionPanel(snapshot: DashboardSnapshot, base: string): Html {
  const items = attentionOf(snapshot);
  if (items.length === 0) return html`<p class="nothing">Nothing needs attention.</p>`;
  const rest = items.length - SHOWN_ITEMS;
  return html`<ul class="attention">
      ${items.slice(0, SHOWN_ITEMS).map((item) => attentionItem(item, base))}
    </ul>
    ${rest > 0 && html`<p class="note">And ${rest} more.</p>`}`;
}

function attentionItem({ severity, title, reason, advice, page }: AttentionItem, base: string): Html {
  return html`<li class="is-${severity}">
    <strong>${page === undefined ? title : html`<a href="${base}${page}">${title}</a>`}</strong>
    <p>${reason}</p>
    ${advice !== undefined && html`<p class="note">${advice}</p>`}
  </li>`;
}

/** Traffic, errors, latency, spend and load. */
export function glancePanel(snapshot: DashboardSnapshot): Html {
  const { callWindow: calls, deployments, queue, tallies } = snapshot;
  const tally = (metric: string): Tally | undefined => tallies.find((each) => each.metric === metric);
  const [total, spent, denied, fallbacks] = [
    tally('llm_client_calls_total'),
    tally('llm_client_cost_usd_total'),
    tally('rate_limit_denied_total'),
    tally('llm_client_fallbacks_total'),
  ];
  const inFlight = (deployments ?? []).reduce((sum, each) => sum + each.inFlight, 0);
  const waiting = queue === null ? '' : `, ${count(queue.length)} waiting`;
  const isLate = calls?.firstTokenP95Ms !== undefined;
  return html`<dl class="tiles">
    ${tile('Calls', rateOf(total), `${compact(total?.total ?? 0)} since the start`)}
    ${tile('In flight', count(inFlight), `attempts now${waiting}`)}
    ${
      calls === null
        ? tile('Failed', NONE, 'no calls in 5 minutes')
        : tile('Failed', failedShare(calls), `${count(calls.failures)} of ${count(calls.attempts)} calls in 5 minutes`)
    }
    ${tile('Latency, p95', timeOf(calls?.p95Ms), isLate ? `first token ${timeOf(calls.firstTokenP95Ms)}` : `p50 ${timeOf(calls?.p50Ms)}`)}
    ${tile('Spent', spent === undefined ? NONE : usd(spent.total), spent?.perSecond === undefined ? 'since the start' : `${usd(spent.perSecond * 3600)} an hour now`)}
    ${tile('Denied by limits', compact(denied?.total ?? 0), `${rateOf(denied)}, ${compact(fallbacks?.total ?? 0)} fallbacks`)}
  </dl>`;
}

function rateOf(tally: Tally | undefined): string {
  return tally?.perSecond === undefined ? NONE : perSecond(tally.perSecond);
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? NONE : duration(ms);
}

const SHOWN_GROUPS = 20;

/** Model groups: their state, and the figures behind it. */
export function groupsPanel(snapshot: DashboardSnapshot, base: string): Html | undefined {
  const groups = groupsOf(snapshot);
  if (groups.length === 0) return undefined;
  const columns = [{ label: 'Model group' }, { label: 'State' }, ...['Attempts', 'Failed', 'p95', 'First token', 'In flight'].map(figure)];
  const rest = groups.length - SHOWN_GROUPS;
  return html`${table('Model groups, last 5 minutes', columns, groups.slice(0, SHOWN_GROUPS).map(groupRow))}
    <p class="note"><a href="${base}models">All deployments</a>${rest > 0 && html` of these and ${rest} more groups`}</p>`;
}

function groupRow({ group, deployments, statusLabel, window, inFlight }: GroupState): Html[] {
  return [
    html`${group} <span class="note below">${count(deployments.length)} ${deployments.length === 1 ? 'deployment' : 'deployments'}</span>`,
    badge(statusLabel.severity, statusLabel.word),
    html`${count(window?.attempts ?? 0)}`,
    html`${window === undefined ? NONE : share(window.failures / window.attempts)}`,
    html`${timeOf(window?.p95Ms)}`,
    html`${timeOf(window?.firstTokenP95Ms)}`,
    html`${count(inFlight)}`,
  ];
}

import { compact, duration, NONE } from '../number-format.js';
import { html, type Html } from '../html.js';
import { figure, nothing, table } from '../panels/panel.js';
import { conditionList } from '../spending/spending-page.js';
import { CALL_STATUSES, linkTo, type SpendingView } from '../spending/spending-query.js';
import { statusBadge, usdOrNone } from './call-details.js';
import type { CallsSource, CallSummary } from './calls-source.js';

const PAGE = 50;

/**
 * The calls that match, the newest first.
 * @param hasDates whether they are chosen by date: those of a spend log
 */
export async function renderCalls(source: CallsSource, hasDates: boolean, view: SpendingView): Promise<Html> {
  const { calls, next } = await matching(source, hasDates, view);
  return html`${controls(view, hasDates)}${conditionList('calls', view)}
    <section class="card wide of-calls" aria-labelledby="calls-title">
      <h2 id="calls-title" class="unseen">Calls</h2>
      ${
        calls.length === 0
          ? nothing(
              hasDates
                ? 'No calls in this time.'
                : 'No calls yet that match. Without a spend log, calls are recorded from the first visit to the dashboard.',
            )
          : callTable(calls, view)
      }
      ${next !== undefined && html`<p class="more"><a href="${linkTo('calls', { ...view, after: next })}" rel="next">Older calls</a></p>`}
    </section>`;
}

/** A table of calls, with links to each. @param view conditions that the way back keeps */
export function callTable(calls: readonly CallSummary[], view: Partial<SpendingView>): Html {
  const rows = calls.map((call) => [
    html`<a href="${linkTo('call', { ...view, after: undefined, id: call.id })}">${timeText(call.startedAt)}</a>`,
    statusBadge(call.status),
    html`${call.modelGroup ?? call.requestedModel} <span class="note below">${call.provider ?? NONE} · ${call.operation}</span>`,
    html`${call.keyAlias ?? call.key ?? NONE}
      <span class="note below">${[call.team, call.user, call.endUser].filter((name) => name !== null).join(' · ')}</span>`,
    html`${compact(call.promptTokens)} + ${compact(call.completionTokens)}`,
    html`${usdOrNone(call.usd)}`,
    html`${duration(call.durationMs)}`,
  ]);
  const columns = [{ label: 'Started (UTC)' }, { label: 'Status' }, { label: 'Model group' }, { label: 'API key' }];
  return table('Calls', [...columns, figure('Tokens'), figure('Cost'), figure('Duration')], rows);
}

/** The condition `key` is the public id of a key, or its alias. */
async function matching(
  source: CallsSource,
  hasDates: boolean,
  { from, to, filter, status, after }: SpendingView,
): ReturnType<CallsSource['calls']> {
  const question = { ...(hasDates && { from, to }), after, limit: PAGE };
  const found = await source.calls({ ...question, filter: { ...filter, status } });
  const { key, ...others } = filter;
  if (!hasDates || key === undefined || found.calls.length > 0) return found;
  return source.calls({ ...question, filter: { ...others, keyAlias: key, status } });
}

function controls({ from, to, by, filter, status }: SpendingView, hasDates: boolean): Html {
  const hidden = Object.entries({ ...filter, key: undefined, modelGroup: undefined }).filter(([, value]) => value !== undefined);
  return html`<form class="wide controls" method="get" action="calls">
    ${
      hasDates &&
      html`<label>From <input type="date" name="from" value="${from}" required /></label>
        <label>To <input type="date" name="to" value="${to}" required /></label>`
    }
    <label>API key <input name="key" value="${filter.key}" placeholder="alias or id" autocomplete="off" /></label>
    <label>Model group <input name="modelGroup" value="${filter.modelGroup}" autocomplete="off" /></label>
    <label
      >Status
      <select name="status">
        <option value="">any</option>
        ${CALL_STATUSES.map((each) =>
          each === status ? html`<option value="${each}" selected>${each}</option>` : html`<option value="${each}">${each}</option>`,
        )}
      </select>
    </label>
    ${hasDates && html`<input type="hidden" name="by" value="${by}" />`}
    ${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}
    <button type="submit">Show</button>
  </form>`;
}

function timeText(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

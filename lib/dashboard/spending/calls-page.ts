import { compact, count, duration, NONE, usd } from '../figures.js';
import { html, type Html } from '../html.js';
import { badge, figure, nothing, table } from '../panels/panel.js';
import { controls } from './spending-page.js';
import { linkTo, type SpendingView } from './spending-query.js';
import type { SpendingAttempt, SpendingCall, SpendingSource } from './spending-source.js';

const PAGE = 50;
const NANO = 1e9;

/** The calls of a period, newest first. */
export async function renderCalls(source: SpendingSource, view: SpendingView): Promise<Html> {
  const { from, to, by, filter, after } = view;
  const { calls, next } = await source.calls({ from, to, filter, after, limit: PAGE });
  const rows = calls.map((call) => [
    html`<a href="${linkTo('call', { id: call.id, from, to, by, filter })}">${timeText(call.startedAt)}</a>`,
    html`${call.modelGroup ?? call.requestedModel} <span class="note below">${call.provider ?? NONE} · ${call.operation}</span>`,
    html`${call.keyAlias ?? call.key ?? NONE}
      <span class="note below">${[call.team, call.user, call.endUser].filter((name) => name !== null).join(' · ')}</span>`,
    html`${compact(call.promptTokens)} + ${compact(call.completionTokens)}`,
    html`${usdOrNone(call.usd)}`,
    html`${duration(call.durationMs)}`,
    status(call.status),
  ]);
  const columns = [{ label: 'Started (UTC)' }, { label: 'Model group' }, { label: 'API key' }];
  return html`${controls(view)}
    <section class="card wide of-calls" aria-labelledby="calls-title">
      <div class="head">
        <h2 id="calls-title">Calls</h2>
        <a href="${linkTo('spending', { from, to, by, filter })}">Back to spending</a>
      </div>
      ${
        rows.length === 0
          ? nothing('No calls in this time.')
          : table('Calls', [...columns, figure('Tokens'), figure('Cost'), figure('Duration'), { label: 'Status' }], rows)
      }
      ${next !== undefined && html`<p class="pages"><a href="${linkTo('calls', { from, to, by, filter, after: next })}" rel="next">Older calls</a></p>`}
    </section>`;
}

/** One call with its attempts; `undefined` for an unknown id. */
export async function renderCall(source: SpendingSource, view: SpendingView): Promise<Html | undefined> {
  const call = view.id === undefined ? undefined : await source.call(view.id);
  if (call === undefined) return undefined;
  const { from, to, by, filter } = view;
  return html`<section class="card wide of-call" aria-labelledby="call-title">
      <div class="head">
        <h2 id="call-title">Call ${call.id}</h2>
        <a href="${linkTo('calls', { from, to, by, filter })}">Back to calls</a>
      </div>
      <dl class="facts">
        ${factsOf(call).map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
    </section>
    <section class="card wide of-attempts" aria-labelledby="attempts-title">
      <h2 id="attempts-title">Attempts</h2>
      ${call.attemptList.length === 0 ? nothing('No provider was called.') : attempts(call.attemptList)}
    </section>`;
}

function factsOf(call: SpendingCall): (readonly [string, Html | string])[] {
  const cost = (nano: number): string => usd(nano / NANO);
  const parts = `input ${cost(call.costInput)}, output ${cost(call.costOutput)}, cache ${cost(call.costCacheRead)} read, ${cost(call.costCacheWrite)} written, other ${cost(call.costOther)}`;
  const facts: (readonly [string, Html | string | number | null])[] = [
    ['Started', `${call.startedAt.toISOString().replace('T', ' ').replace('Z', '')} UTC`],
    ['Status', status(call.status)],
    ['Error', call.errorCode],
    ['HTTP status', call.httpStatus],
    ['Cost', `${usdOrNone(call.usd)}${call.isEstimated ? ' (estimated)' : ''}`],
    ['Parts of the cost', call.usd === null ? null : parts],
    ['Prompt tokens', `${count(call.promptTokens)} (${count(call.cacheReadTokens)} cached)`],
    ['Completion tokens', `${count(call.completionTokens)} (${count(call.reasoningTokens)} reasoning)`],
    ['Duration', duration(call.durationMs)],
    ['Time to first token', call.timeToFirstTokenMs === null ? null : duration(call.timeToFirstTokenMs)],
    ['Requested model', call.requestedModel],
    ['Model group', call.modelGroup],
    ['Model', call.model],
    ['Provider', call.provider],
    ['Deployment', call.deploymentId],
    ['API key', call.keyAlias === null ? call.key : `${call.keyAlias} (${call.key})`],
    ['Team', call.team],
    ['User', call.user],
    ['End user', call.endUser],
    ['Tags', call.tags.join(', ')],
    ['Session', call.sessionId],
    ['Request', call.requestId],
    ['Address', call.ip],
    ['Cache', call.cacheStatus],
  ];
  return facts.flatMap(([name, value]) =>
    value === null || value === '' ? [] : [[name, typeof value === 'number' ? String(value) : value] as const],
  );
}

function attempts(list: readonly SpendingAttempt[]): Html {
  const rows = list.map((attempt) => [
    html`${attempt.number}`,
    html`${attempt.modelGroup} <span class="note below">${attempt.model} · ${attempt.deploymentId}</span>`,
    html`${attempt.provider}`,
    html`${status(attempt.status)} ${attempt.errorCode ?? ''}`,
    html`${compact(attempt.promptTokens)} + ${compact(attempt.completionTokens)}`,
    html`${usdOrNone(attempt.nanoUsd === null ? null : attempt.nanoUsd / NANO)}`,
    html`${duration(attempt.durationMs)}`,
  ]);
  const columns = [{ label: 'Attempt' }, { label: 'Model group' }, { label: 'Provider' }, { label: 'Status' }];
  return table('Attempts', [...columns, figure('Tokens'), figure('Cost'), figure('Duration')], rows);
}

function status(text: string): Html {
  return badge(text === 'success' ? 'good' : text === 'failure' ? 'bad' : 'warn', text);
}

function timeText(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

function usdOrNone(value: number | null): string {
  return value === null ? NONE : usd(value);
}

import { compact, count, duration, NONE, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { badge, bar, figure, nothing, table } from '../panels/panel.js';
import { linkTo, type SpendingView } from '../spending/spending-query.js';
import type { SpendAttempt } from '../../spend/spend-queries.js';
import type { CallDetails, CallsSource, CallSummary } from './calls-source.js';

const NANO = 1e9;

/** One call with its attempts; `undefined` for an unknown id. */
export async function renderCall(source: CallsSource, view: SpendingView): Promise<Html | undefined> {
  const call = view.id === undefined ? undefined : await source.call(view.id);
  if (call === undefined) return undefined;
  return html`<section class="card wide of-call" aria-labelledby="call-title">
      <div class="head">
        <h2 id="call-title">Call ${call.id}</h2>
        <a href="${linkTo('calls', { ...view, id: undefined })}">Back to calls</a>
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
      ${call.attemptList.length === 0 ? nothing('No provider was called.') : attempts(call)}
    </section>`;
}

function factsOf(call: CallSummary): (readonly [string, Html | string])[] {
  const cost = (nano: number): string => usd(nano / NANO);
  const parts = `input ${cost(call.costInput)}, output ${cost(call.costOutput)}, cache ${cost(call.costCacheRead)} read, ${cost(call.costCacheWrite)} written, other ${cost(call.costOther)}`;
  const facts: (readonly [string, Html | string | number | null])[] = [
    ['Started', `${call.startedAt.toISOString().replace('T', ' ').replace('Z', '')} UTC`],
    ['Operation', call.operation],
    ['Status', statusBadge(call.status)],
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
    ['API key', call.keyAlias === null || call.key === null ? (call.keyAlias ?? call.key) : `${call.keyAlias} (${call.key})`],
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

/** The attempts, with when each began and how long it took. */
function attempts({ attemptList, startedAt, durationMs }: CallDetails): Html {
  const rows = attemptList.map((attempt, at) => {
    const beganMs = Math.max(0, attempt.startedAt.getTime() - startedAt.getTime());
    const percentage = (ms: number): number => (durationMs > 0 ? (ms / durationMs) * 100 : 0);
    const kind = attempt.status === 'success' ? 'used' : 'full';
    return [
      html`${attempt.number} <span class="note below">${kindOf(attempt, attemptList[at - 1])}</span>`,
      html`${attempt.modelGroup} <span class="note below">${attempt.model} · ${attempt.deploymentId}</span>`,
      html`${attempt.provider}`,
      html`${statusBadge(attempt.status)} <span class="note below">${errorText(attempt)}</span>`,
      html`after
      ${duration(beganMs)}${bar([
        { kind: 'none', percentage: percentage(beganMs) },
        { kind, percentage: Math.max(1, percentage(attempt.durationMs)) },
      ])}`,
      html`${duration(attempt.durationMs)}`,
      html`${attempt.timeToFirstTokenMs === null ? NONE : duration(attempt.timeToFirstTokenMs)}`,
      html`${compact(attempt.promptTokens)} + ${compact(attempt.completionTokens)}`,
      html`${usdOrNone(attempt.nanoUsd === null ? null : attempt.nanoUsd / NANO)}`,
    ];
  });
  const columns = [
    { label: 'Attempt' },
    { label: 'Model group' },
    { label: 'Provider' },
    { label: 'Status' },
    { label: 'Began', isLong: true },
  ];
  return table('Attempts', [...columns, ...['Duration', 'First token', 'Tokens', 'Cost'].map(figure)], rows);
}

function kindOf({ modelGroup }: SpendAttempt, before: SpendAttempt | undefined): string {
  if (before === undefined) return '';
  return before.modelGroup === modelGroup ? 'retry' : 'fallback';
}

function errorText({ errorCode, errorKind, httpStatus, status }: SpendAttempt): string {
  if (status === 'success') return '';
  return [errorCode ?? errorKind, httpStatus === null ? undefined : `status ${httpStatus}`]
    .filter((text) => text !== undefined)
    .join(' · ');
}

/** The status of a call or attempt. */
export function statusBadge(text: string): Html {
  return badge(text === 'success' ? 'good' : text === 'failure' ? 'bad' : 'warn', text);
}

/** A cost; a dash if it is unknown. */
export function usdOrNone(value: number | null): string {
  return value === null ? NONE : usd(value);
}

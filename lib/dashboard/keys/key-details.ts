import type { RecordedAuditEntry } from '../../common/audit-log.js';
import { isObject } from '../../common/objects.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { ApiKeyService, KeyStanding } from '../../keys/api-keys.service.js';
import type { BudgetReport } from '../../rate-limit/rate-limit.service.js';
import { callTable } from '../calls/call-list.js';
import type { DashboardServices } from '../dashboard.services.js';
import { hidden } from '../fields.js';
import { compact, NONE, span, usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import type { PageRequest } from '../pages/page.js';
import { card, nothing, table, usageBar } from '../panels/panel.js';
import { spendingChart } from '../spending/spending-chart.js';
import { linkTo } from '../spending/spending-query.js';
import { lastCallsOf, lastDays, lastUseOf, USE_DAYS } from './key-use.js';
import {
  agoWords,
  budgetWords,
  expiryWords,
  isUnlimited,
  keyLink,
  limitWords,
  maskedKey,
  minuteText,
  resetWords,
  stateBadge,
} from './key-labels.js';

const SHOWN_CALLS = 10;
const SHOWN_MODELS = 8;
const SHOWN_CHANGES = 10;
const LONGEST_VALUE = 120;
const NANO = 1e9;
const PERIODS: Readonly<Record<BudgetReport['period'], string>> = {
  day: 'a day',
  month: 'a month',
  window: 'in a window',
  total: 'in total',
};

/** Everything about one key. */
export async function renderKey(request: PageRequest, record: ApiKeyRecord, nowMs: number): Promise<Html> {
  const { services, base } = request;
  const keys = services.keys!;
  const { publicId } = record;
  const [standing, budgets, spent, used, blockers, calls, spending, changes] = await Promise.all([
    keys.standingOf(record),
    keys.budgetsOf(record),
    keys.spendingOf(record),
    lastUseOf(services, keys, publicId, nowMs),
    blockersOf(services, record),
    lastCallsOf(services, publicId, SHOWN_CALLS, nowMs),
    spendingOf(services, publicId, nowMs),
    changesOf(services, publicId),
  ]);
  const range = lastDays(services, nowMs);
  const ofKey = { ...range, filter: { key: publicId } };
  return html`${actions(request, record, keys)} ${blockers.map((text) => html`<p class="wide notice warn" role="status">${text}</p>`)}
    <div class="half">${card('facts', 'Key', factList(factsOf(record, keys, { base, used, nowMs })))}</div>
    <div class="half">${card('use', 'Limits and budget', limitsOf(record, { standing, budgets, spent, nowMs }))}</div>
    ${
      spending !== undefined &&
      html`<div class="wide">
        ${card(
          'spend',
          'Spend by model',
          html`${spending}
            <p class="more"><a href="${base}${linkTo('spending', { ...ofKey, by: 'model' })}">All spending of this key</a></p>`,
        )}
      </div>`
    }
    ${
      calls.length > 0 &&
      html`<div class="wide">
        ${card(
          'calls',
          'Last calls',
          html`${callTable(calls, ofKey)}
            <p class="more"><a href="${base}${linkTo('calls', ofKey)}">All calls of this key</a></p>`,
        )}
      </div>`
    }
    ${changes.length > 0 && html`<div class="wide">${card('changes', 'Changes', changeTable(changes))}</div>`}`;
}

function actions({ base, form, canWrite }: PageRequest, record: ApiKeyRecord, keys: ApiKeyService): Html {
  const { publicId, blocked } = record;
  const isConfigured = keys.isConfigured(publicId);
  const link = (view: string, text: string, kind = ''): Html =>
    html`<a class="button ${kind}" href="${base}${keyLink(publicId, view)}">${text}</a>`;
  const [action, text] = blocked === true ? ['unblock', 'Unblock'] : ['block', 'Block'];
  const toggle = html`${hidden('id', publicId)}<button type="submit" name="do" value="${action}">${text}</button>`;
  const change = html`${link('edit', 'Edit', 'main')} ${link('rotate', 'Rotate')} ${form(keyLink(publicId), toggle)}`;
  return html`${isConfigured && html`<p class="wide note">This key is defined in the configuration: change it there.</p>`}
  ${
    canWrite &&
    html`<div class="wide actions">
      ${!isConfigured && change} ${link('reset', 'Reset the spend')} ${!isConfigured && link('delete', 'Delete', 'danger')}
    </div>`
  }`;
}

/** Why requests are denied although the key is active. */
async function blockersOf({ directory }: DashboardServices, { team, user }: ApiKeyRecord): Promise<readonly string[]> {
  if (directory === undefined) return [];
  const [ofTeam, ofUser] = await Promise.all([
    team === undefined ? undefined : directory.find('teams', team),
    user === undefined ? undefined : directory.find('users', user),
  ]);
  return [
    ...(ofTeam?.blocked === true ? [`The team ${team} is blocked: requests with this key get 403.`] : []),
    ...(ofUser?.blocked === true ? [`The user ${user} is blocked: requests with this key get 403.`] : []),
  ];
}

type Fact = readonly [name: string, value: Html | string | undefined];

function factsOf(
  record: ApiKeyRecord,
  keys: ApiKeyService,
  { base, used, nowMs }: { readonly base: string; readonly used: Date | undefined; readonly nowMs: number },
): readonly Fact[] {
  const {
    publicId,
    alias,
    team,
    user,
    organization,
    models,
    allowedRoutes,
    modelAliases = {},
    tags,
    priority,
    metadata,
    expiresAt,
  } = record;
  const former = record.hashes
    .slice(1)
    .flatMap(({ validUntil }) => (validUntil !== undefined && Date.parse(validUntil) > nowMs ? [validUntil] : []));
  const aliases = Object.entries(modelAliases).map(([name, model]) => `${name} = ${model}`);
  return [
    ['Key', html`<code>${maskedKey(publicId)}</code>`],
    ['State', stateBadge(record, nowMs)],
    ['Alias', alias],
    ['Team', team && html`<a href="${base}${listLink({ team })}">${team}</a>`],
    ['User', user && html`<a href="${base}${listLink({ user })}">${user}</a>`],
    ['Organization', organization],
    ['Models', models === undefined ? 'all' : listOf(models, 'none')],
    ['Routes', allowedRoutes && listOf(allowedRoutes, 'none')],
    ['Model aliases', aliases.length === 0 ? undefined : listOf(aliases, '')],
    ['Expires', expiresAt === undefined ? 'never' : `${minuteText(expiresAt)} UTC (${expiryWords(record, nowMs)})`],
    ['Last use', used === undefined ? NONE : `${minuteText(used)} UTC (${agoWords(used, nowMs)})`],
    ['Created', record.createdAt && `${minuteText(record.createdAt)} UTC`],
    ['Changed', record.updatedAt && `${minuteText(record.updatedAt)} UTC`],
    [
      'Former secrets',
      former.length === 0 ? undefined : `${former.length} valid until ${former.map((end) => `${minuteText(end)} UTC`).join(', ')}`,
    ],
    ['Tags', tags && tags.length > 0 ? tags.join(', ') : undefined],
    ['Priority', priority],
    ['Metadata', metadata && html`<pre>${JSON.stringify(metadata, null, 2)}</pre>`],
    ['Defined', keys.isConfigured(publicId) ? 'in the configuration' : undefined],
  ];
}

/** The list of keys with a condition. */
function listLink(condition: Readonly<Record<string, string>>): string {
  return `keys?${new URLSearchParams(condition).toString()}`;
}

function factList(facts: readonly Fact[]): Html {
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        value !== undefined &&
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

function listOf(texts: readonly string[], none: string): Html {
  if (texts.length === 0) return html`${none}`;
  return html`<ul>
    ${texts.map((text) => html`<li>${text}</li>`)}
  </ul>`;
}

interface LimitState {
  readonly standing: KeyStanding | undefined;
  readonly budgets: readonly BudgetReport[];
  readonly spent: BudgetReport | undefined;
  readonly nowMs: number;
}

/** Limits and budgets, with what is used now. */
function limitsOf(record: ApiKeyRecord, { standing, budgets, spent, nowMs }: LimitState): Html {
  const { budget, softBudgetUsd, raisedUsd, raisedUntil, modelLimits = {} } = record;
  const isRaised = raisedUsd !== undefined && raisedUntil !== undefined && Date.parse(raisedUntil) > nowMs;
  const words = limitWords(standing?.limits);
  const models = Object.entries(modelLimits).map(
    ([model, limits]) => `${model}: ${[...limitWords(limits), ...budgetWords(limits)].join(', ')}`,
  );
  const rows = [
    ...budgets.map((report) => budgetRow(report, { window: standing?.limits.usdWindow, raisedUsd: isRaised ? raisedUsd : 0, nowMs })),
    ...rateRows(standing),
  ];
  return html`${
    rows.length > 0 &&
    html`<ul class="limits">
      ${rows}
    </ul>`
  }
  ${factList([
    ['Limits', words.length === 0 ? 'none' : words.join(', ')],
    [
      'Spent',
      budgets.length > 0 || spent === undefined ? undefined : `${usd(spent.spentUsd)} in total${isUnlimited(spent) ? ', no budget' : ''}`,
    ],
    ['By its limits', decisionOf(standing)],
    ['Budget of', budget],
    ['Reported at', softBudgetUsd === undefined ? undefined : usd(softBudgetUsd)],
    ['Budget raised', isRaised ? `by ${usd(raisedUsd)} until ${minuteText(raisedUntil)} UTC` : undefined],
    ['Limits by model', models.length === 0 ? undefined : listOf(models, '')],
  ])}`;
}

interface BudgetRow {
  readonly window: string | undefined;
  readonly raisedUsd: number;
  readonly nowMs: number;
}

function budgetRow(report: BudgetReport, { window, raisedUsd, nowMs }: BudgetRow): Html {
  const { period, spentUsd, heldUsd, limitUsd } = report;
  const most = limitUsd + (period === 'window' || period === 'total' ? raisedUsd : 0);
  return html`<li>
    <div class="head">
      <span
        ><strong>${usd(spentUsd)}</strong> of ${usd(most)}
        ${period === 'window' && window !== undefined ? `in ${window}` : PERIODS[period]}</span
      >
      <span class="figure">${usd(Math.max(0, most - spentUsd - heldUsd))} left</span>
    </div>
    ${usageBar(spentUsd + heldUsd, most)}
    <p class="note">${heldUsd > 0 && `${usd(heldUsd)} held by calls in flight · `}${resetWords(report, nowMs)}</p>
  </li>`;
}

/** Requests and tokens that are left in the tightest windows. */
function rateRows(standing: KeyStanding | undefined): readonly Html[] {
  if (standing === undefined || standing.left.outage !== undefined) return [];
  const { limits, left } = standing;
  const row = (free: number, most: number, unit: string): Html =>
    html`<li>
      <div class="head">
        <span><strong>${compact(Math.max(0, most - free))}</strong> of ${compact(most)} ${unit}</span>
        <span class="figure">${compact(free)} left</span>
      </div>
      ${usageBar(most - free, most)}
    </li>`;
  return [
    ...(Number.isFinite(left.remainingRequests) ? [row(left.remainingRequests, left.limit, 'requests')] : []),
    ...(limits.tokensPerMinute === undefined || left.remainingTokens === undefined
      ? []
      : [row(left.remainingTokens, limits.tokensPerMinute, 'tokens a minute')]),
  ];
}

const DENIALS: Readonly<Record<string, string>> = {
  concurrency: 'its calls in flight',
  tokens: 'tokens a minute',
  usd: 'its budget',
};

function decisionOf(standing: KeyStanding | undefined): string | undefined {
  if (standing === undefined) return undefined;
  const { allowed, outage, exceeded = '', retryAfterMs } = standing.next;
  if (outage !== undefined) return 'unknown, because the store of the limits is unavailable';
  if (allowed) return 'a request would be allowed';
  const time = retryAfterMs === undefined ? '' : ` for ${span(retryAfterMs)}`;
  return `a request would be denied${time}, because of ${DENIALS[exceeded] ?? `requests in a ${exceeded}`}`;
}

/** Spend by model and day; `undefined` without a spend log. */
async function spendingOf({ spending }: DashboardServices, publicId: string, nowMs: number): Promise<Html | undefined> {
  if (spending === undefined) return undefined;
  const { from = '', to = '' } = lastDays({ spending } as DashboardServices, nowMs);
  const question = { from, to, filter: { key: publicId } };
  const [days, byDay] = await Promise.all([spending.daily(question), spending.dailyBy({ ...question, by: 'model', limit: SHOWN_MODELS })]);
  if (days.every(({ requests }) => requests === 0)) return nothing(`No calls in the last ${USE_DAYS} days.`);
  return spendingChart({
    title: `The last ${USE_DAYS} days`,
    days: byDay.days,
    totals: days.map((day) => day.usd),
    bands: byDay.rows.map(({ name, label, nanoUsd }) => ({ name: label ?? name, usd: nanoUsd.map((nano) => nano / NANO) })),
    rest: 'other models',
  });
}

async function changesOf({ audit }: DashboardServices, publicId: string): Promise<readonly RecordedAuditEntry[]> {
  if (audit === undefined) return [];
  return (await audit.search({ entity: 'keys', entityId: publicId, limit: SHOWN_CHANGES })).entries;
}

/** Fields that change with every write, or whose values the log masks. */
const VERSION_FIELDS = ['publicId', 'revision', 'createdAt', 'updatedAt', 'secrets'];

function changeTable(entries: readonly RecordedAuditEntry[]): Html {
  const rows = entries.map(({ at, action, actor, address, before = {}, after = {} }) => [
    html`${minuteText(at)}`,
    html`${action.replaceAll('_', ' ')}`,
    html`${actor}${address !== undefined && html` <span class="note below">${address}</span>`}`,
    html`${differences(action === 'deleted' ? {} : before, after).map((text) => html`<span class="below">${text}</span>`)}`,
  ]);
  return table(
    'Changes, the newest first',
    [{ label: 'At (UTC)' }, { label: 'Change' }, { label: 'By' }, { label: 'Settings', isLong: true }],
    rows,
  );
}

function differences(before: object, after: object): readonly string[] {
  const [old, now] = [settingsOf(before), settingsOf(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((name) => !VERSION_FIELDS.includes(name));
  return names.flatMap((name) => {
    const [from, to] = [shown(old[name]), shown(now[name])];
    return from === to ? [] : [old[name] === undefined ? `${name}: ${to}` : `${name}: ${from} → ${to}`];
  });
}

/** Settings by their path: `limits.tokensPerMinute`. */
function settingsOf(record: object): Readonly<Record<string, unknown>> {
  const entries = Object.entries(record).flatMap(([name, value]: [string, unknown]) =>
    isObject(value) ? Object.entries(value).map(([inner, each]) => [`${name}.${inner}`, each]) : [[name, value]],
  );
  return Object.fromEntries(entries) as Readonly<Record<string, unknown>>;
}

function shown(value: unknown): string {
  if (value === undefined) return 'none';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

import { definedFields } from '../../common/objects.js';
import { checkStorable } from '../../common/storable-text.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { ApiKeyStatus } from '../../keys/api-key-store.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';
import type { DashboardServices } from '../dashboard.services.js';
import { paging } from '../fields.js';
import { count, NONE } from '../number-format.js';
import { html, type Html } from '../html.js';
import type { PageRequest } from '../pages/page.js';
import { badge, figure, nothing, table } from '../panels/panel.js';
import { lastUseOf } from './key-use.js';
import {
  agoWords,
  budgetWords,
  expiryWords,
  keyLink,
  keyName,
  KEY_STATES,
  limitWords,
  maskedKey,
  modelWords,
  spendCell,
  stateBadge,
} from './key-labels.js';

const PAGE = 25;
/** Stores stop counting here. */
const MOST_COUNTED = 100_000;
const LONGEST = 256;
const STATUSES = Object.keys(KEY_STATES) as ApiKeyStatus[];
/** A key, or its masked form: only the public id is of interest. */
const WHOLE_KEY = /^sk-([A-Za-z0-9]{12})-/;

/** Parameters in the address of the list. */
interface ListView {
  readonly search?: string;
  readonly team?: string;
  readonly user?: string;
  readonly status?: ApiKeyStatus;
  readonly page: number;
}

/** A page of keys, with a form for conditions. */
export async function renderKeys({ services, query, base, canWrite }: PageRequest, keys: ApiKeyService, nowMs: number): Promise<Html> {
  const view = listViewOf(query);
  const { page, ...conditions } = view;
  const { records, total } = await keys.search({ ...conditions, limit: PAGE, offset: (page - 1) * PAGE });
  const hasConditions = Object.values(conditions).some((value) => value !== undefined);
  const rows = await Promise.all(records.map((record) => rowOf(record, services, keys, base, nowMs)));
  const canCreate = canWrite && keys.hasStore;
  return html`<div class="wide list-head">
      ${conditionForm(view, base)} ${canCreate && html`<a class="button main" href="${base}key?view=new">Create a key</a>`}
    </div>
    <section class="card wide of-keys" aria-labelledby="keys-title">
      <h2 id="keys-title" class="unseen">API keys</h2>
      ${
        rows.length > 0
          ? table('API keys, the newest first', COLUMNS, rows)
          : nothing(hasConditions || page > 1 ? 'No key matches.' : 'No keys yet.')
      }
      ${pages(view, records.length, total, base)}
    </section>
    ${!keys.hasStore && html`<p class="wide note">${NO_STORE}</p>`}`;
}

const NO_STORE = 'This app has only the keys of its configuration. To create keys here, set keys.store.';

const COLUMNS = [
  { label: 'Key' },
  { label: 'State' },
  { label: 'Team' },
  { label: 'Models' },
  { label: 'Limits' },
  { label: 'Spent' },
  figure('Last use'),
];

function listViewOf(query: URLSearchParams): ListView {
  const text = (name: string): string | undefined => {
    const value = (query.get(name) ?? '').trim().slice(0, LONGEST);
    return value === '' ? undefined : checkStorable(name, value);
  };
  const search = text('search');
  const page = Number(query.get('page') ?? 1);
  return {
    search: WHOLE_KEY.exec(search ?? '')?.[1] ?? search,
    team: text('team'),
    user: text('user'),
    status: STATUSES.find((status) => KEY_STATES[status] === query.get('state')),
    page: Number.isSafeInteger(page) ? Math.min(Math.max(1, page), MOST_COUNTED / PAGE) : 1,
  };
}

function conditionForm({ search, team, user, status }: ListView, base: string): Html {
  return html`<form class="controls" method="get" action="${base}keys" role="search" aria-label="API keys">
    <label>Alias or id <input name="search" value="${search}" placeholder="beginning of the alias" autocomplete="off" /></label>
    <label>Team <input name="team" value="${team}" autocomplete="off" /></label>
    <label>User <input name="user" value="${user}" autocomplete="off" /></label>
    <label
      >State
      <select name="state">
        <option value="">any</option>
        ${STATUSES.map((each) => html`<option ${each === status && html`selected`}>${KEY_STATES[each]}</option>`)}
      </select>
    </label>
    <button type="submit">Show</button>
  </form>`;
}

async function rowOf(
  record: ApiKeyRecord,
  services: DashboardServices,
  keys: ApiKeyService,
  base: string,
  nowMs: number,
): Promise<readonly Html[]> {
  const { publicId, alias, team, user, models, limits, budget } = record;
  const [spent, used] = await Promise.all([keys.spendingOf(record), lastUseOf(services, keys, publicId, nowMs)]);
  const [words, expiry] = [limitWords(limits), expiryWords(record, nowMs)];
  const verb = record.expiresAt !== undefined && Date.parse(record.expiresAt) <= nowMs ? 'expired' : 'expires';
  return [
    html`<a href="${base}${keyLink(publicId)}">${keyName(record)}</a
      >${alias !== undefined && html` <code class="note below">${maskedKey(publicId)}</code>`}
      ${keys.isConfigured(publicId) && html` ${badge('plain', 'configuration')}`}`,
    html`${stateBadge(record, nowMs)}${expiry !== undefined && html` <span class="note below">${verb} ${expiry}</span>`}`,
    html`${team ?? NONE}${user !== undefined && html` <span class="note below">${user}</span>`}`,
    html`${modelWords(models)}`,
    html`${words.length === 0 && budget === undefined ? 'none' : words.join(' · ')}
    ${budget !== undefined && html`<span class="note below">budget ${budget}</span>`}
    ${budgetWords(limits).length > 1 && html`<span class="note below">${budgetWords(limits).join(', ')}</span>`}`,
    spendCell(spent, nowMs),
    html`${agoWords(used, nowMs)}`,
  ];
}

function pages(view: ListView, shown: number, total: number, base: string): Html | false {
  const { page } = view;
  const first = (page - 1) * PAGE;
  const linkTo = (to: number): string => {
    const { search, team, user, status } = view;
    const given: Record<string, string | undefined> = { search, team, user, state: status && KEY_STATES[status], page: String(to) };
    return `${base}keys?${new URLSearchParams(definedFields(given) as Record<string, string>).toString()}`;
  };
  const all = total >= MOST_COUNTED ? `more than ${count(MOST_COUNTED)}` : count(total);
  return paging({
    text: shown === 0 ? `none of ${all} keys` : `${count(first + 1)} to ${count(first + shown)} of ${all} keys`,
    previous: page > 1 ? linkTo(page - 1) : undefined,
    next: first + PAGE < total && page < MOST_COUNTED / PAGE ? linkTo(page + 1) : undefined,
  });
}

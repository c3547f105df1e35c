import { FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import { visibleText } from '../../common/visible-text.js';
import { isPublicId, newApiKey, publicIdOf } from '../../keys/api-key.js';
import type { ApiKeyRecord, ApiKeySettings } from '../../keys/api-key-record.js';
import type { ApiKeyService } from '../../keys/api-keys.service.js';
import { durationMs } from '../../keys/api/key-fields.js';
import { confirmationPage, fieldErrorsOf, FormFields, hidden, NO_ERRORS, type FieldErrors } from '../fields.js';
import { usd } from '../number-format.js';
import { html, type Html } from '../html.js';
import { renderKey } from '../keys/key-details.js';
import { keyFields } from '../keys/key-fields.js';
import { keyFieldOf, keyFormValues, readKeyForm } from '../keys/key-form.js';
import { keyLink, keyName, maskedKey } from '../keys/key-labels.js';
import { failurePage } from './error.page.js';
import type { DashboardPage, FormAnswer, FormRequest, PageAnswer, PageRequest } from './page.js';

const READ_ONLY = 'Read-only session: to make changes, log out, and log in with the master key.';
const CONFIGURED = 'This key is defined in the configuration: change it there.';
const CHANGED = 'The key was changed after this form was opened, or the form was already sent. Nothing was changed.';

/** One key: its limits, spend and calls, and forms that create, change and delete keys. */
export const keyPage: DashboardPage = {
  path: 'key',
  title: 'API key',
  partOf: 'keys',
  isAvailable: ({ keys }) => keys !== undefined,
  async render(request) {
    const keys = request.services.keys!;
    const view = request.query.get('view');
    if (view === 'new') return newKey(request, keys);
    const record = await recordOf(request, keys);
    if (record === undefined) return missing();
    if (view === null) return { title: keyName(record), body: await renderKey(request, record, Date.now()) };
    const refusal = refusalOf(request, keys, record, view);
    if (refusal !== undefined) return refusal;
    switch (view) {
      case 'edit':
        return editForm(request, record, keyFormValues(record));
      case 'rotate':
        return rotateForm(request, record, new URLSearchParams());
      case 'reset':
        return resetQuestion(request, keys, record);
      case 'delete':
        return deleteQuestion(request, keys, record);
      default:
        return missing();
    }
  },
  async submit(form) {
    const keys = form.services.keys!;
    const [action, id] = [form.fields.get('do') ?? '', form.fields.get('id') ?? ''];
    const work = SUBMITS.get(action);
    if (work === undefined) return failurePage(400, 'Not changed', 'The form has no action.');
    if (action !== 'reset' && keys.isConfigured(id)) return failurePage(409, 'Not changed', CONFIGURED);
    try {
      return await work(form, keys);
    } catch (error) {
      if (error instanceof FastLiteLLMError && error.code === 'API_KEY_CONFLICT') return changedMeanwhile(form);
      if (error instanceof FastLiteLLMError && error.code === 'STORE_UNAVAILABLE') return failurePage(503, 'Not changed', error.message);
      throw error;
    }
  },
};

/** By the value of the button. */
const SUBMITS = new Map<string, (form: FormRequest, keys: ApiKeyService) => Promise<FormAnswer>>([
  ['create', create],
  ['save', save],
  ['rotate', rotate],
  ['block', (form, keys) => setBlocked(form, keys, true)],
  ['unblock', (form, keys) => setBlocked(form, keys, false)],
  ['reset', resetSpend],
  ['delete', deleteKey],
]);

// Pages

async function newKey(request: PageRequest, keys: ApiKeyService): Promise<PageAnswer> {
  if (!request.canWrite) return failurePage(403, 'New API key', READ_ONLY);
  if (!keys.hasStore) return failurePage(409, 'New API key', 'This app has no store for new keys: set keys.store.');
  return createForm(request, publicIdOf(newApiKey())!, new URLSearchParams());
}

/**
 * The form has the public id of the new key, so that sending it twice cannot create two keys, in
 * any process.
 */
async function createForm(request: PageRequest, publicId: string, values: URLSearchParams, errors = NO_ERRORS): Promise<PageAnswer> {
  const { fields, inputs } = await keyFields(request.services, values, errors);
  const body = html`${hidden('id', publicId)}${inputs}${buttons('create', 'Create the key', `${request.base}keys`)}`;
  return formPage('New API key', request.form(keyLink(publicId), fields.content(body)), errors);
}

async function editForm(request: PageRequest, record: ApiKeyRecord, values: URLSearchParams, errors = NO_ERRORS): Promise<PageAnswer> {
  const { publicId } = record;
  const { fields, inputs } = await keyFields(request.services, values, errors);
  const back = `${request.base}${keyLink(publicId)}`;
  const body = html`${hidden('id', publicId)}${version(record)}${inputs}${buttons('save', 'Save', back)}`;
  return formPage(`Edit ${keyName(record)}`, request.form(keyLink(publicId, 'edit'), fields.content(body)), errors);
}

function rotateForm(request: PageRequest, record: ApiKeyRecord, values: URLSearchParams, errors = NO_ERRORS): PageAnswer {
  const { publicId } = record;
  const fields = new FormFields(values, errors);
  const grace = fields.text({
    name: 'grace_period',
    label: 'The former secret stays valid for',
    suggestions: ['1h', '24h', '7d'],
    hint: html`A duration such as <code>1h</code> or <code>24h</code>. Empty: it ends at once.`,
  });
  const back = `${request.base}${keyLink(publicId)}`;
  const body = html`${hidden('id', publicId)}${version(record)}
    <p><code>${maskedKey(publicId)}</code> gets a new secret. Id, limits, budget and spend stay.</p>
    <div class="fields">${grace}</div>
    ${buttons('rotate', 'Rotate the key', back)}`;
  return formPage(`Rotate ${keyName(record)}`, request.form(keyLink(publicId, 'rotate'), fields.content(body)), errors);
}

async function resetQuestion(request: PageRequest, keys: ApiKeyService, record: ApiKeyRecord): Promise<PageAnswer> {
  const spent = await keys.spendingOf(record);
  if (spent === undefined) return failurePage(409, 'Not possible', 'The store of the limits keeps no budgets, or is unavailable.');
  return confirmationPage(request, {
    question: `Reset the spend of ${keyName(record)}?`,
    body: html`<p>It has spent ${usd(spent.spentUsd)}. Its budgets start again at $0; the spend log stays as it is.</p>`,
    path: keyLink(record.publicId),
    fields: { id: record.publicId, do: 'reset' },
    action: 'Reset the spend',
    back: keyLink(record.publicId),
  });
}

async function deleteQuestion(request: PageRequest, keys: ApiKeyService, record: ApiKeyRecord): Promise<PageAnswer> {
  const spent = await keys.spendingOf(record);
  return confirmationPage(request, {
    question: `Delete ${keyName(record)}?`,
    body: html`<p>
      Clients with <code>${maskedKey(record.publicId)}</code> get 401 from now on, and the key cannot be restored.
      ${spent !== undefined && `Its spend of ${usd(spent.spentUsd)} is deleted from its budgets.`} To stop it for a while, block it instead.
    </p>`,
    path: keyLink(record.publicId),
    fields: { id: record.publicId, do: 'delete' },
    action: 'Delete the key',
    back: keyLink(record.publicId),
  });
}

/** Shows a new secret: only in the answer to the form that made it. */
function secretPage({ base }: PageRequest, key: string, record: ApiKeyRecord, note: string): PageAnswer {
  return {
    title: `Secret of ${keyName(record)}`,
    body: html`<section class="card wide narrow of-secret" aria-labelledby="secret-title">
      <h2 id="secret-title">Copy the key now</h2>
      <p>It is shown only here. It is not stored, so it cannot be shown again.</p>
      <p class="secret">
        <label class="unseen" for="secret">API key</label>
        <textarea id="secret" rows="2" readonly autocomplete="off" spellcheck="false" autofocus>${key}</textarea>
        <button type="button" data-copy="secret" hidden>Copy</button>
      </p>
      <p class="note">${note}</p>
      <p class="actions"><a class="button main" href="${base}${keyLink(record.publicId)}">Continue to the key</a></p>
    </section>`,
  };
}

// Forms

async function create(form: FormRequest, keys: ApiKeyService): Promise<FormAnswer> {
  const { fields, actor } = form;
  const publicId = fields.get('id');
  if (!isPublicId(publicId)) return failurePage(400, 'Not changed', 'The form has no id. Open it again.');
  if ((await keys.find(publicId)) !== undefined) return alreadyCreated(publicId);
  const { errors, changes } = readKeyForm(fields, {}, Date.now());
  if (errors.size > 0) return createForm(form, publicId, fields, errors);
  try {
    const settings = Object.fromEntries(Object.entries(changes({})).filter(([, value]) => value !== null)) as ApiKeySettings;
    const { key, record } = await keys.create(settings, newApiKey(publicId), actor);
    note(form, record, 'created');
    return secretPage(form, key, record, 'Clients send it as Authorization: Bearer <key>.');
  } catch (error) {
    // Two forms that were sent at the same time.
    const isOfKey = error instanceof InvalidArgumentError && error.path === 'key';
    if (isOfKey && (await keys.find(publicId)) !== undefined) return alreadyCreated(publicId);
    return createForm(form, publicId, fields, fieldErrorsOf(error, keyFieldOf));
  }
}

async function save(form: FormRequest, keys: ApiKeyService): Promise<FormAnswer> {
  const { fields, actor } = form;
  const record = await recordOf(form, keys);
  if (record === undefined) return missing();
  const { errors, changes } = readKeyForm(fields, record, Date.now());
  if (errors.size > 0) return editForm(form, record, fields, errors);
  try {
    const saved = await keys.update(record.publicId, (current) => changes(unchanged(current, form)), actor);
    if (saved === undefined) return missing();
    note(form, saved, 'updated');
    return { redirect: keyLink(record.publicId), notice: `${keyName(saved)} was saved.` };
  } catch (error) {
    if (error instanceof ChangedError) return changedMeanwhile(form);
    return editForm(form, record, fields, fieldErrorsOf(error, keyFieldOf));
  }
}

async function rotate(form: FormRequest, keys: ApiKeyService): Promise<FormAnswer> {
  const { fields, actor } = form;
  const record = await recordOf(form, keys);
  if (record === undefined) return missing();
  const text = (fields.get('grace_period') ?? '').trim();
  try {
    const graceMs = text === '' ? 0 : durationMs('grace_period', text);
    const rotated = await keys.rotate(record.publicId, graceMs, (current) => (unchanged(current, form), {}), actor);
    if (rotated === undefined) return missing();
    note(form, rotated.record, 'rotated');
    const former = graceMs === 0 ? 'The former secret is no longer valid.' : `The former secret is valid for another ${text}.`;
    return secretPage(form, rotated.key, rotated.record, former);
  } catch (error) {
    if (error instanceof ChangedError) return changedMeanwhile(form);
    return rotateForm(
      form,
      record,
      fields,
      fieldErrorsOf(error, (path) => (path === 'grace_period' ? path : '')),
    );
  }
}

async function setBlocked(form: FormRequest, keys: ApiKeyService, blocked: boolean): Promise<FormAnswer> {
  const id = form.fields.get('id');
  const record = isPublicId(id) ? await keys.update(id, { blocked }, form.actor) : undefined;
  if (record === undefined) return missing();
  const event = blocked ? 'blocked' : 'unblocked';
  note(form, record, event);
  return { redirect: keyLink(record.publicId), notice: `${keyName(record)} was ${event}.` };
}

async function resetSpend(form: FormRequest, keys: ApiKeyService): Promise<FormAnswer> {
  const record = await recordOf(form, keys);
  if (record === undefined) return missing();
  await keys.resetSpend(record, 0, form.actor);
  note(form, record, 'spend reset');
  return { redirect: keyLink(record.publicId), notice: `The spend of ${keyName(record)} was reset.` };
}

async function deleteKey(form: FormRequest, keys: ApiKeyService): Promise<FormAnswer> {
  // A record that cannot be read can be deleted.
  const record = await recordOf(form, keys).catch(() => undefined);
  const id = form.fields.get('id');
  if (!isPublicId(id) || !(await keys.delete(id, form.actor))) return missing();
  const named = record ?? { publicId: id };
  note(form, named, 'deleted');
  return { redirect: 'keys', notice: `${keyName(named)} was deleted.` };
}

// Parts

/** The record was changed after the form was rendered. */
class ChangedError extends Error {}

/** @throws ChangedError */
function unchanged(record: ApiKeyRecord, { fields }: FormRequest): ApiKeyRecord {
  if (fields.get('revision') === String(record.revision ?? 1)) return record;
  throw new ChangedError();
}

/** Of a form: a record of this version is changed, and no other. */
function version({ revision = 1 }: ApiKeyRecord): Html {
  return hidden('revision', String(revision));
}

function buttons(action: string, text: string, back: string): Html {
  return html`<div class="actions">
    <button type="submit" class="main" name="do" value="${action}">${text}</button>
    <a class="button" href="${back}">Cancel</a>
  </div>`;
}

function formPage(title: string, form: Html | false, errors: FieldErrors): PageAnswer {
  return {
    title,
    status: errors.size > 0 ? 400 : 200,
    body: html`<section class="card wide narrow of-key-form" aria-label="${title}">${form}</section>`,
  };
}

async function recordOf(request: PageRequest | FormRequest, keys: ApiKeyService): Promise<ApiKeyRecord | undefined> {
  const id = 'fields' in request ? request.fields.get('id') : request.query.get('id');
  return isPublicId(id) ? keys.find(id) : undefined;
}

function refusalOf({ canWrite }: PageRequest, keys: ApiKeyService, { publicId }: ApiKeyRecord, view: string): PageAnswer | undefined {
  if (!canWrite) return failurePage(403, 'Not possible', READ_ONLY);
  if (view === 'reset' || !keys.isConfigured(publicId)) return undefined;
  return failurePage(409, 'Not possible', CONFIGURED);
}

function missing(): PageAnswer {
  return failurePage(404, 'API key', 'No key has this id.');
}

function changedMeanwhile({ fields }: FormRequest): PageAnswer {
  return linkedFailure(409, 'Not changed', CHANGED, fields.get('id'));
}

function alreadyCreated(publicId: string): PageAnswer {
  const text = 'This form has already created its key, whose secret was shown then. If the secret is lost, rotate the key.';
  return linkedFailure(409, 'Already created', text, publicId);
}

function linkedFailure(status: number, title: string, text: string, publicId: string | null): PageAnswer {
  const { body, ...answer } = failurePage(status, title, text);
  if (!isPublicId(publicId)) return { ...answer, body };
  return {
    ...answer,
    body: html`${body}
      <p class="wide actions"><a class="button" href="${keyLink(publicId)}">Go to the key</a></p>`,
  };
}

/** A line in the log, without the secret. */
function note({ services, actor }: FormRequest, { publicId, alias }: Pick<ApiKeyRecord, 'publicId' | 'alias'>, event: string): void {
  const named = alias === undefined ? '' : `, alias ${visibleText(alias)}`;
  services.log.log(`Dashboard: key ${publicId} ${event} by ${actor.actor} (${actor.address ?? 'unknown address'}${named})`);
}

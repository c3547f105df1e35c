import { hidden, FormFields, type FieldErrors, type Choice } from '../fields.js';
import { html, type Html } from '../html.js';
import type { PageRequest } from '../pages/page.js';
import type { StoredModels } from '../../configuration/stored/stored-models.js';
import type { StoredModel } from '../../configuration/stored/stored-records.js';
import {
  API_BASE,
  API_KEY,
  CREDENTIAL,
  isSecretField,
  MODE,
  MODEL,
  MORE,
  REMOVE,
  revisionOf,
  secretNames,
  SECTIONS,
  type ModelField,
  type ModelSection,
} from './model-fields.js';

/** Modes with a protocol of their own. */
const MODES = 'chat completion embedding responses rerank image_generation audio_transcription audio_speech moderation'.split(' ');
const PARAMS = 'litellm_params.';

/** A form, and what it shows. */
export interface ModelForm {
  readonly request: PageRequest;
  readonly models: StoredModels;
  /** `undefined`: a new one. */
  readonly model: StoredModel | undefined;
  readonly values: URLSearchParams;
  readonly errors?: FieldErrors;
  /** Names of model groups, offered while typing. */
  readonly groups: readonly string[];
}

/** The form that adds or changes a model. */
export function renderModelForm({ request, models, model, values, errors, groups }: ModelForm): Html {
  const fields = new FormFields(values, errors);
  const stored = new Set(model === undefined ? [] : secretNames(model));
  const isNew = model === undefined;
  const path = isNew ? 'model-new' : `model-edit?${new URLSearchParams({ id: model.id }).toString()}`;
  const credentials = models.credentials().map(({ name }): Choice => [name, name]);
  const body = html`${!isNew && hidden('revision', values.get('revision') ?? revisionOf(model))}
    <div class="fields">
      ${fields.text({
        name: 'model_name',
        label: 'Model group',
        hint: 'The name that clients request. Models of one name share its requests.',
        isRequired: true,
        suggestions: groups,
      })}
      ${fields.text({ ...MODEL, isRequired: true })}${secretField(fields, API_KEY, stored)}
      ${(credentials.length > 0 || isUsed(fields, CREDENTIAL)) && credentialChoice(fields, credentials)}
      ${fields.text({ ...API_BASE, type: 'url', hint: `${API_BASE.hint ?? ''}${stored.size > 0 ? ` ${movesAway(stored)}` : ''}` })}
      ${fields.choice({ ...MODE, options: [['', 'not set (chat)'], ...modesWith(values.get(MODE.name))] })}
    </div>
    ${SECTIONS.map((section) => sectionFields(fields, section, stored))}${furtherFields(fields, stored, isNew)}
    <div class="actions">
      <button type="submit" class="main">${isNew ? 'Add the model' : 'Save'}</button>
      <a class="button" href="${isNew ? 'models' : `model?${new URLSearchParams({ id: model.id }).toString()}`}">Cancel</a>
    </div>`;
  return html`<section class="card wide of-model-form" aria-labelledby="form-title">
    <h2 id="form-title" class="unseen">${isNew ? 'New model' : 'Change the model'}</h2>
    ${request.form(path, fields.content(body))}
  </section>`;
}

/** What happens to stored secrets when the address changes. */
function movesAway(stored: ReadonlySet<string>): string {
  return `Stored secrets (${[...stored].join(', ')}) are not sent to another provider or address: to change either, enter them again.`;
}

function credentialChoice(fields: FormFields, credentials: readonly Choice[]): Html {
  return fields.choice({
    name: CREDENTIAL,
    label: 'Credential',
    hint: 'A stored key, with its address, that several models share. It is not sent to another provider or address.',
    options: [['', 'none'], ...credentials],
  });
}

function modesWith(current: string | null): readonly Choice[] {
  const others = current === null || current === '' || MODES.includes(current) ? [] : [current];
  return [...MODES, ...others].map((mode) => [mode, mode.replaceAll('_', ' ')]);
}

/** Open if one of its fields is set or invalid. */
function sectionFields(fields: FormFields, { title, fields: own }: ModelSection, stored: ReadonlySet<string>): Html {
  const isOpen = own.some(({ name }) => isUsed(fields, name) || stored.has(name.slice(PARAMS.length)));
  return html`<details ${isOpen && html`open`}>
    <summary>${title}</summary>
    <div class="fields">${own.map((field) => anyField(fields, field, stored))}</div>
  </details>`;
}

function furtherFields(fields: FormFields, stored: ReadonlySet<string>, isNew: boolean): Html {
  const known = new Set([API_KEY, ...SECTIONS.flatMap(({ fields: own }) => own)].map(({ name }) => name.slice(PARAMS.length)));
  const others = [...stored].filter((name) => !known.has(name));
  const kept = others.length > 0 && html` Stored and not shown: ${others.join(', ')}; the value <code>null</code> deletes one.`;
  return html`<details ${(isUsed(fields, MORE) || others.length > 0) && html`open`}>
    <summary>Further parameters</summary>
    <div class="fields">
      ${fields.area({
        name: MORE,
        label: 'Further litellm_params',
        hint: html`One a line: <code>name: value</code>. Lists and objects are JSON.${kept}`,
        isWide: true,
      })}
      ${isNew && fields.text({ name: 'model_info.id', label: 'Id', hint: 'Empty: a new UUID. It cannot be changed later.' })}
    </div>
  </details>`;
}

function isUsed(fields: FormFields, name: string): boolean {
  return fields.hasError(name) || (fields.values.get(name) ?? '') !== '';
}

function anyField(fields: FormFields, field: ModelField, stored: ReadonlySet<string>): Html {
  if (isSecretField(field)) return secretField(fields, field, stored);
  return fields.text({ ...field, ...(field.kind !== undefined && { inputMode: 'decimal' }) });
}

/** Always empty: a stored secret is kept, replaced or deleted. */
function secretField(fields: FormFields, field: ModelField, stored: ReadonlySet<string>): Html {
  const { name, label, kind } = field;
  const isStored = stored.has(name.slice(PARAMS.length));
  const look = { name, label, hint: isStored ? 'Stored, and not shown. Leave empty to keep it.' : field.hint };
  return html`<div>
    ${kind === 'secret lines' ? fields.area({ ...look, isSecret: true }) : fields.secret(look)}
    ${isStored && fields.flag({ name: REMOVE + name, label: `Delete the stored value` })}
  </div>`;
}

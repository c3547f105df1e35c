import { fieldsOf, type Fields } from '../../common/objects.js';
import type { ModelListEntry } from '../../router/deployments/deployment.js';
import type { StoredRow } from './configuration-store.js';
import type { RowContent } from './sealed-rows.js';
import { addressesIn, divided, isSet, masked } from './stored-values.js';

/** The parameter that names a credential. */
export const CREDENTIAL_NAME = 'litellm_credential_name';

/** A model with its secrets, as this process uses it. Never shown. */
export interface ModelContent {
  readonly modelName: string;
  readonly params: Fields;
  readonly info: Fields;
  readonly isBlocked: boolean;
}

/** A credential with its secrets. Never shown. */
export interface CredentialContent {
  readonly values: Fields;
  readonly info: Fields;
}

/** The author of a row, and the time of the change. */
export interface StoredBy {
  readonly createdAt: Date;
  /** As in the audit log: public id of a key, `master`, `app`, … */
  readonly createdBy: string;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

/** A model of the store, without secrets. */
export interface StoredModel extends StoredBy {
  readonly id: string;
  /** The name that clients request. */
  readonly modelName: string;
  /** `litellm_params`; secrets are masked: `sk****yz`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** `model_info`. */
  readonly info: Readonly<Record<string, unknown>>;
  /** Whether it gets no requests until it is unblocked. */
  readonly isBlocked: boolean;
  /** Why it is not used; absent if it is. */
  readonly fault?: string;
}

/** A credential of the store, without secrets. */
export interface StoredCredential extends StoredBy {
  readonly name: string;
  /** `credential_values`; secrets are masked. */
  readonly values: Readonly<Record<string, unknown>>;
  /** `credential_info`: notes of the app or its users. */
  readonly info: Readonly<Record<string, unknown>>;
  /** Why it cannot be used; absent if it can. */
  readonly fault?: string;
}

export function modelContentOf({ facts, values }: RowContent): ModelContent {
  return { modelName: String(facts.model_name), params: values, info: fieldsOf(facts.model_info), isBlocked: facts.blocked === true };
}

export function modelRowContent({ modelName, params, info, isBlocked }: ModelContent): RowContent {
  return { facts: { model_name: modelName, model_info: info, ...(isBlocked && { blocked: true }) }, values: params };
}

export function credentialContentOf({ facts, values }: RowContent): CredentialContent {
  return { values, info: fieldsOf(facts.credential_info) };
}

export function credentialRowContent({ values, info }: CredentialContent): RowContent {
  return { facts: { credential_info: info }, values };
}

/** The entry for the router, with the values of the model's credential. */
export function entryOf(id: string, { modelName, params, info, isBlocked }: ModelContent, credential: Fields = {}): ModelListEntry {
  const own = Object.fromEntries(Object.entries(params).filter(([name]) => name !== CREDENTIAL_NAME));
  return {
    model_name: modelName,
    litellm_params: { ...credential, ...own } as ModelListEntry['litellm_params'],
    model_info: { ...info, id, db_model: true },
    ...(isBlocked && { rpm: 0 }),
  };
}

/** Values without secrets, in the order of their names' first appearance. */
export function shownValues(values: Fields): Fields {
  const { secret } = divided(values);
  const shown = Object.entries(values).filter(([, value]) => isSet(value));
  return Object.fromEntries(shown.map(([name, value]) => [name, name in secret ? shownSecret(name, value) : value]));
}

/** An address is shown without its query, which may have a key. */
function shownSecret(name: string, value: unknown): unknown {
  const [found] = addressesIn({ [name]: value });
  return found === undefined ? masked(value) : found[1].origin + found[1].pathname;
}

/** A row's values without decrypting them, for one that this process cannot read. */
export function unreadableValues({ plain, sealed }: StoredRow, section: string): Fields {
  const names = Object.keys(sealed).map((field) => field.slice(section.length + 1));
  return { ...fieldsOf(plain[section]), ...Object.fromEntries(names.map((name) => [name, masked('')])) };
}

export function storedBy({ createdAt, createdBy, updatedAt, updatedBy }: StoredRow): StoredBy {
  return { createdAt: new Date(createdAt), createdBy, updatedAt: new Date(updatedAt), updatedBy };
}

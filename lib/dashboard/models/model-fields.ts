import { maskSecrets } from '../../common/audit-log.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { Fields } from '../../common/objects.js';
import { shownValues, type StoredModel } from '../../configuration/stored/stored-records.js';
import { divided, isSet } from '../../configuration/stored/stored-values.js';

/** A field of the form of a model. Its name is the path of its value in LiteLLM's entry. */
export interface ModelField {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly placeholder?: string;
  /**
   * `price`: USD per million tokens, kept per token. `secret`, `secret lines`: never shown. Default
   * `text`.
   */
  readonly kind?: 'text' | 'number' | 'price' | 'secret' | 'secret lines';
}

/** A part of the form. */
export interface ModelSection {
  readonly title: string;
  readonly fields: readonly ModelField[];
}

/** Field of further parameters, one a line. */
export const MORE = 'more';
/** Prefix of the fields that delete a stored secret. */
export const REMOVE = 'remove ';
export const CREDENTIAL = 'litellm_params.litellm_credential_name';
const PARAMS = 'litellm_params.';
const INFO = 'model_info.';
/** `2.5e-6` per token as `2.5` per million, without the errors of binary fractions. */
const DIGITS = 12;
const MILLION = 1e6;

const param = (name: string, label: string, more: Partial<ModelField> = {}): ModelField => ({ name: PARAMS + name, label, ...more });

export const MODEL = param('model', 'Provider and model', {
  placeholder: 'openai/gpt-4o',
  hint: 'provider/model, as in config.yaml.',
});
export const API_KEY = param('api_key', 'API key', { kind: 'secret' });
export const API_BASE = param('api_base', 'Address', {
  placeholder: 'https://…',
  hint: "api_base. Empty: the provider's own address.",
});
export const MODE: ModelField = { name: `${INFO}mode`, label: 'Mode' };

/** Parts below the address, closed unless one of their fields is set. */
export const SECTIONS: readonly ModelSection[] = [
  {
    title: 'Limits and selection',
    fields: [
      param('rpm', 'Requests per minute', { kind: 'number' }),
      param('tpm', 'Tokens per minute', { kind: 'number' }),
      param('max_parallel_requests', 'Parallel requests', { kind: 'number' }),
      param('timeout', 'Timeout in seconds', { kind: 'number' }),
      param('weight', 'Weight', { kind: 'number', hint: 'Share of the requests of its group.' }),
      param('order', 'Order', { kind: 'number', hint: 'The lowest is tried first.' }),
    ],
  },
  {
    title: 'Prices',
    fields: [
      param('input_cost_per_token', 'Input, USD per million tokens', { kind: 'price', hint: "Empty: the catalogue's price." }),
      param('output_cost_per_token', 'Output, USD per million tokens', { kind: 'price', hint: "Empty: the catalogue's price." }),
    ],
  },
  {
    title: 'Azure',
    fields: [
      param('api_version', 'API version', { placeholder: '2024-10-21' }),
      param('azure_ad_token', 'Entra token', { kind: 'secret' }),
      param('tenant_id', 'Tenant'),
      param('client_id', 'Client'),
      param('client_secret', 'Client secret', { kind: 'secret' }),
    ],
  },
  {
    title: 'Amazon Bedrock',
    fields: [
      param('aws_region_name', 'Region', { placeholder: 'eu-central-1' }),
      param('aws_access_key_id', 'Access key id', { kind: 'secret' }),
      param('aws_secret_access_key', 'Secret access key', { kind: 'secret' }),
      param('aws_session_token', 'Session token', { kind: 'secret' }),
    ],
  },
  {
    title: 'Google Vertex AI',
    fields: [
      param('vertex_project', 'Project'),
      param('vertex_location', 'Location', { placeholder: 'europe-west1' }),
      param('vertex_credentials', 'Service account (JSON)', { kind: 'secret lines' }),
    ],
  },
];

/** All fields but those of the model's name, of its id and of further parameters. */
export const FIELDS: readonly ModelField[] = [
  MODEL,
  API_KEY,
  API_BASE,
  { name: CREDENTIAL, label: 'Credential' },
  MODE,
  ...SECTIONS.flatMap(({ fields }) => fields),
];

const KNOWN: ReadonlySet<string> = new Set(FIELDS.map(({ name }) => name));

/** A change of one value: `null` removes it. */
export interface ModelChange {
  readonly params: Readonly<Record<string, unknown>>;
  readonly info: Readonly<Record<string, unknown>>;
}

/** The field of an error's path; `''`: none. */
export function fieldOfPath(path: string): string {
  const known = ['model_name', `${INFO}id`, MORE, ...KNOWN].find((name) => path === name || path.startsWith(`${name}.`));
  return known ?? (path.startsWith(PARAMS) ? MORE : '');
}

export function isSecretField({ kind }: ModelField): boolean {
  return kind === 'secret' || kind === 'secret lines';
}

/** What the form shows of a model; empty for a new one. */
export function shownFields(model: StoredModel | undefined): URLSearchParams {
  const shown = new URLSearchParams();
  if (model === undefined) return shown;
  shown.set('model_name', model.modelName);
  for (const field of FIELDS) if (!isSecretField(field)) shown.set(field.name, shownValue(field, valueOf(model, field.name)));
  shown.set(MORE, linesOf(furtherParams(model)));
  shown.set('revision', revisionOf(model));
  return shown;
}

/** Tells whether someone else has changed the model since its form was shown. */
export function revisionOf({ updatedAt }: StoredModel): string {
  return updatedAt.toISOString();
}

/** Names of the secrets that are stored. */
export function secretNames({ params }: StoredModel): readonly string[] {
  return Object.keys(divided(params).secret);
}

/**
 * What a form changes: only values that differ from those that it has shown.
 * @throws InvalidArgumentError for a line that cannot be read
 */
export function changesIn(entered: URLSearchParams, model?: StoredModel): ModelChange {
  const before = shownFields(model);
  const changes = { params: {} as Record<string, unknown>, info: {} as Record<string, unknown> };
  const put = (name: string, value: unknown): void => {
    if (name.startsWith(INFO)) changes.info[name.slice(INFO.length)] = value;
    else changes.params[name.slice(PARAMS.length)] = value;
  };
  const lines = entered.get(MORE);
  if (lines !== null) for (const [name, value] of furtherChanges(lines, model)) put(PARAMS + name, value);
  for (const field of FIELDS) {
    const { name, kind = 'text' } = field;
    const text = entered.get(name)?.trim();
    if (isSecretField(field)) {
      if (isSet(text)) put(name, text);
      else if (entered.get(REMOVE + name) === 'on') put(name, null);
    } else if (text !== undefined && text !== (before.get(name) ?? '')) put(name, text === '' ? null : readValue(kind, text));
  }
  return changes;
}

/**
 * What is shown again after an error: without secrets, and without texts that look like one.
 */
export function shownAgain(entered: URLSearchParams): URLSearchParams {
  const shown = new URLSearchParams();
  const secrets = new Set(FIELDS.filter(isSecretField).map(({ name }) => name));
  for (const [name, value] of entered) {
    if (secrets.has(name)) continue;
    if (name === MORE) shown.set(name, publicLines(value).join('\n'));
    else if (name === API_BASE.name) shown.set(name, shownAddress(value));
    else shown.set(name, maskSecrets(value) === value ? value : '');
  }
  return shown;
}

/** The secrets that were entered: they have to be entered again after an error. */
export function enteredSecrets(entered: URLSearchParams): readonly string[] {
  const fields = FIELDS.filter((field) => isSecretField(field) && (entered.get(field.name) ?? '') !== '').map(({ name }) => name);
  const text = entered.get(MORE) ?? '';
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return publicLines(text).length === lines.length ? fields : [...fields, MORE];
}

function valueOf({ params, info }: StoredModel, path: string): unknown {
  return path.startsWith(INFO) ? info[path.slice(INFO.length)] : params[path.slice(PARAMS.length)];
}

function shownValue({ kind }: ModelField, value: unknown): string {
  if (!isSet(value)) return '';
  if (kind === 'price') return String(Number((Number(value) * MILLION).toPrecision(DIGITS)));
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function readValue(kind: ModelField['kind'], text: string): unknown {
  if (kind !== 'number' && kind !== 'price') return text;
  const number = Number(text);
  // Text that is not a number is rejected when the model is checked, with its rule.
  if (!Number.isFinite(number)) return text;
  return kind === 'price' ? Number((number / MILLION).toPrecision(DIGITS)) : number;
}

/** Parameters without a field, and without secrets. */
function furtherParams({ params }: StoredModel): Fields {
  const { plain } = divided(params);
  return Object.fromEntries(Object.entries(plain).filter(([name]) => !KNOWN.has(PARAMS + name)));
}

function linesOf(params: Fields): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}: ${lineValue(value)}`)
    .join('\n');
}

/** A text stays as it is, unless it would be read as something else. */
function lineValue(value: unknown): string {
  return typeof value === 'string' && readLineValue(value) === value ? value : JSON.stringify(value);
}

function furtherChanges(text: string, model: StoredModel | undefined): readonly (readonly [name: string, value: unknown])[] {
  const shown = model === undefined ? {} : furtherParams(model);
  const entered = new Map(readLines(text));
  const removed = Object.keys(shown).filter((name) => !entered.has(name));
  const changed = [...entered].filter(([name, value]) => !(name in shown) || JSON.stringify(shown[name]) !== JSON.stringify(value));
  return [...removed.map((name) => [name, null] as const), ...changed];
}

/** @throws InvalidArgumentError naming the line, without its text */
function readLines(text: string): (readonly [name: string, value: unknown])[] {
  return text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return [];
    const [name, value] = splitLine(line);
    const refuse = (rule: string): never => {
      throw new InvalidArgumentError(MORE, NO_VALUE, `line ${at + 1} ${rule}`);
    };
    if (name === undefined) return refuse('must be a name and a value: name: value');
    if (KNOWN.has(PARAMS + name)) return refuse(`must not be ${name}, which has a field of its own`);
    return [[name, readLineValue(value)] as const];
  });
}

const LINE = /^\s*([\w.-]{1,128})\s*[:=](.*)$/;

function splitLine(line: string): readonly [name: string | undefined, value: string] {
  const [, name, value = ''] = LINE.exec(line) ?? [];
  return [name, value.trim()];
}

/** JSON, else the text itself. */
function readLineValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Lines whose value is no secret. */
function publicLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => {
    const [name, value] = splitLine(line);
    if (name === undefined || maskSecrets(line) !== line) return false;
    return Object.keys(divided({ [name]: readLineValue(value) }).secret).length === 0;
  });
}

/** Without a login and a query. */
function shownAddress(text: string): string {
  if (!URL.canParse(text)) return /[@?]/.test(text) ? '' : text;
  const { username, password } = new URL(text);
  return username === '' && password === '' ? String(shownValues({ api_base: text }).api_base) : '';
}

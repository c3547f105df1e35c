import { InvalidArgumentError } from '../../common/errors.js';
import { objectIn } from '../../common/objects.js';
import { checkStorable } from '../../common/storable-text.js';
import type { ApiKeyRecord } from '../../keys/api-key-record.js';
import type { ApiKeyChanges } from '../../keys/api-keys.service.js';
import { changesOf, fieldsOf, KEY_FIELD_NAMES, type KeyFields } from '../../keys/api/key-fields.js';

const TEXTS = ['key_alias', 'team_id', 'user_id', 'organization_id', 'budget_id', 'budget_duration', 'priority'];
const NUMBERS = ['rpm_limit', 'tpm_limit', 'max_parallel_requests', 'max_budget', 'soft_budget', 'temp_budget_increase'];
const LISTS = ['models', 'tags', 'allowed_routes'];
const TIMES = ['expires', 'temp_budget_expiry'];
const OBJECTS = ['aliases', 'metadata'];
const FIELDS: readonly string[] = [...TEXTS, ...NUMBERS, ...LISTS, ...TIMES, ...OBJECTS];

/** In LiteLLM's lists, an empty one allows every model. */
const NO_MODELS = 'no-default-models';
/** `2027-01-31T08:00`, with or without seconds. */
const LOCAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;

/** The settings of a key, as the fields of its form show them. Names are LiteLLM's. */
export function keyFormValues(record: Partial<ApiKeyRecord>): URLSearchParams {
  const fields: KeyFields = { ...fieldsOf(record as ApiKeyRecord), models: record.models?.length === 0 ? [NO_MODELS] : record.models };
  const values = FIELDS.map((name) => [name, textOf(name, fields[name])] as const);
  return new URLSearchParams(values.filter(([, text]) => text !== '') as [string, string][]);
}

function textOf(name: string, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (LISTS.includes(name)) return (value as readonly string[]).join('\n');
  if (TIMES.includes(name)) return new Date(value as string).toISOString().replace(/(?::00)?(?:\.000)?Z$/, '');
  if (!OBJECTS.includes(name)) return typeof value === 'string' ? value : JSON.stringify(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return '';
  return name === 'aliases' ? entries.map(([alias, model]) => `${alias} = ${model}`).join('\n') : JSON.stringify(value, null, 2);
}

/** What a form sets. */
export interface ReadKeyForm {
  /** By field, of the texts that cannot be read. */
  readonly errors: ReadonlyMap<string, string>;
  /**
   * Changes to the record. Fields that show what is stored change nothing.
   * @throws InvalidArgumentError with LiteLLM's name of the field
   */
  readonly changes: (record: Partial<ApiKeyRecord>) => ApiKeyChanges;
}

/** Reads a posted form. @param before the record that it was rendered from; empty for a new key */
export function readKeyForm(form: URLSearchParams, before: Partial<ApiKeyRecord>, nowMs: number): ReadKeyForm {
  const stored = keyFormValues(before);
  const errors = new Map<string, string>();
  const read = (name: string): unknown => {
    try {
      return valueOf(name, entered(form, name));
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      errors.set(name, `${error.rule[0].toUpperCase()}${error.rule.slice(1)}.`);
      return undefined;
    }
  };
  const changed = FIELDS.filter((name) => form.has(name) && entered(form, name) !== entered(stored, name));
  // Both ends of a higher budget are set together.
  const [usd, until] = ['temp_budget_increase', 'temp_budget_expiry'];
  if (changed.includes(usd) || changed.includes(until)) {
    for (const name of [usd, until]) if (!changed.includes(name)) changed.push(name);
    for (const [name, other] of [
      [usd, until],
      [until, usd],
    ])
      if (entered(form, name) === '' && entered(form, other) !== '') errors.set(name, 'Must be set together with the other one.');
  }
  const { expires, ...fields }: Record<string, unknown> = Object.fromEntries(changed.map((name) => [name, read(name)]));
  for (const [name, value] of [
    ['expires', expires],
    [until, fields[until]],
  ] as const)
    if (typeof value === 'string' && Date.parse(value) <= nowMs) errors.set(name, 'Must be in the future.');
  return {
    errors,
    changes: (record) => ({ ...changesOf(fields, record, nowMs), ...(expires !== undefined && { expiresAt: expires as string | null }) }),
  };
}

/** A browser sends lines that end with CRLF. */
function entered(form: URLSearchParams, name: string): string {
  return (form.get(name) ?? '').replaceAll('\r\n', '\n').trim();
}

/** @throws InvalidArgumentError */
function valueOf(name: string, text: string): unknown {
  if (text === '') return null;
  checkStorable(name, text);
  if (NUMBERS.includes(name)) return numberIn(name, text);
  if (LISTS.includes(name)) return [...new Set(linesOf(text.replaceAll(',', '\n')))];
  if (TIMES.includes(name)) return LOCAL_TIME.test(text) ? `${text.length === 16 ? `${text}:00` : text}Z` : text;
  if (name === 'aliases') return aliasesIn(name, text);
  if (name !== 'metadata') return text;
  const metadata = objectIn(text);
  if (metadata === undefined) throw new InvalidArgumentError(name, text, 'must be a JSON object such as {"plan": "trial"}');
  return metadata;
}

function numberIn(name: string, text: string): number {
  if (NUMBER.test(text)) return Number(text);
  throw new InvalidArgumentError(name, text, 'must be a number without separators, such as 1500 or 0.5');
}

function aliasesIn(name: string, text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf('=');
      const [alias, model] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      if (at > 0 && alias !== '' && model !== '') return [alias, model];
      throw new InvalidArgumentError(name, line, 'must have one alias a line, such as fast = gpt-4o-mini');
    }),
  );
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The field for the path of an error; `''` if no field has it. */
export function keyFieldOf(path: string): string {
  const [root] = path.split(/[.[]/, 1);
  const name = OWN_FIELDS[path] ?? KEY_FIELD_NAMES[path] ?? OWN_FIELDS[root] ?? KEY_FIELD_NAMES[root] ?? root;
  return FIELDS.includes(name) ? name : '';
}

const OWN_FIELDS: Readonly<Record<string, string>> = { expiresAt: 'expires', duration: 'expires' };

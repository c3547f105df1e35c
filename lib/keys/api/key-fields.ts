import { InvalidArgumentError, unshown } from '../../common/errors.js';
import { checkKnownKeys, checkObject, refuseArgument } from '../../common/options.js';
import { isPublicId, publicIdOf } from '../api-key.js';
import type { ApiKeyRecord } from '../api-key-record.js';
import type { ApiKeyChanges } from '../api-keys.service.js';
import { limitChangesOf, limitFieldsOf, LIMIT_FIELDS, LIMIT_NAMES, MODEL_LIMIT_FIELDS, orNull } from './limit-fields.js';

/** A body or a query of LiteLLM's key API. */
export type KeyFields = Readonly<Record<string, unknown>>;

/** LiteLLM's names of settings, and `priority`, which is ours. */
const SETTINGS = [
  ...LIMIT_FIELDS,
  ...MODEL_LIMIT_FIELDS,
  ...`key_alias duration models user_id team_id organization_id metadata tags blocked priority aliases allowed_routes budget_id soft_budget
  temp_budget_increase temp_budget_expiry guardrails disable_global_guardrails opted_out_global_guardrails`.split(/\s+/),
];

/** Fields that `metadata` keeps. */
const GUARDRAIL_FIELDS = ['guardrails', 'disable_global_guardrails', 'opted_out_global_guardrails'];

/** LiteLLM's fields without a counterpart: its clients send them empty. */
const UNSUPPORTED =
  `access_group_ids agent_id allowed_cache_controls allowed_passthrough_routes allowed_vector_store_indexes auto_rotate budget_fallbacks
  budget_limits config default_estimated_output_tokens default_estimated_output_tokens_per_model denied_passthrough_routes
  enable_prompt_caching end_user_budget_id enforced_params mcp_rpm_limit new_key new_master_key
  object_permission permissions policies project_id prompts rotation_interval router_settings rpm_limit_type send_invite_email spend
  tag_rpm_limit throttle_on_budget_exceeded tpd_limit tpm_limit_type`.split(/\s+/);

/** Types of keys whose rights every key here has. */
const KEY_TYPES: readonly unknown[] = ['default', 'llm_api'];
const NEVER = '-1';
const DURATION = /^(\d{1,8})(s|m|h|d|w|mo)$/;
const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, mo: 30 * DAY_MS };
const LONGEST_MS = 100 * 366 * DAY_MS;
const SHA256 = /^[0-9a-f]{64}$/;
const PUBLIC_ID_LENGTH = 12;

/** LiteLLM's fields by our names of settings, for errors. */
export const KEY_FIELD_NAMES: Readonly<Record<string, string>> = {
  ...LIMIT_NAMES,
  alias: 'key_alias',
  user: 'user_id',
  team: 'team_id',
  organization: 'organization_id',
  modelAliases: 'aliases',
  allowedRoutes: 'allowed_routes',
  raisedUsd: 'temp_budget_increase',
  raisedUntil: 'temp_budget_expiry',
};

/**
 * Checks the names of a body's fields. Those of LiteLLM that have no effect here may be empty.
 * @param more Fields of this route in addition to a key's settings.
 * @throws InvalidArgumentError naming the field.
 */
export function checkKeyFields(body: unknown, more: readonly string[]): KeyFields {
  const fields = checkSupportedFields(body, [...SETTINGS, 'key_type', ...more], UNSUPPORTED);
  const { key_type: type } = fields;
  if (!isEmpty(type) && !KEY_TYPES.includes(type)) throw new InvalidArgumentError('key_type', type, 'must be default or llm_api');
  return fields;
}

/**
 * Checks the names of a body's fields.
 * @param unsupported Fields that have no effect here: they may be empty.
 * @throws InvalidArgumentError naming the field.
 */
export function checkSupportedFields(body: unknown, supported: readonly string[], unsupported: readonly string[]): KeyFields {
  const fields = checkObject('body', body ?? {}, refuseArgument);
  // The error lists only supported fields.
  const isUnsupported = (name: string): boolean => unsupported.includes(name) && !supported.includes(name);
  checkKnownKeys('', Object.fromEntries(Object.entries(fields).filter(([name]) => !isUnsupported(name))), supported, refuseArgument);
  for (const [name, value] of Object.entries(fields)) {
    if (isUnsupported(name) && !isEmpty(value) && !(name === 'spend' && value === 0))
      throw new InvalidArgumentError(name, value, 'must not be set, because it has no effect here');
  }
  return fields;
}

/** Checks the names of a query's or a small body's fields. @throws InvalidArgumentError */
export function checkFields(value: unknown, known: readonly string[]): KeyFields {
  const fields = checkObject('body', value ?? {}, refuseArgument);
  checkKnownKeys('', fields, known, refuseArgument);
  return fields;
}

/**
 * Reads the changes to a key from a body.
 * @param before The record of the key; empty for a new one.
 * @throws InvalidArgumentError naming the field, as LiteLLM names it.
 */
export function changesOf(fields: KeyFields, before: Partial<ApiKeyRecord>, nowMs: number): ApiKeyChanges {
  const set = (name: string, ours: keyof ApiKeyChanges): object => (fields[name] === undefined ? {} : { [ours]: fields[name] });
  const { models, duration, organization_id: organization, aliases, allowed_routes: routes } = fields;
  return {
    ...set('key_alias', 'alias'),
    ...set('user_id', 'user'),
    ...set('team_id', 'team'),
    ...metadataOf(fields, before),
    ...set('tags', 'tags'),
    ...set('blocked', 'blocked'),
    ...set('priority', 'priority'),
    // LiteLLM: an empty list allows all models.
    ...(models !== undefined && { models: Array.isArray(models) && models.length === 0 ? null : (models as string[]) }),
    ...(duration !== undefined && { expiresAt: expiryOf(duration, nowMs) }),
    ...(organization !== undefined && { organization: orNull(organization) as string | null }),
    ...(aliases !== undefined && { modelAliases: unlessEmpty(aliases) as Record<string, string> | null }),
    ...(routes !== undefined && { allowedRoutes: unlessEmpty(routes) as string[] | null }),
    ...raiseOf(fields),
    ...limitChangesOf(fields, before),
  };
}

/** As in LiteLLM, guardrails of a key are in its metadata. Empty fields change nothing. */
function metadataOf(fields: KeyFields, before: Partial<ApiKeyRecord>): Pick<ApiKeyChanges, 'metadata'> {
  const set = GUARDRAIL_FIELDS.filter((name) => fields[name] !== undefined && (!isEmpty(fields[name]) || name in (before.metadata ?? {})));
  if (set.length === 0) return fields.metadata === undefined ? {} : { metadata: fields.metadata as ApiKeyChanges['metadata'] };
  const metadata = fields.metadata ?? before.metadata ?? {};
  return {
    metadata: { ...checkObject('metadata', metadata, refuseArgument), ...Object.fromEntries(set.map((name) => [name, fields[name]])) },
  };
}

/** A higher budget needs both fields. `null` for one of them ends it. */
function raiseOf({ temp_budget_increase: usd, temp_budget_expiry: until }: KeyFields): ApiKeyChanges {
  if (usd === undefined && until === undefined) return {};
  if (usd === null || until === null) return { raisedUsd: null, raisedUntil: null };
  if (usd === undefined) throw new InvalidArgumentError('temp_budget_increase', usd, 'must be set together with temp_budget_expiry');
  if (until === undefined) throw new InvalidArgumentError('temp_budget_expiry', until, 'must be set together with temp_budget_increase');
  // Python writes UTC without a zone.
  const date = typeof until === 'string' && /T[\d:.]+$/.test(until) ? `${until}Z` : until;
  return { raisedUsd: usd as number, raisedUntil: date as string };
}

/** LiteLLM's clients send unset fields as an empty list or object. */
export function unlessEmpty(value: unknown): unknown {
  return isEmpty(value) ? null : value;
}

function expiryOf(duration: unknown, nowMs: number): string | null {
  if (duration === null || duration === NEVER) return null;
  return new Date(nowMs + durationMs('duration', duration)).toISOString();
}

/** A length as LiteLLM writes it, in ms. @throws InvalidArgumentError */
export function durationMs(name: string, value: unknown): number {
  const [, count, unit] = (typeof value === 'string' && DURATION.exec(value)) || [];
  const ms = Number(count) * UNIT_MS[unit];
  if (ms > 0 && ms <= LONGEST_MS) return ms;
  throw new InvalidArgumentError(name, value, 'must be a duration such as 30m, 24h, 7d, 1w or 1mo');
}

/** The error of a setting, with LiteLLM's name of the field. */
export function withFieldNames(error: unknown, fields: KeyFields, names = KEY_FIELD_NAMES): unknown {
  if (!(error instanceof InvalidArgumentError)) return error;
  // A body field with one of our names keeps its name.
  const name = !Object.hasOwn(fields, error.path) && Object.hasOwn(names, error.path) ? names[error.path] : undefined;
  return name === undefined ? error : new InvalidArgumentError(name, fields[name], error.rule);
}

/**
 * The public id of a key that a request names: by it, by the whole key, or by the hash of one that
 * was made elsewhere.
 * @throws InvalidArgumentError for any other text, which is not shown: it may be a key.
 */
export function namedKey(name: string, value: unknown): string {
  if (isPublicId(value)) return value;
  if (typeof value === 'string' && SHA256.test(value)) return value.slice(0, PUBLIC_ID_LENGTH);
  const publicId = publicIdOf(String(value));
  if (publicId !== undefined) return publicId;
  throw new InvalidArgumentError(name, unshown(value), 'must be a key or its public id');
}

/** LiteLLM's fields of a record; no secret and no hash is among them. */
export function fieldsOf(record: ApiKeyRecord): KeyFields {
  const { publicId } = record;
  return {
    token: publicId,
    token_id: publicId,
    key_name: `sk-${publicId}-…`,
    key_alias: record.alias ?? null,
    user_id: record.user ?? null,
    team_id: record.team ?? null,
    organization_id: record.organization ?? null,
    models: record.models ?? [],
    metadata: record.metadata ?? {},
    tags: record.tags ?? [],
    priority: record.priority ?? null,
    ...limitFieldsOf(record),
    temp_budget_increase: record.raisedUsd ?? null,
    temp_budget_expiry: record.raisedUntil ?? null,
    aliases: record.modelAliases ?? {},
    allowed_routes: record.allowedRoutes ?? [],
    blocked: record.blocked ?? false,
    expires: record.expiresAt ?? null,
    created_at: record.createdAt ?? null,
    updated_at: record.updatedAt ?? null,
  };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

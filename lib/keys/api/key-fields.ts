import { InvalidArgumentError, unshown } from '../../common/errors.js';
import { checkKnownKeys, checkObject, refuseArgument } from '../../common/options.js';
import { kindOfDuration } from '../../rate-limit/budget/budget-limits.js';
import type { RateLimits } from '../../rate-limit/limits.js';
import { isPublicId, publicIdOf } from '../api-key.js';
import type { ApiKeyRecord } from '../api-key-record.js';
import type { ApiKeyChanges } from '../api-keys.service.js';

/** A body or a query of LiteLLM's key API. */
export type KeyFields = Readonly<Record<string, unknown>>;

/** LiteLLM's names of settings, and `priority`, which is ours. */
const SETTINGS =
  `key_alias duration models user_id team_id metadata tags rpm_limit tpm_limit max_parallel_requests max_budget budget_duration blocked
  priority`.split(/\s+/);

/** LiteLLM's fields without a counterpart: its clients send them empty. */
const UNSUPPORTED =
  `access_group_ids agent_id aliases allowed_cache_controls allowed_passthrough_routes allowed_routes allowed_vector_store_indexes
  auto_rotate budget_fallbacks budget_id budget_limits config default_estimated_output_tokens default_estimated_output_tokens_per_model
  denied_passthrough_routes disable_global_guardrails enable_prompt_caching end_user_budget_id enforced_params guardrails mcp_rpm_limit
  model_max_budget model_rpm_limit model_tpm_limit new_key new_master_key object_permission organization_id permissions policies
  project_id prompts rotation_interval router_settings rpm_limit_type send_invite_email soft_budget spend tag_rpm_limit temp_budget_expiry
  temp_budget_increase throttle_on_budget_exceeded tpd_limit tpm_limit_type`.split(/\s+/);

/** Types of keys whose rights every key here has. */
const KEY_TYPES: readonly unknown[] = ['default', 'llm_api'];
const NEVER = '-1';
const DURATION = /^(\d{1,8})(s|m|h|d|w|mo)$/;
const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, mo: 30 * DAY_MS };
const LONGEST_MS = 100 * 366 * DAY_MS;
const SHA256 = /^[0-9a-f]{64}$/;
const PUBLIC_ID_LENGTH = 12;

/** Our names of what a body sets, for errors. */
const NAMES: Readonly<Record<string, string>> = {
  alias: 'key_alias',
  user: 'user_id',
  team: 'team_id',
  'limits.requestsPerMinute': 'rpm_limit',
  'limits.tokensPerMinute': 'tpm_limit',
  'limits.maxConcurrent': 'max_parallel_requests',
  'limits.usdPerWindow': 'max_budget',
  'limits.usdTotal': 'max_budget',
  'limits.usdWindow': 'budget_duration',
};

/**
 * Checks the names of a body's fields. Those of LiteLLM that have no effect here may be empty.
 * @param more Fields of this route beside those of a key's settings.
 * @throws InvalidArgumentError naming the field.
 */
export function checkKeyFields(body: unknown, more: readonly string[]): KeyFields {
  const fields = checkObject('body', body ?? {}, refuseArgument);
  // An error lists the fields that work, not those that the next error would refuse.
  const isUnsupported = (name: string): boolean => UNSUPPORTED.includes(name) && !more.includes(name);
  const supported = Object.fromEntries(Object.entries(fields).filter(([name]) => !isUnsupported(name)));
  checkKnownKeys('', supported, [...SETTINGS, 'key_type', ...more], refuseArgument);
  for (const [name, value] of Object.entries(fields)) {
    if (isUnsupported(name) && !isEmpty(value) && !(name === 'spend' && value === 0))
      throw new InvalidArgumentError(name, value, 'has no effect here: remove it');
  }
  const { key_type: type } = fields;
  if (!isEmpty(type) && !KEY_TYPES.includes(type)) throw new InvalidArgumentError('key_type', type, 'must be default or llm_api');
  return fields;
}

/** Checks the names of a query's or a small body's fields. @throws InvalidArgumentError */
export function checkFields(value: unknown, known: readonly string[]): KeyFields {
  const fields = checkObject('body', value ?? {}, refuseArgument);
  checkKnownKeys('', fields, known, refuseArgument);
  return fields;
}

/**
 * What a body changes about a key.
 * @param limits Those that the key has.
 * @throws InvalidArgumentError naming the field, as LiteLLM names it.
 */
export function changesOf(fields: KeyFields, limits: RateLimits | undefined, nowMs: number): ApiKeyChanges {
  const set = (name: string, ours: keyof ApiKeyChanges): object => (fields[name] === undefined ? {} : { [ours]: fields[name] });
  const { models, duration } = fields;
  const hasLimits = ['rpm_limit', 'tpm_limit', 'max_parallel_requests', 'max_budget', 'budget_duration'].some(
    (name) => fields[name] !== undefined,
  );
  return {
    ...set('key_alias', 'alias'),
    ...set('user_id', 'user'),
    ...set('team_id', 'team'),
    ...set('metadata', 'metadata'),
    ...set('tags', 'tags'),
    ...set('blocked', 'blocked'),
    ...set('priority', 'priority'),
    // LiteLLM: an empty list allows all models.
    ...(models !== undefined && { models: Array.isArray(models) && models.length === 0 ? null : (models as string[]) }),
    ...(duration !== undefined && { expiresAt: expiryOf(duration, nowMs) }),
    ...(hasLimits && { limits: limitsOf(fields, limits ?? {}) }),
  };
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

/** Not checked yet. */
type ChangingLimits = { -readonly [K in keyof RateLimits]: unknown };

/** `null`: none are left. */
function limitsOf(fields: KeyFields, before: RateLimits): RateLimits | null {
  const limits: ChangingLimits = { ...before };
  const set = (name: string, key: keyof RateLimits): void => {
    const { [name]: value } = fields;
    if (value === null) delete limits[key];
    else if (value !== undefined) limits[key] = value;
  };
  set('rpm_limit', 'requestsPerMinute');
  set('tpm_limit', 'tokensPerMinute');
  set('max_parallel_requests', 'maxConcurrent');
  setBudget(fields, limits);
  return Object.keys(limits).length === 0 ? null : (limits as RateLimits);
}

/** With a duration the budget starts again, without one it never does. */
function setBudget(fields: KeyFields, limits: ChangingLimits): void {
  const { max_budget: budget, budget_duration: duration } = fields;
  if (budget === undefined && duration === undefined) return;
  const kept = limits.usdWindow === undefined ? 'usdTotal' : 'usdPerWindow';
  const usd = budget === undefined ? limits[kept] : (budget ?? undefined);
  const window = duration === undefined ? limits.usdWindow : (duration ?? undefined);
  delete limits[kept];
  delete limits.usdWindow;
  if (usd !== undefined && window !== undefined) {
    limits.usdPerWindow = usd;
    limits.usdWindow = window;
    const kind = kindOfDuration(window);
    if (kind !== undefined) limits.usdWindowKind ??= kind;
    else if (duration !== undefined && limits.usdWindowKind === 'firstUse') delete limits.usdWindowKind;
    return;
  }
  delete limits.usdWindowKind;
  if (usd !== undefined) limits.usdTotal = usd;
  else if (typeof duration === 'string')
    throw new InvalidArgumentError('max_budget', undefined, 'must be set together with budget_duration');
  if (limits.usdPerDay === undefined && limits.usdPerMonth === undefined && limits.usdTotal === undefined) delete limits.timeZone;
}

/** The error of a setting, with LiteLLM's name of the field. */
export function withFieldNames(error: unknown, fields: KeyFields): unknown {
  if (!(error instanceof InvalidArgumentError)) return error;
  // A field of the body that has one of our names keeps it.
  const name = !Object.hasOwn(fields, error.path) && Object.hasOwn(NAMES, error.path) ? NAMES[error.path] : undefined;
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
  const { publicId, limits = {} } = record;
  return {
    token: publicId,
    token_id: publicId,
    key_name: `sk-${publicId}-…`,
    key_alias: record.alias ?? null,
    user_id: record.user ?? null,
    team_id: record.team ?? null,
    models: record.models ?? [],
    metadata: record.metadata ?? {},
    tags: record.tags ?? [],
    priority: record.priority ?? null,
    rpm_limit: limits.requestsPerMinute ?? null,
    tpm_limit: limits.tokensPerMinute ?? null,
    max_parallel_requests: limits.maxConcurrent ?? null,
    max_budget: limits.usdPerWindow ?? limits.usdTotal ?? null,
    budget_duration: limits.usdWindow ?? null,
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

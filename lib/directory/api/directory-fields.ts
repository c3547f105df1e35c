import { HttpException } from '@nestjs/common';
import { FastLiteLLMError, InvalidArgumentError } from '../../common/errors.js';
import { definedFields } from '../../common/objects.js';
import { checkArray, refuseArgument } from '../../common/options.js';
import { checkStorable } from '../../common/storable-text.js';
import { checkSupportedFields, withFieldNames, type KeyFields } from '../../keys/api/key-fields.js';
import { LIMIT_FIELDS, LIMIT_NAMES, limitFieldsOf, MODEL_LIMIT_FIELDS } from '../../keys/api/limit-fields.js';
import type { BudgetReport } from '../../rate-limit/rate-limit.service.js';
import type { BudgetRecord, LimitedRecord } from '../directory-records.js';
import type { DirectoryService } from '../directory.service.js';
import { limitsWithBudget } from '../limits-with-budget.js';

/** A body, a query or an answer of LiteLLM's API. */
export type Fields = KeyFields;

/** LiteLLM's names of a record's limits. */
export const LIMITING = [...LIMIT_FIELDS, ...MODEL_LIMIT_FIELDS, 'soft_budget', 'budget_id'];

/** LiteLLM's fields that have no effect here: its clients send them empty. */
const UNSUPPORTED =
  `access_group_ids agent_id allow_team_guardrail_config allowed_cache_controls allowed_passthrough_routes allowed_vector_store_indexes
  budget_limits config default_model allowed_model_region disable_global_guardrails enforced_batch_output_expires_after guardrails
  mcp_rpm_limit model_aliases object_permission permissions policies prompts router_settings rpm_limit_type secret_manager_settings
  send_invite_email spend sso_user_id tags team_member_budget team_member_budget_duration team_member_key_duration team_member_permissions
  team_member_rpm_limit team_member_tpm_limit tpd_limit tpm_limit_type`.split(/\s+/);

const NAMES: Readonly<Record<string, string>> = { ...LIMIT_NAMES, organization: 'organization_id', modelAliases: 'model_aliases' };
const MOST_IDS = 1_000;
export const LARGEST_PAGE = 100;

/** Checks the names of a body's fields. @throws InvalidArgumentError naming the field. */
export function checkBody(body: unknown, supported: readonly string[]): Fields {
  return checkSupportedFields(body, supported, UNSUPPORTED);
}

/** Lists are always sorted newest first. @throws InvalidArgumentError for another order. */
export function checkOrder({ sort_by: by, sort_order: order }: Fields): void {
  if (by !== undefined && by !== 'created_at') throw new InvalidArgumentError('sort_by', by, 'must be created_at');
  if (order !== undefined && order !== 'desc') throw new InvalidArgumentError('sort_order', order, 'must be desc');
}

/** Returns a required text. @throws InvalidArgumentError */
export function textIn(fields: Fields, name: string): string {
  return checkStorable(name, fields[name]);
}

/** Returns an optional text; `undefined` if absent or empty. @throws InvalidArgumentError */
export function optionalTextIn(fields: Fields, name: string): string | undefined {
  const { [name]: value } = fields;
  return value === undefined || value === null || value === '' ? undefined : checkStorable(name, value);
}

/** Returns a required list of ids. @throws InvalidArgumentError */
export function idsIn(fields: Fields, name: string): readonly string[] {
  const ids = checkArray(name, fields[name], checkStorable, refuseArgument);
  if (ids.length > 0 && ids.length <= MOST_IDS) return [...new Set(ids)];
  throw new InvalidArgumentError(name, fields[name], `must have 1 to ${MOST_IDS} entries`);
}

/** Parses models as in LiteLLM: an empty list allows all, `null` removes the setting. */
export function modelsIn({ models }: Fields): { readonly models?: readonly string[] | null } {
  if (models === undefined) return {};
  return { models: models === null || (Array.isArray(models) && models.length === 0) ? null : (models as string[]) };
}

/** Renames a setting and keeps its value. */
export function renamed(fields: Fields, names: Readonly<Record<string, string>>): Fields {
  const given = Object.entries(names).filter(([theirs]) => fields[theirs] !== undefined);
  return Object.fromEntries(given.map(([theirs, ours]) => [ours, fields[theirs] === '' ? null : fields[theirs]]));
}

/** Returns the settings of a new record, without `null`. */
export function settingsOf<T extends object>(changes: T): { [K in keyof T]: Exclude<T[K], null> } {
  const set = Object.entries(changes).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(set) as { [K in keyof T]: Exclude<T[K], null> };
}

/** Returns LiteLLM's fields for the limits and spend of a record. */
export function limitedFieldsOf(record: LimitedRecord | BudgetRecord, spending?: BudgetReport): Fields {
  return {
    ...limitFieldsOf(record),
    spend: spending?.spentUsd ?? null,
    budget_reset_at: spending?.resetsAt?.toISOString() ?? null,
    created_at: record.createdAt ?? null,
    updated_at: record.updatedAt ?? null,
  };
}

/**
 * Returns a record with the limits of the budget that it refers to, as LiteLLM shows them in
 * `litellm_budget_table`.
 */
export async function withSharedLimits<R extends LimitedRecord>(directory: DirectoryService, record: R): Promise<R> {
  const { budget: id } = record;
  const budget = id === undefined ? undefined : await directory.find('budgets', id);
  if (budget === undefined) return record;
  const limits = limitsWithBudget(record, budget);
  const modelLimits = record.modelLimits ?? budget.modelLimits;
  const softBudgetUsd = record.softBudgetUsd ?? budget.softBudgetUsd;
  return { ...record, ...definedFields({ limits, modelLimits, softBudgetUsd }) };
}

/** Creates a 404 in OpenAI's format. */
export function notFound(what: string, param: string): HttpException {
  const error = {
    message: `The ${what} does not exist.`,
    type: 'invalid_request_error',
    param,
    code: `${what.replace(' ', '_')}_not_found`,
  };
  return new HttpException({ error }, 404);
}

/** Returns a record that must exist. @throws HttpException (404) */
export function existing<R>(record: R | undefined, what: string, param: string): R {
  if (record !== undefined) return record;
  throw notFound(what, param);
}

/**
 * Runs `work` and renames fields in its errors to LiteLLM's.
 * @param idField LiteLLM's name of `id`
 */
export async function answering<T>(fields: unknown, idField: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FastLiteLLMError && error.code === 'API_KEY_CONFLICT')
      throw new HttpException({ error: { message: error.message, type: 'invalid_request_error', param: null, code: 'conflict' } }, 409);
    throw withFieldNames(error, (fields ?? {}) as Fields, { ...NAMES, id: idField });
  }
}

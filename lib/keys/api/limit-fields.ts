import { InvalidArgumentError } from '../../common/errors.js';
import { checkObject, refuseArgument } from '../../common/options.js';
import { kindOfDuration } from '../../rate-limit/budget/budget-limits.js';
import type { RateLimits } from '../../rate-limit/limits.js';

/** Fields of a request to LiteLLM's API. */
type Fields = Readonly<Record<string, unknown>>;

type ModelLimits = Readonly<Record<string, RateLimits>>;

/** LiteLLM's names of limits, which keys, teams, users and others have. */
export const LIMIT_FIELDS = ['rpm_limit', 'tpm_limit', 'max_parallel_requests', 'max_budget', 'budget_duration'];

/** LiteLLM's names of limits for single models: an object by model. */
export const MODEL_LIMIT_FIELDS = ['model_rpm_limit', 'model_tpm_limit', 'model_max_budget'];

/** Our names of the body's fields, for errors. */
export const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'limits.requestsPerMinute': 'rpm_limit',
  'limits.tokensPerMinute': 'tpm_limit',
  'limits.maxConcurrent': 'max_parallel_requests',
  'limits.usdPerWindow': 'max_budget',
  'limits.usdTotal': 'max_budget',
  'limits.usdWindow': 'budget_duration',
  softBudgetUsd: 'soft_budget',
  budget: 'budget_id',
};

/** Records that limit something. */
export interface LimitedFields {
  readonly limits?: RateLimits;
  readonly modelLimits?: ModelLimits;
  readonly softBudgetUsd?: number;
  readonly budget?: string;
}

/** Changes of limits in a body; `null` removes one. */
export type LimitChanges = { readonly [K in keyof LimitedFields]?: LimitedFields[K] | null };

/**
 * Returns the changes in a body to the limits of a record.
 * @param before The record; empty for a new one.
 * @throws InvalidArgumentError naming the field, as LiteLLM names it.
 */
export function limitChangesOf(fields: Fields, before: LimitedFields): LimitChanges {
  const has = (names: readonly string[]): boolean => names.some((name) => fields[name] !== undefined);
  return {
    ...(has(LIMIT_FIELDS) && { limits: limitsOf(fields, before.limits ?? {}) }),
    ...(has(MODEL_LIMIT_FIELDS) && { modelLimits: modelLimitsOf(fields, before.modelLimits ?? {}) }),
    ...(fields.soft_budget !== undefined && { softBudgetUsd: fields.soft_budget as number | null }),
    ...(fields.budget_id !== undefined && { budget: orNull(fields.budget_id) as string | null }),
  };
}

/** LiteLLM's fields of a record's limits. */
export function limitFieldsOf({ limits = {}, modelLimits = {}, softBudgetUsd, budget }: LimitedFields): Fields {
  const byModel = (value: (limits: RateLimits) => unknown): Fields =>
    Object.fromEntries(Object.entries(modelLimits).flatMap(([model, of]) => (value(of) === undefined ? [] : [[model, value(of)]])));
  return {
    rpm_limit: limits.requestsPerMinute ?? null,
    tpm_limit: limits.tokensPerMinute ?? null,
    max_parallel_requests: limits.maxConcurrent ?? null,
    max_budget: limits.usdPerWindow ?? limits.usdTotal ?? null,
    budget_duration: limits.usdWindow ?? null,
    soft_budget: softBudgetUsd ?? null,
    budget_id: budget ?? null,
    model_rpm_limit: byModel(({ requestsPerMinute }) => requestsPerMinute),
    model_tpm_limit: byModel(({ tokensPerMinute }) => tokensPerMinute),
    model_max_budget: byModel(({ usdPerWindow, usdTotal, usdWindow }) => {
      const limit = usdPerWindow ?? usdTotal;
      return limit === undefined ? undefined : { budget_limit: limit, ...(usdWindow !== undefined && { time_period: usdWindow }) };
    }),
  };
}

/** LiteLLM's clients remove a text by an empty one. */
export function orNull(value: unknown): unknown {
  return value === '' ? null : value;
}

/** Not checked yet. */
type ChangingLimits = { -readonly [K in keyof RateLimits]: unknown };

/** `null`: none are left. */
function limitsOf(fields: Fields, before: RateLimits): RateLimits | null {
  const limits: ChangingLimits = { ...before };
  setRates(fields, limits);
  setBudget(fields, limits);
  return Object.keys(limits).length === 0 ? null : (limits as RateLimits);
}

function setRates(fields: Fields, limits: ChangingLimits): void {
  const set = (name: string, key: keyof RateLimits): void => {
    const { [name]: value } = fields;
    if (value === null) delete limits[key];
    else if (value !== undefined) limits[key] = value;
  };
  set('rpm_limit', 'requestsPerMinute');
  set('tpm_limit', 'tokensPerMinute');
  set('max_parallel_requests', 'maxConcurrent');
}

/** With a duration the budget starts again, without one it never does. */
function setBudget(fields: Fields, limits: ChangingLimits): void {
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

/** A field that a body has replaces those limits of all models. */
function modelLimitsOf(fields: Fields, before: ModelLimits): ModelLimits | null {
  const models = new Map<string, RateLimits>(Object.entries(before));
  const replace = (name: string, inFields: (value: unknown, model: string) => Fields): void => {
    const { [name]: given } = fields;
    if (given === undefined) return;
    const byModel = given === null ? {} : checkObject(name, given, refuseArgument);
    for (const model of new Set([...models.keys(), ...Object.keys(byModel)])) {
      const value = byModel[model] ?? null;
      const limits = limitsOf(inFields(value, model), models.get(model) ?? {});
      if (limits === null) models.delete(model);
      else models.set(model, limits);
    }
  };
  replace('model_rpm_limit', (value) => ({ rpm_limit: value }));
  replace('model_tpm_limit', (value) => ({ tpm_limit: value }));
  replace('model_max_budget', budgetFieldsOf);
  return models.size === 0 ? null : Object.fromEntries(models);
}

/** LiteLLM writes `{ budget_limit, time_period }`, or its other names of both. */
function budgetFieldsOf(value: unknown, model: string): Fields {
  if (typeof value === 'number' || value === null) return { max_budget: value, budget_duration: null };
  const {
    budget_limit: limit,
    time_period: period,
    max_budget: budget,
    budget_duration: duration,
    ...rest
  } = checkObject(`model_max_budget.${model}`, value, refuseArgument);
  const [unknown] = Object.keys(rest).filter((name) => rest[name] !== null);
  if (unknown !== undefined)
    throw new InvalidArgumentError(`model_max_budget.${model}.${unknown}`, rest[unknown], 'must be budget_limit or time_period');
  return { max_budget: limit ?? budget ?? null, budget_duration: period ?? duration ?? null };
}

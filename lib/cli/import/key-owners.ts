import { nonEmptyString } from '../../common/objects.js';
import type { LiteLLMRow, LiteLLMSource } from '../../postgres/litellm-source.js';
import { Wildcard } from '../../router/selection/wildcard.js';
import type { ImportFindings } from './findings.js';
import { isEmpty, textsOf } from './litellm-values.js';

const ANY_MODEL = ['all-proxy-models', '*'];
const TEAM_MODELS = 'all-team-models';
/** Columns that a budget fills in where a row has none. */
const RATES = ['rpm_limit', 'tpm_limit', 'max_parallel_requests'];
const MONEY = ['max_budget', 'budget_duration', 'budget_reset_at'];
/** Limits that several keys share. */
const SHARED_LIMITS = `max_budget soft_budget rpm_limit tpm_limit max_parallel_requests model_max_budget budget_limits`.split(' ');

/** The row of a record with the limits of its budget that it does not have itself. */
export function withBudget(row: LiteLLMRow, budget: LiteLLMRow | undefined): LiteLLMRow {
  if (budget === undefined) return row;
  const filled: Record<string, unknown> = Object.fromEntries(RATES.map((column) => [column, row[column] ?? budget[column]]));
  if (isAbsent(row.max_budget) && isEmpty(row.budget_limits)) for (const column of MONEY) filled[column] = budget[column];
  if (isEmpty(row.model_max_budget)) filled.model_max_budget = budget.model_max_budget;
  return { ...row, ...filled };
}

/**
 * Applies budgets, teams and users to keys for stores without a directory. Models and blocks are
 * never wider than in LiteLLM.
 */
export class KeyOwners {
  private constructor(
    private readonly budgets: ReadonlyMap<string, LiteLLMRow>,
    private readonly teams: ReadonlyMap<string, LiteLLMRow>,
    private readonly users: ReadonlyMap<string, LiteLLMRow>,
  ) {}

  static async read(source: LiteLLMSource, budgets: ReadonlyMap<string, LiteLLMRow>, batch: number): Promise<KeyOwners> {
    const [teams, users] = [await source.all('TeamTable', batch), await source.all('UserTable', batch)];
    return new KeyOwners(
      budgets,
      new Map(teams.map((row) => [String(row.team_id), row])),
      new Map(users.map((row) => [String(row.user_id), row])),
    );
  }

  /** Reports limits that no key can have. */
  report(findings: ImportFindings): void {
    const advice = 'import into PostgreSQL (--to), which stores teams and users';
    for (const [table, rows] of [['teams', this.teams] as const, ['users', this.users] as const])
      for (const row of rows.values())
        for (const column of SHARED_LIMITS)
          if (!isEmpty(row[column]) || row[column] === 0) findings.add(`${table}.${column}`, { advice, protects: true });
  }

  /** The row of a key with the limits of its budget and the rights of its team or user. */
  applied(row: LiteLLMRow): LiteLLMRow {
    const merged = { ...withBudget(row, this.budgets.get(nonEmptyString(row.budget_id) ?? '')), budget_id: undefined };
    const team = this.teams.get(nonEmptyString(row.team_id) ?? '');
    const user = nonEmptyString(row.team_id) === undefined ? this.users.get(nonEmptyString(row.user_id) ?? '') : undefined;
    const models = commonModels(textsOf(row.models), textsOf((team ?? user)?.models));
    return { ...merged, models, blocked: row.blocked === true || team?.blocked === true };
  }
}

/** Models that two lists allow; an empty list allows all. */
export function commonModels(own: readonly string[], others: readonly string[]): readonly string[] {
  const isAny = (models: readonly string[]): boolean => models.length === 0 || models.some((model) => ANY_MODEL.includes(model));
  if (isAny(others)) return own;
  if (isAny(own) || own.includes(TEAM_MODELS)) return others;
  const common = [...own.filter((model) => isAmong(model, others)), ...others.filter((model) => isAmong(model, own))];
  // An empty list would allow all.
  return common.length === 0 ? ['no-default-models'] : [...new Set(common)];
}

function isAmong(model: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern === model || (pattern.includes('*') && new Wildcard(pattern).capturesOf(model) !== null));
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

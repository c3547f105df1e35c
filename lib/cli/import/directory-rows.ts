import { definedFields, nonEmptyString } from '../../common/objects.js';
import { refuseArgument } from '../../common/options.js';
import {
  checkDirectoryRecord,
  memberId,
  type BudgetRecord,
  type CustomerRecord,
  type OrganizationRecord,
  type TeamMemberRecord,
  type TeamRecord,
  type UserRecord,
} from '../../directory/directory-records.js';
import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import { LIMIT_COLUMNS, limitsOf, modelLimitsOf, type LimitContext } from './imported-limits.js';
import { versionOf } from './imported-version.js';
import { isEmpty, numberOf, objectOf, textsOf } from './litellm-values.js';
import { countUnsupported, keptMetadata } from './unsupported-fields.js';

const LIMITED = [...LIMIT_COLUMNS, 'soft_budget', 'model_max_budget', 'metadata'];
const columns = (names: string): ReadonlySet<string> => new Set([...LIMITED, ...names.split(/\s+/)]);

const BUDGET = columns('budget_id');
const ORGANIZATION = columns('organization_id organization_alias budget_id models');
const TEAM = columns('team_id team_alias organization_id models blocked members_with_roles model_id');
const USER = columns('user_id user_alias user_email user_role models teams team_id organization_id');
const MEMBER = columns('user_id team_id budget_id role user_email');
const CUSTOMER = columns('user_id alias budget_id blocked');
const METADATA = new Set(['model_rpm_limit', 'model_tpm_limit']);

/** @throws Error naming the field that this package cannot take. */
export function importedBudget(row: LiteLLMRow, context: LimitContext): BudgetRecord {
  countUnsupported(context.findings, context.table, row, BUDGET);
  return checked('budgets', { ...idAndVersion(row, 'budget_id'), ...ownLimits(row, {}, context) });
}

/** @throws Error naming the field that this package cannot take. */
export function importedOrganization(row: LiteLLMRow, context: LimitContext): OrganizationRecord {
  countUnsupported(context.findings, context.table, row, ORGANIZATION);
  return checked('organizations', {
    ...idAndVersion(row, 'organization_id'),
    ...rights(row, context),
    alias: nonEmptyString(row.organization_alias),
    budget: nonEmptyString(row.budget_id),
  });
}

/** @throws Error naming the field that this package cannot take. */
export function importedTeam(row: LiteLLMRow, aliases: unknown, context: LimitContext): TeamRecord {
  countUnsupported(context.findings, context.table, row, TEAM);
  return checked('teams', {
    ...idAndVersion(row, 'team_id'),
    ...rights(row, context),
    alias: nonEmptyString(row.team_alias),
    organization: nonEmptyString(row.organization_id),
    modelAliases: isEmpty(aliases) ? undefined : objectOf(aliases),
    blocked: row.blocked === true ? true : undefined,
  });
}

/** @throws Error naming the field that this package cannot take. */
export function importedUser(row: LiteLLMRow, context: LimitContext): UserRecord {
  countUnsupported(context.findings, context.table, row, USER);
  return checked('users', {
    ...idAndVersion(row, 'user_id'),
    ...rights(row, context),
    alias: nonEmptyString(row.user_alias),
    email: nonEmptyString(row.user_email),
    role: nonEmptyString(row.user_role),
  });
}

/** @throws Error naming the field that this package cannot take. */
export function importedMember(row: LiteLLMRow, context: LimitContext): TeamMemberRecord {
  countUnsupported(context.findings, context.table, row, MEMBER);
  const [team, user] = [String(row.team_id), String(row.user_id)];
  const role = row.role === 'admin' ? 'admin' : 'user';
  return checked('team_members', { id: memberId(team, user), ...versionOf(row), team, user, role, budget: nonEmptyString(row.budget_id) });
}

/** @throws Error naming the field that this package cannot take. */
export function importedCustomer(row: LiteLLMRow, context: LimitContext): CustomerRecord {
  countUnsupported(context.findings, context.table, row, CUSTOMER);
  return checked('customers', {
    ...idAndVersion(row, 'user_id'),
    alias: nonEmptyString(row.alias),
    budget: nonEmptyString(row.budget_id),
    blocked: row.blocked === true ? true : undefined,
  });
}

function checked<E extends Parameters<typeof checkDirectoryRecord>[0]>(
  entity: E,
  record: object,
): ReturnType<typeof checkDirectoryRecord<E>> {
  return checkDirectoryRecord(entity, '', definedFields(record), refuseArgument);
}

function idAndVersion(row: LiteLLMRow, column: string): object {
  return { id: row[column], ...versionOf(row) };
}

/** Models, metadata and limits. */
function rights(row: LiteLLMRow, context: LimitContext): object {
  const metadata = objectOf(row.metadata);
  const models = textsOf(row.models);
  return {
    ...ownLimits(row, metadata, context),
    models: models.length === 0 ? undefined : models,
    metadata: keptMetadata(context.findings, context.table, metadata, METADATA),
  };
}

function ownLimits(row: LiteLLMRow, metadata: LiteLLMRow, context: LimitContext): object {
  return {
    limits: limitsOf(row, context).limits,
    modelLimits: modelLimitsOf(row, metadata, context),
    softBudgetUsd: numberOf(row.soft_budget),
  };
}

import type { LiteLLMRow } from '../../postgres/litellm-source.js';
import type { Advice, ImportFindings } from './findings.js';
import { isEmpty } from './litellm-values.js';

const HOOKS = 'enforce it in a call hook (docs/hooks.md)';
const NO_SUCH_FEATURE = 'nothing to do; this feature does not exist here';
const protects = (advice: string): Advice => ({ advice, protects: true });
const info = (advice: string): Advice => ({ advice });

/** Fields of LiteLLM's rows and of their `metadata` without an equivalent. */
const FIELDS: Readonly<Record<string, Advice>> = {
  access_group_ids: info('list the models of the access groups in models'),
  agent_id: info(NO_SUCH_FEATURE),
  allow_team_guardrail_config: info(NO_SUCH_FEATURE),
  allowed_cache_controls: info(NO_SUCH_FEATURE),
  allowed_model_region: protects('restrict models to deployments in the region'),
  auto_rotate: info('call /key/regenerate with grace_period from a scheduler'),
  budget_fallbacks: info('configure fallbacks of the router (docs/router.md)'),
  config: info('use the router’s configuration (docs/router.md)'),
  default_model: info('name the model in requests'),
  object_permission_id: protects('restrict the models of the key; other objects do not exist here'),
  permissions: info('the master key has all permissions, other keys have none'),
  policies: protects(HOOKS),
  project_id: protects('set the limits of the project on its keys'),
  router_settings: info('use the router’s configuration (docs/router.md)'),
  team_member_permissions: info('team admins manage members; everything else requires the master key'),
  tpd_limit: protects('set tpm_limit or max_budget with budget_duration 1d'),
  'metadata.allowed_passthrough_routes': info(NO_SUCH_FEATURE),
  'metadata.allowed_vector_store_indexes': info(NO_SUCH_FEATURE),
  'metadata.denied_passthrough_routes': info(NO_SUCH_FEATURE),
  'metadata.disable_global_guardrails': info('exempt the key in your call hook'),
  'metadata.end_user_budget_id': protects('set budgets of customers'),
  'metadata.enforced_batch_output_expires_after': protects(HOOKS),
  'metadata.enforced_file_expires_after': protects(HOOKS),
  'metadata.enforced_params': protects(HOOKS),
  'metadata.guardrails': protects(HOOKS),
  'metadata.logging': info('configure callbacks of the gateway, or a call hook'),
  'metadata.mcp_rpm_limit': info(NO_SUCH_FEATURE),
  'metadata.model_itpm_limit': protects('set model_tpm_limit'),
  'metadata.model_otpm_limit': protects('set model_tpm_limit'),
  'metadata.policies': protects(HOOKS),
  'metadata.prompts': info('stored prompts are not supported'),
  'metadata.require_trace_id': protects(HOOKS),
  'metadata.rpm_limit_type': info('limits are always enforced as configured'),
  'metadata.secret_manager_settings': info(NO_SUCH_FEATURE),
  'metadata.tag_rpm_limit': protects('set rpm_limit on the keys'),
  'metadata.throttle_on_budget_exceeded': info('requests are denied when a budget is exhausted'),
  'metadata.tpm_limit_type': info('limits are always enforced as configured'),
};

/** Fields with secrets, or whose copy would look as if it worked. */
const NOT_KEPT = ['logging', 'secret_manager_settings', 'guardrails', 'policies', 'enforced_params'];

/** Columns without any meaning for the import. */
const IGNORED = new Set(
  `created_at created_by updated_at updated_by settings_updated_at last_active key_name key_type soft_budget_cooldown rotation_count
  rotation_interval last_rotation_at key_rotation_at model_spend total_spend admins members password password_reset_required
  last_breach_check_at sso_user_id default_team_member_models`.split(/\s+/),
);

/**
 * Counts the fields of a row that are not carried over.
 * @param table The name in reports: `keys`.
 * @param carried Columns that are.
 */
export function countUnsupported(findings: ImportFindings, table: string, row: LiteLLMRow, carried: ReadonlySet<string>): void {
  for (const [column, value] of Object.entries(row)) {
    if (carried.has(column) || IGNORED.has(column) || isEmpty(value)) continue;
    findings.add(`${table}.${column}`, Object.hasOwn(FIELDS, column) ? FIELDS[column] : info('not supported by this version'));
  }
}

/** The metadata of a row without fields that have settings of their own here, or no effect. */
export function keptMetadata(
  findings: ImportFindings,
  table: string,
  metadata: LiteLLMRow,
  carried: ReadonlySet<string>,
): Readonly<Record<string, unknown>> | undefined {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (carried.has(name)) continue;
    const field = `metadata.${name}`;
    if (!isEmpty(value) && Object.hasOwn(FIELDS, field)) findings.add(`${table}.${field}`, FIELDS[field]);
    if (!NOT_KEPT.includes(name)) kept[name] = value;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

import { fieldsOf } from '../../common/objects.js';
import { nearMiss } from '../../common/nearest-name.js';
import { joinPath, type Refuse } from '../../common/options.js';
import { InvalidConfigurationError, unshown } from '../../common/errors.js';
import { refuseFileValue } from './file-values.js';

type Section = Readonly<Record<string, unknown>>;

const words = (text: string): readonly string[] => text.split(/\s+/);

/** Settings of LiteLLM's proxy that reject requests and are not enforced here. */
const UNENFORCED = {
  '': words('policies policy_attachments'),
  general_settings: words(
    `allowed_ips allowed_routes enforced_params enforce_user_param max_parallel_requests global_max_parallel_requests admin_only_routes
    enforce_rbac role_permissions reject_clientside_metadata_tags enforce_fallback_model_access max_file_downloads_per_minute
    max_batch_file_records max_batch_file_uploads_per_day`,
  ),
  litellm_settings: words(
    `guardrails pre_call_rules post_call_rules prompt_injection_params output_parse_pii presidio_ad_hoc_recognizers
    llamaguard_unsafe_content_categories openai_moderations_model_name google_moderation_confidence_threshold llm_guard_mode
    azure_content_safety_params banned_keywords_list blocked_user_list block_requests_for_models_without_pricing
    max_user_budget max_internal_user_budget max_end_user_budget max_end_user_budget_id tag_budget_config default_team_settings
    upperbound_key_generate_params key_generation_settings validate_end_user_id_in_db priority_reservation`,
  ),
  router_settings: words('guardrail_list'),
} as const;

/** LiteLLM's callbacks that check requests or answers; others only observe them. */
const CHECKING_CALLBACKS = new Set(
  words(
    `presidio hide_secrets hide-secrets detect_prompt_injection lakera_prompt_injection aporia_prompt_injection lasso_guardrail llmguard_moderations
    llamaguard_moderations openai_moderations google_text_moderation azure_content_safety banned_keywords blocked_user_check
    bedrock_guardrails max_budget_limiter max_iterations_limiter max_parallel_requests_limiter dynamic_rate_limiter dynamic_rate_limiter_v3`,
  ),
);
/** Whether one of LiteLLM's callbacks checks requests or answers. */
export function isCheckingCallback(name: string): boolean {
  return CHECKING_CALLBACKS.has(name);
}

const CALLBACK_LISTS = words('callbacks input_callback success_callback failure_callback');

/** Keys of each section that protect, limit or address: their near misses are errors. */
const PROTECTING: Readonly<Record<keyof typeof UNENFORCED | 'entry' | 'litellm_params' | 'model_info', readonly string[]>> = {
  '': [
    ...UNENFORCED[''],
    ...words('guardrails general_settings litellm_settings router_settings model_list environment_variables credential_list'),
  ],
  general_settings: [
    ...UNENFORCED.general_settings,
    ...words(
      'master_key litellm_key_header_name custom_auth enable_jwt_auth litellm_jwtauth enable_oauth2_auth enable_oauth2_proxy_auth database_url',
    ),
  ],
  litellm_settings: [...UNENFORCED.litellm_settings, ...words('max_budget budget_duration request_timeout callbacks')],
  router_settings: words(
    `provider_budget_config default_max_parallel_requests enable_pre_call_checks optional_pre_call_checks enable_tag_filtering
    tag_filtering_match_any timeout request_timeout stream_timeout
    redis_url redis_host redis_port redis_password`,
  ),
  entry: words('model_name litellm_params model_info'),
  litellm_params: words(
    `api_base base_url api_key api_version organization custom_llm_provider azure_ad_token azure_scope tenant_id client_id client_secret
    max_budget budget_duration max_parallel_requests timeout stream_timeout max_input_tokens
    input_cost_per_token output_cost_per_token headers extra_headers default_headers guardrails litellm_credential_name
    aws_region_name aws_access_key_id aws_secret_access_key aws_session_token aws_profile_name aws_role_name aws_bedrock_runtime_endpoint
    vertex_project vertex_location vertex_credentials`,
  ),
  model_info: words('base_model max_input_tokens input_cost_per_token output_cost_per_token'),
};

/** Paths of these sections in a file. */
const SECTIONS = ['general_settings', 'litellm_settings', 'router_settings'] as const;
/** A gateway without it, or with it in another section, is open. */
const MASTER_KEY = 'master_key';

/** Keys of LiteLLM, or named as its `REDIS_…` variables, that are similar to others by design. */
const NEIGHBOURS: ReadonlySet<string> = new Set(
  words('litellm_params.client litellm_params.dd_api_key litellm_settings.fallbacks router_settings.redis_ssl router_settings.redis_ttl'),
);

/**
 * Refuses a key that almost matches one that protects, limits or addresses: the gateway would be
 * open, or a deployment's key would be sent to another host.
 * @throws the error of `refuse`, naming both.
 */
export function checkNearMisses(path: string, section: Section, of: keyof typeof PROTECTING, refuse: Refuse = refuseFileValue): void {
  const names = PROTECTING[of];
  for (const key of Object.keys(section)) {
    if (names.includes(key) || NEIGHBOURS.has(`${of}.${key}`)) continue;
    const meant = nearMiss(key, names);
    if (meant !== undefined) throw refuse(joinPath(path, key), unshown(section[key]), `is not a known option (did you mean ${meant}?)`);
  }
}

/** The same for the sections of a file, and for a master key that is in none or in another one. */
export function checkFileKeys(path: string, config: Section): void {
  checkNearMisses(`${path}: `, config, '');
  for (const name of SECTIONS) checkNearMisses(`${path}: ${name}`, fieldsOf(config?.[name]), name);
  for (const name of ['', 'litellm_settings', 'router_settings'] as const) {
    const section = name === '' ? config : fieldsOf(config?.[name]);
    const key = Object.keys(section).find((each) => each.toLowerCase() === MASTER_KEY || nearMiss(each, [MASTER_KEY]) !== undefined);
    if (key !== undefined)
      throw refuseFileValue(joinPath(`${path}: ${name}`, key), section[key], 'must be set as master_key in general_settings');
  }
}

/**
 * Settings of a file that protect LiteLLM's proxy and are not enforced here, with their names in
 * `router.handledSettings`. Remove a setting from `UNENFORCED` once it is implemented.
 */
export function unenforcedSettings(config: Section): readonly string[] {
  return [...protectingSettings(config).keys()];
}

/** The same settings with their values. */
export function protectingSettings(config: Section): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, keys] of Object.entries(UNENFORCED)) {
    const section = name === '' ? config : fieldsOf(config?.[name]);
    for (const key of keys) {
      if (isMeant(section[key]) && !isOfLogs(key, section[key])) found.set(name === '' ? key : `${name}.${key}`, section[key]);
    }
  }
  for (const list of CALLBACK_LISTS) {
    const callbacks = fieldsOf(config?.litellm_settings)[list];
    const names: readonly unknown[] = Array.isArray(callbacks) ? callbacks : [callbacks];
    const checking = names.filter((name) => typeof name === 'string' && CHECKING_CALLBACKS.has(name));
    if (checking.length > 0) found.set(`litellm_settings.${list}`, checking);
  }
  return found;
}

/** Whether `default_team_settings` only say where the calls of teams are logged, as most do. */
function isOfLogs(key: string, value: unknown): boolean {
  if (key !== 'default_team_settings' || !Array.isArray(value)) return false;
  return !value.some((team) => isMeant((team as Section | null)?.max_budget));
}

/** The error for such settings. @param file the file that has them */
export function unenforcedError(file: string, settings: readonly string[]): InvalidConfigurationError {
  const rule =
    'has no effect here and would leave requests unprotected; enforce it in the app and list it in router.handledSettings, or remove it';
  return new InvalidConfigurationError(`${file}: ${settings.join(', ')}`, rule);
}

/** Whether a setting is switched on, that is, not `false`, 0 or empty. */
export function isMeant(value: unknown): boolean {
  if (typeof value === 'string') return value !== '' && !/^(?:false|no|off|0)$/i.test(value);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0;
}

import { isLiteLLMRate } from '../../common/litellm-rates.js';

/** Keys of an entry of LiteLLM's model list. */
export const ENTRY_KEYS: ReadonlySet<string> = new Set([
  'model_name',
  'litellm_params',
  'model_info',
  'rpm',
  'tpm',
  'weight',
  'access_groups',
]);

/** Parameters of a deployment that have an effect. */
const USED_PARAMS: ReadonlySet<string> = new Set([
  ...`model api_key api_base base_url api_version organization custom_llm_provider azure_ad_token rpm tpm weight order max_parallel_requests timeout
  stream_timeout num_retries cooldown_time tags input_cost_per_request max_budget budget_duration headers extra_headers extra_body default_headers aws_region_name allowed_fails
  allowed_fails_policy max_input_tokens tenant_id client_id client_secret azure_scope base_model drop_params additional_drop_params allowed_openai_params
  use_chat_completions_api aws_access_key_id aws_secret_access_key aws_session_token aws_profile_name aws_role_name aws_session_name aws_external_id
  aws_web_identity_token aws_sts_endpoint aws_bedrock_runtime_endpoint model_id
  mock_response guardrails vertex_project vertex_location vertex_credentials vertex_ai_project vertex_ai_location vertex_ai_credentials litellm_credential_name`.split(
    /\s+/,
  ),
]);

/** Parameters that LiteLLM 1.110.2 and its router do not send to a provider. */
const LITELLM_PARAMS: ReadonlySet<string> = new Set(
  `access_groups acompletion aembedding aimg_generation alerting_config allm_passthrough_route allow_client_keepalive_override
  allow_legacy_cloud_file_ids allowed_model_region assistant_continue_message assistants_config async_call atext_completion
  attempted_targets azure background_health_check_model_groups bedrock_tags bos_token bucket_name cache cache_key cache_kwargs cache_responses caching
  caching_groups callbacks chatgpt_auth_file client client_side_timeout client_ttl complete_response completion_call_id
  configurable_clientside_auth_params context_window_fallback_dict custom_prompt_dict daily_reset_time data_residency debug_level default_litellm_params
  default_api_key_rpm_limit default_api_key_tpm_limit default_fallbacks default_max_parallel_requests default_priority deployment_affinity_ttl_seconds deployment_id
  disable_add_transform_inline_image_block disable_cooldowns enable_health_check_routing enable_json_schema_validation
  enable_mid_stream_fallback_continuation enable_pre_call_checks enable_prompt_caching enable_tag_filtering enable_weighted_failover
  ensure_alternating_roles eos_token failure_callback fallback_access_check fallback_budget_check fallback_depth fallback_on_unsupported_params
  fallbacks content_policy_fallbacks context_window_fallbacks fastest_response final_prompt_value fireworks_forward_user_id force_timeout guardrail_list
  hf_model_name id ignore_invalid_deployments initial_prompt_value itpm keepalive_seconds kubernetes_pod_discovery
  log_client_error_tracebacks logger_fn max_agentic_loops max_fallbacks max_file_size_mb max_output_tokens max_retries
  merge_reasoning_content_in_choices messages metadata mode model_alias_map model_config model_file_id_mapping model_group_affinity_config
  model_group_alias model_group_retry_policy model_info model_list modify_params no-log optional_pre_call_checks otpm output_vector_size plugins
  polling_interval preset_cache_key prompt_environment prompt_id prompt_label prompt_variables prompt_version provider_affinity_header
  provider_budget_config provider_specific_header proxy_server_request proxy_url region_name request_timeout responses_api_version retry_after
  retry_policy retry_strategy roles router_general_settings routing_groups routing_strategy routing_strategy_args rpd rust search_tool_name search_tools
  secret_fields self session_affinity_repin_on_failover set_verbose shared_session silent_model ssl_verify stream stream_chunk_size stream_options
  stream_response stream_timeout_by_service_tier success_callback supports_system_message tag_filtering_match_any tag_regex tag_routing_prefix
  text_completion thought_signature_in_tool_call_id tiered_pricing timeout_by_service_tier tpd ttl turn_off_message_logging use_client use_in_pass_through use_litellm_proxy use_xai_oauth user_continue_message vector_store_id verbose wandb_api_key weave_project_id`.split(
    /\s+/,
  ),
);
/**
 * Families of such parameters: credentials of clouds and observability services, prices, settings
 * of LiteLLM's auto routers.
 */
const LITELLM_FAMILIES = [
  /^(?:_|aws_|vertex_|watsonx_|azure_|s3_|gcs_|dd_|redis_|valkey_|milvus_|litellm_|mock_|health_check_|token_exchange_)/,
  /^(?:langfuse|langsmith|arize|posthog|newrelic|signoz|humanloop|github_copilot|openai_(?:identity|service)|auto_router)_/,
  /^anthropic_(?:disable|federation|identity|issuer|keycloak|organization|service)_/,
  /_router_(?:config|default_model)$|_uplift_multiplier(?:_|$)/,
  /(?:^|_)cost(?:_|$)/,
  /(?:(?:api|secret|access|private)[-_]?key|secret|password|credentials?|authorization|(?:access|auth|bearer|session|refresh|id)[-_]?token|^token)$/i,
];

/**
 * Returns what happens to a parameter of a deployment. `used`: it has an effect. `ignored`:
 * LiteLLM's own, without effect. `sent`: a field for the provider, added to every request that does
 * not have it.
 */
export function fateOfParam(key: string): 'used' | 'ignored' | 'sent' {
  if (USED_PARAMS.has(key) || isLiteLLMRate(key)) return 'used';
  return LITELLM_PARAMS.has(key) || LITELLM_FAMILIES.some((family) => family.test(key)) ? 'ignored' : 'sent';
}

/** Whether a parameter of a deployment is a field of its requests. */
export function isSentParam(key: string): boolean {
  return fateOfParam(key) === 'sent';
}

const INFO_KEYS: ReadonlySet<string> = new Set([
  ...`id db_model base_model mode max_tokens max_input_tokens max_output_tokens input_cost_per_request supported_environments allowed_fails
  allowed_fails_policy cooldown_time routing_strategy routing_strategy_args access_groups tags region_name description tier team_id
  team_public_model_name supports_vision supports_function_calling supports_parallel_function_calling supports_response_schema supports_reasoning
  custom_tokenizer health_check_model health_check_timeout disable_background_health_check version rpm tpm metadata created_at updated_at`.split(
    /\s+/,
  ),
]);

/** Whether it is a key of LiteLLM's `model_info`. */
export function isInfoKey(key: string): boolean {
  return INFO_KEYS.has(key) || isLiteLLMRate(key);
}

/**
 * Keys of an entry and its `model_info` that restrict calls in LiteLLM and have no effect here:
 * each is reported.
 */
export const UNHEEDED_KEYS: ReadonlySet<string> = new Set(
  `model_list.access_groups model_info.supported_environments model_info.access_groups model_info.team_id model_info.team_public_model_name
  model_info.routing_strategy_args`.split(/\s+/),
);

/** Parameters of a deployment that LiteLLM accepts in a request, and in a fallback. */
export const FALLBACK_PARAMS: ReadonlySet<string> = new Set(
  'api_key api_base base_url api_version custom_llm_provider headers extra_headers timeout stream_timeout num_retries max_retries'.split(
    ' ',
  ),
);

/** Settings of LiteLLM's router that are ignored without a warning. */
export const IGNORED_SETTINGS: ReadonlySet<string> = new Set('set_verbose debug_level client_ttl polling_interval model_list'.split(' '));

/** Settings of LiteLLM's shared state: read by `sharedStateOf`. */
export const REDIS_SETTINGS: ReadonlySet<string> = new Set(
  'redis_url redis_host redis_port redis_password redis_db cache_kwargs'.split(' '),
);

/** LiteLLM's `optional_pre_call_checks`. */
export const KNOWN_CHECKS: ReadonlySet<string> = new Set(
  `prompt_caching router_budget_limiting responses_api_deployment_check deployment_affinity session_affinity forward_client_headers_by_model_group
  enforce_model_rate_limits encrypted_content_affinity`.split(/\s+/),
);

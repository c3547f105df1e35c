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

/** Parameters that LiteLLM's deployments have; whoever calls a deployment gets all of them, and others, too. */
export const PARAM_KEYS: ReadonlySet<string> = new Set(
  `model api_key api_base base_url api_version organization custom_llm_provider azure_ad_token tenant_id client_id client_secret region_name deployment_id
  rpm tpm itpm otpm weight order max_parallel_requests timeout stream_timeout request_timeout max_retries num_retries cooldown_time tags tag_regex
  input_cost_per_token output_cost_per_token cache_read_input_token_cost cache_creation_input_token_cost output_cost_per_reasoning_token
  input_cost_per_second output_cost_per_second max_budget budget_duration mock_response use_in_pass_through
  headers extra_headers extra_body default_headers drop_params additional_drop_params model_info stream temperature top_p top_k n stop max_tokens
  max_completion_tokens presence_penalty frequency_penalty seed response_format tools tool_choice user reasoning_effort thinking stream_options
  logit_bias logprobs top_logprobs parallel_tool_calls verbosity service_tier dimensions
  aws_access_key_id aws_secret_access_key aws_session_token aws_region_name aws_profile_name aws_role_name aws_session_name aws_bedrock_runtime_endpoint
  vertex_project vertex_location vertex_credentials watsonx_region_name hf_model_name ssl_verify proxy_url merge_reasoning_content_in_choices
  max_file_size_mb configurable_clientside_auth_params litellm_credential_name allowed_fails allowed_fails_policy max_input_tokens`.split(
    /\s+/,
  ),
);

/** What LiteLLM knows of a deployment. */
export const INFO_KEYS: ReadonlySet<string> = new Set(
  `id db_model base_model mode max_tokens max_input_tokens max_output_tokens input_cost_per_token output_cost_per_token supported_environments allowed_fails
  cache_read_input_token_cost cache_creation_input_token_cost output_cost_per_reasoning_token
  allowed_fails_policy cooldown_time routing_strategy routing_strategy_args access_groups tags region_name description tier team_id
  team_public_model_name supports_vision supports_function_calling supports_parallel_function_calling supports_response_schema supports_reasoning
  health_check_model health_check_timeout disable_background_health_check version rpm tpm metadata created_at updated_at`.split(/\s+/),
);

/**
 * Of these keys, those that say who is asked, how often, for how much or at what price, and are not heeded here: whoever set one takes it to hold.
 * `max_retries` is for the provider's SDK, whose retries would multiply with the router's; `max_retries: 0`, which many write for that, says nothing of these.
 */
export const UNHEEDED_KEYS: ReadonlySet<string> = new Set(
  `model_list.access_groups litellm_params.itpm litellm_params.otpm litellm_params.tag_regex litellm_params.mock_response
  litellm_params.request_timeout litellm_params.max_retries litellm_params.use_in_pass_through litellm_params.litellm_credential_name
  litellm_params.input_cost_per_second litellm_params.output_cost_per_second model_info.supported_environments model_info.access_groups
  model_info.team_id model_info.team_public_model_name model_info.routing_strategy_args`.split(/\s+/),
);

/** Parameters of a deployment that LiteLLM lets a request have, and a fallback. */
export const FALLBACK_PARAMS: ReadonlySet<string> = new Set(
  'api_key api_base base_url api_version custom_llm_provider headers extra_headers timeout stream_timeout num_retries max_retries'.split(
    ' ',
  ),
);

/** Settings of LiteLLM's router that have no meaning here: no reason for a warning. */
export const IGNORED_SETTINGS: ReadonlySet<string> = new Set('set_verbose debug_level client_ttl polling_interval model_list'.split(' '));

/** Where LiteLLM's router shares its state: read by `sharedStateOf`. */
export const REDIS_SETTINGS: ReadonlySet<string> = new Set(
  'redis_url redis_host redis_port redis_password redis_db cache_kwargs'.split(' '),
);

/** LiteLLM's `optional_pre_call_checks`. */
export const KNOWN_CHECKS: ReadonlySet<string> = new Set(
  `prompt_caching router_budget_limiting responses_api_deployment_check deployment_affinity session_affinity forward_client_headers_by_model_group
  enforce_model_rate_limits encrypted_content_affinity`.split(/\s+/),
);

/** An intended difference between LiteLLM's admin routes and ours: a row of docs/admin-api.md. */
export interface AdminDifference {
  /** `METHOD /path [name]`; `*` stands for any text. */
  readonly calls: readonly string[];
  /** LiteLLM's status and ours. */
  readonly status?: `${number} / ${number}`;
  /** Fields of the answer that have another type or value: a path, or the last name of one. */
  readonly fields?: readonly string[];
  /** Fields of the answer that ours does not have. */
  readonly absent?: readonly string[];
  readonly routes: string;
  readonly litellm: string;
  readonly here: string;
  readonly reason: string;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Rows of LiteLLM's directory. */
const DIRECTORY = ['* /key/*', '* /team/*', '* /user/*', '* /budget/*', '* /customer/*'];

export const ADMIN_DIFFERENCES: readonly AdminDifference[] = [
  {
    calls: words(
      '*wrong*type* *[without*an*id] *[without*a*] *[an*unknown*section] *[litellm_params*] *without*values* *an*unknown*role* *[nothing]',
    ),
    status: '422 / 400',
    routes: 'all',
    litellm: '422 with `detail` for a field that is missing or has a wrong type',
    here: "400 with OpenAI's `error`, whose `param` names the field",
    reason: 'the SDKs read `error`; other errors of LiteLLM have `detail`, too, and here all have `error`',
  },
  {
    calls: words('POST*/model/new*[without*] POST*/customer/new*[an*id*exists] *wrong*duration* *not*configured*'),
    status: '500 / 400',
    routes: '`/model/new`, `/customer/new`, `/key/generate`, `/health/services`',
    litellm: '500 for a request that is invalid',
    here: '400',
    reason: "LiteLLM's defect: clients repeat 500",
  },
  {
    calls: ['POST /model/new [an id that exists]'],
    status: '500 / 409',
    routes: '`/model/new`',
    litellm: '500 for an id that exists',
    here: '409',
    reason: "LiteLLM's defect: clients repeat 500",
  },
  {
    calls: words('POST*/model/new*[an*unknown*field] POST*/key/generate*[an*unknown*field]'),
    status: '200 / 400',
    routes: '`/model/new`, `/key/generate`',
    litellm: 'ignores unknown fields',
    here: '400 naming the field',
    reason: 'a misspelt limit would not limit anything',
  },
  {
    calls: words('POST*/model/update*[unknown] POST*/model/delete*[unknown] POST*/team/member_delete* POST*/key/service-account*'),
    status: '400 / 404',
    routes: '`/model/update`, `/model/delete`, `/team/member_delete`',
    litellm: '400 for what does not exist',
    here: '404',
    reason: 'as its other routes',
  },
  {
    calls: words('POST*/budget/update*[unknown] POST*/budget/delete*[unknown] POST*/team/member_update*'),
    status: '200 / 404',
    routes: '`/budget/update`, `/budget/delete`, `/team/member_update`',
    litellm: '200 for unknown ids; a user who is not a member gets a budget',
    here: '404',
    reason: "LiteLLM's defect: nothing was changed",
  },
  {
    calls: ['*file*[a model of the file]', 'POST /model/* [a model of the file]'],
    status: '400 / 409',
    routes: '`/model/update`, `/model/{id}/update`, `/model/delete`',
    litellm: '400 for a model of the file',
    here: '409 `defined_in_file`',
    reason: 'the request is valid; the file has to be changed',
  },
  {
    calls: ['* /model/new*', '* /model/update*', '* /model/$model/update*', '* /model/block*', '* /model/unblock*'],
    fields: words('model api_key api_base api_version litellm_credential_name db_model created_by updated_by'),
    routes: '`/model/new`, `/model/update`, `/model/block`',
    litellm: 'answers with encrypted values, `db_model: false` and the user `default_user_id`',
    here: 'values with masked secrets, `db_model: true` and `master`',
    reason: 'nothing a client can use; the model is in the database; the master key is not a user',
  },
  {
    calls: ['* /model/*', '* /v1/model/*', '* /v2/model/*'],
    absent: words(`allow_client_keepalive_override use_in_pass_through use_litellm_proxy use_xai_oauth merge_reasoning_content_in_choices
      member_auto_router access_via_team_ids direct_access pricing_overrides key supported_openai_params data[].model_info.*`),
    routes: '`/model/info`, `/v2/model/info`',
    litellm: 'all entries of its price map, mostly `null`, and flags of features that are not offered',
    here: '`mode`, limits and prices that are known; what `model_info` sets',
    reason: 'the price table here has prices per token and limits; set others in `model_info`',
  },
  {
    calls: ['* /model/info*', '* /v1/model/info*', '* /v2/model/info*', '* /model_group/info*'],
    fields: words('max_tokens max_output_tokens max_input_tokens'),
    routes: '`/model/info`, `/model_group/info`',
    litellm: 'limits of its price map; for Azure other ones than for OpenAI',
    here: '`null` for an output limit that the model table does not have; one limit per model',
    reason: 'set `max_output_tokens` in `model_info`',
  },
  {
    calls: ['* /model/info*', '* /v1/model/info*', '* /v2/model/info*', '* /health*'],
    fields: ['api_base'],
    routes: '`/model/info`, `/health`',
    litellm: 'the address with its path',
    here: 'scheme, host and port',
    reason: 'a path or query can contain a secret',
  },
  {
    calls: ['* /model_group/info*'],
    absent: words(`supports_* supported_* itpm otpm input_cost_per_pixel configurable_clientside_auth_params description deployment_pricing
      is_public_model_group health_* custom_*`),
    routes: '`/model_group/info`',
    litellm: '`false` for capabilities that it does not know',
    here: 'the `supports_…` of `model_info`; no health (see `/health`) and no public model hub',
    reason: 'unknown is not `false`',
  },
  {
    calls: ['* /models*', '* /v1/models*'],
    fields: ['owned_by'],
    absent: words('mode max_input_tokens max_output_tokens'),
    routes: '`/v1/models`',
    litellm: 'adds mode and limits; all models are owned by `openai`',
    here: "OpenAI's fields; owned by `gateway`",
    reason: '`/model_group/info` has mode and limits',
  },
  {
    calls: ['POST /v1/chat/completions*'],
    fields: ['model'],
    absent: ['provider_specific_fields'],
    routes: '`/v1/chat/completions`',
    litellm: "repeats a key's alias of the model; adds empty fields",
    here: 'the model group that answered',
    reason: 'an alias hides what answered',
  },
  {
    calls: ['GET /credentials*'],
    absent: ['display_name'],
    routes: '`/credentials`',
    litellm: 'display names',
    here: 'not offered',
    reason: 'use `credential_info`',
  },
  {
    calls: words('*/config/field/*[a*setting]'),
    status: '200 / 400',
    routes: '`/config/field/*`',
    litellm: 'stores `general_settings` that take effect with a later start',
    here: '400: such settings belong in the file; those that take effect at once can be stored',
    reason: 'a setting that is stored without effect misleads',
  },
  {
    calls: ['GET /config/list*'],
    fields: words('field_value stored_in_db'),
    absent: words('premium_field nested_fields field_options field_tab'),
    routes: '`/config/list`',
    litellm: 'all settings that exist, with descriptions for its dashboard',
    here: 'the settings that are set',
    reason: 'the dashboard here does not edit them',
  },
  {
    calls: ['GET /health [unknown]'],
    status: '503 / 400',
    routes: '`/health?model=`',
    litellm: '503 for an unknown model',
    here: '400; 503 only if no deployment of the model is healthy',
    reason: 'a misspelt name is not an outage',
  },
  {
    calls: ['POST /utils/token_counter*'],
    absent: words('count_source original_response error error_message status_code'),
    routes: '`/utils/token_counter`',
    litellm: 'errors of a provider in an answer with status 200',
    here: 'the count; errors have a status',
    reason: 'clients check the status',
  },
  {
    calls: words('*/key/info*[a*key] *key/delete*'),
    fields: ['key', 'deleted_keys[]'],
    routes: '`/key/info`, `/key/delete`',
    litellm: 'repeats the key that the request names',
    here: 'the public id (`token`)',
    reason: 'only the answer that creates a key contains it',
  },
  {
    calls: ['POST /key/update*'],
    absent: ['key'],
    routes: '`/key/update`',
    litellm: 'repeats the key',
    here: '`token`',
    reason: 'only the answer that creates a key contains it',
  },
  {
    calls: DIRECTORY,
    fields: words('model_rpm_limit model_tpm_limit model_max_budget tags blocked last_active teams token token_id created_at updated_at'),
    routes: '`/key/*`, `/team/*`, `/user/*`, `/budget/*`, `/customer/*`',
    litellm: '`null` for what is not set or not recorded',
    here: '`{}`, `[]` or `false`; the time of creation and of the last use',
    reason: 'one type per field',
  },
  {
    calls: ['* /key/*', '* /team/*', '* /budget/*', '* /customer/*'],
    fields: words('budget_id soft_budget'),
    routes: '`/key/*`, `/team/*`, `/budget/*`, `/customer/*`',
    litellm: 'creates a budget for limits of a customer, member or `soft_budget` and names it; `/key/list` does not show `soft_budget`',
    here: 'limits are stored with the record; `budget_id` is the budget that was set',
    reason: 'changing one record cannot change others',
  },
  {
    calls: [...DIRECTORY, '* /v2/team/*'],
    absent: words(`agent_id budget_limits allowed_cache_controls config permissions budget_fallbacks policies access_group_ids project_id
      litellm_budget_table soft_budget_cooldown total_spend router_settings model_spend settings_updated_at rotation_count auto_rotate rotation_interval
      last_rotation_at key_rotation_at litellm_organization_table litellm_project_table jwt_key_mappings guardrails object_permission
      object_permission_id tpd_limit duration mcp_rpm_limit tag_rpm_limit prompts default_estimated_output_tokens*
      end_user_budget_id disable_global_guardrails enable_prompt_caching throttle_on_budget_exceeded enforced_params allowed_passthrough_routes
      denied_passthrough_routes allowed_vector_store_indexes rpm_limit_type tpm_limit_type key_type created_by updated_by projects
      allowed_models temp_budget_increase temp_budget_expiry`),
    routes: '`/key/*`, `/team/*`, `/user/*`, `/budget/*`, `/customer/*`',
    litellm:
      'fields of agents, MCP servers, access groups, policies, projects, rotation, daily token limits and lifetime spend, mostly empty',
    here: 'absent',
    reason: 'not offered; the audit log has who created and changed a record',
  },
  {
    calls: ['GET /key/list*', 'POST /key/block*'],
    absent: words(`org_id team_* end_user_* organization_* project_* last_refreshed_at api_key user* allowed_model_region parent_otel_span
      rpm_limit_per_model tpm_limit_per_model request_route is_session_token created_by_user jwt_claims`),
    routes: '`/key/list`, `/key/block`',
    litellm: 'empty fields of the team, user and organization of a key',
    here: '`team_id`, `user_id`, `organization_id`',
    reason: '`/team/info` and `/user/info` have them',
  },
  {
    calls: ['POST /key/generate [limits of models]', 'GET /key/list [objects]'],
    absent: ['metadata.model_rpm_limit', 'metadata.model_tpm_limit', '*.metadata.model_rpm_limit', '*.metadata.model_tpm_limit'],
    routes: '`/key/generate`',
    litellm: 'limits of models in `metadata`',
    here: '`model_rpm_limit`, `model_tpm_limit`',
    reason: '`metadata` belongs to the client',
  },
  {
    calls: [
      'GET /key/list [of an organization]',
      'GET /key/list [sorted by spend]',
      'GET /key/list [with users]',
      'GET /user/list [sorted]',
    ],
    status: '200 / 400',
    routes: '`/key/list`, `/user/list`',
    litellm: '`organization_id`, `expand=user`, any `sort_by`',
    here: '400; the newest first',
    reason: 'not offered; each page has to be read from an index',
  },
  {
    calls: ['POST /key/generate [tags]'],
    status: '403 / 200',
    routes: '`/key/generate`',
    litellm: '403 for `tags` without a licence',
    here: '200',
    reason: 'nothing needs a licence',
  },
  {
    calls: ['POST /key/generate [budgets of models]', 'POST /key/$own/regenerate*'],
    status: '500 / 200',
    routes: '`/key/generate`, `/key/{key}/regenerate`',
    litellm: '500 for `model_max_budget` and for regenerating keys without a licence',
    here: '200',
    reason: 'nothing needs a licence',
  },
  {
    calls: ['* /organization/*'],
    status: '403 / 200',
    routes: '`/organization/*`',
    litellm: '403 without a licence',
    here: '200',
    reason: 'nothing needs a licence',
  },
  {
    calls: ['GET /organization/info [unknown]', 'POST /organization/member_add*'],
    status: '403 / 404',
    routes: '`/organization/*`',
    litellm: '403 without a licence; members of organizations',
    here: '404; only teams have members',
    reason: 'nothing needs a licence; members are not offered',
  },
  {
    calls: ['GET /global/spend/report*', 'POST /customer/unblock*', 'GET /global/activity [without dates]'],
    status: '400 / 200',
    routes: '`/global/spend/report`, `/customer/unblock`, `/global/activity`',
    litellm: '400 without a licence; 400 without dates',
    here: '200; the last 30 days',
    reason: 'nothing needs a licence',
  },
  {
    calls: words(
      '*with*a*blocked*key* *of*a*blocked*team* POST*/key/generate*[with*a*key] POST*/team/new*[with*a*key] GET*/global/spend*[with*a*key]',
    ),
    status: '401 / 403',
    routes: 'all',
    litellm: '401 for a key that is valid and blocked, or may not call the route',
    here: '403',
    reason: 'clients renew a key after 401',
  },
  {
    calls: ['GET /key/info [another key]'],
    status: '403 / 404',
    routes: '`/key/info`',
    litellm: '403 for the key of another client',
    here: '404',
    reason: 'does not reveal which keys exist',
  },
  {
    calls: ['GET /spend/logs [with a key]'],
    status: '401 / 200',
    routes: '`/spend/logs`',
    litellm: 'only for the master key',
    here: "with a key, the key's own calls",
    reason: '[who may read](spending.md#who-may-read)',
  },
  {
    calls: ["GET /team/info [with the team's key]"],
    status: '422 / 200',
    routes: '`/team/info`',
    litellm: '422 without `team_id`',
    here: "the team of the request's key",
    reason: 'the key has one team',
  },
  {
    calls: ['POST /v1/chat/completions [of a blocked customer]'],
    status: '200 / 403',
    routes: '`/customer/block`',
    litellm: 'a blocked customer is served without a licence',
    here: '403',
    reason: "LiteLLM's defect: the block is stored without effect",
  },
  {
    calls: ['GET /user/info [without an id]'],
    status: '200 / 400',
    routes: '`/user/info`',
    litellm: 'all keys and teams for the master key',
    here: '400; `/user/list`, `/team/list` and `/key/list` have pages',
    reason: 'the master key is not a user',
  },
  {
    calls: ['* /team/*', '* /v2/team/*'],
    fields: words('members[] members_count team_memberships[] team_memberships[].* updated_team_memberships[].litellm_budget_table'),
    absent: words(`team_member_permissions default_team_member_models model_id allow_team_guardrail_config litellm_model_table user_alias
      updated_users[].* team_member_budget_table access_group_* unresolved_access_group_ids organization_models team_memberships keys keys_count
      caller_edit_access caller_membership budget_source model_max_budget model_max_budget_usage budget_duration budget_reset_at`),
    routes: '`/team/*`',
    litellm: 'all keys in `/team/list`; the creator is a member; `members` is empty; a member that was never added has a budget',
    here: '`members` are the ids of all members; `/team/info` has the keys of one team',
    reason: 'a list of teams must not read all keys',
  },
  {
    calls: ['* /user/*', '* /v2/user/*'],
    fields: words('key keys[].models[]'),
    absent:
      words(`object_permission team_id sso_user_id organization_id password_reset_required last_breach_check_at organization_memberships verified_subjects
      invitations_* admin_mcp_permissions model_max_budget_usage key_count tags key_alias aliases allowed_routes key_name expires token_id token
      team_alias`),
    routes: '`/user/*`',
    litellm: "fields of SSO and invitations; copies the user's models to the key",
    here: "absent; the user's models apply to all keys without a team",
    reason: 'not offered; a change of the user takes effect at once',
  },
  {
    calls: ['* /budget/*', '* /customer/*'],
    fields: words('[].max_budget litellm_budget_table'),
    absent: words('organization keys end_users tags model_access_groups team_membership organization_membership budget_reset_at models'),
    routes: '`/budget/*`, `/customer/*`',
    litellm: 'one window for all records with a budget',
    here: 'each record has its own window and spend',
    reason: '[which limits apply](teams.md#which-limits-apply)',
  },
  {
    calls: ['GET /spend/logs*'],
    fields: words(`completionStartTime *.metadata.status completion_tokens_details request_tags[] team_id organization_id session_id`),
    absent: words(`api_base *.metadata.* cache_key messages response mcp_namespaced_tool_name agent_id billing_agent_id
      proxy_server_request litellm_call_id created_at updated_at session_* []. [].<*> [].litellm_* [].litellm-*`),
    routes: '`/spend/logs`, `/spend/logs/v2`',
    litellm: 'empty fields of agents and guardrails; tags for the user agent; sums of a day for each key',
    here: '`null` instead of `""`; the sums have users and models',
    reason: '`/spend/logs/ui/{id}` has messages and answers; `/global/spend/keys` sums by key',
  },
  {
    calls: ['GET /spend/tags*'],
    fields: ['[]'],
    routes: '`/spend/tags`',
    litellm: 'a tag for the user agent of each call',
    here: 'the tags of keys and requests',
    reason: 'each version of a client would be a tag',
  },
  {
    calls: ['GET /global/*'],
    fields: words('max_budget key_name'),
    absent: words('model_group renamed-team Unassigned'),
    routes: '`/global/*`',
    litellm: '`0` without a budget',
    here: '`null`; a team is listed by its id',
    reason: '`0` is a budget that allows nothing; names are not unique',
  },
  {
    calls: ['GET /user/daily/*', 'GET /team/daily/*', 'GET /tag/daily/*'],
    fields: words('*.metadata.key_alias *.metadata.team_id'),
    absent: words(`flat_cost ptu_hours compression_* prompt_caching_savings_spend gateway_injected_* autorouter_savings_spend
      total_flat_cost total_ptu_hours total_compression_* total_prompt_caching_* total_gateway_* total_autorouter_* total_response_time_ms total_timed_requests
      total_api_keys timed_requests guardrails user_id user_email key_exists api_key_limit entity_* *.api_key_breakdown.* results[].breakdown.*`),
    routes: '`/{user,team,tag}/daily/activity`',
    litellm: 'savings, response times and flat costs; entries for the master key, for health checks and, of users, for entities',
    here: 'tokens, requests and spend; calls with the master key have no entry among keys',
    reason: 'not offered; `/metrics` has latencies',
  },
  {
    calls: words('GET*/get/config/callbacks* GET*/router/settings* GET*/budget/settings* GET*/team/permissions_list*'),
    status: '200 / 404',
    routes: '`/get/config/callbacks`, `/router/settings`, `/budget/settings`, `/team/permissions_list`',
    litellm: 'forms of its dashboard',
    here: '404',
    reason: 'the [dashboard](dashboard.md) has its own',
  },
  {
    calls: words('GET*/health/history* GET*/health/latest* POST*/health/test_connection*'),
    status: '200 / 404',
    routes: '`/health/history`, `/health/latest`, `/health/test_connection`',
    litellm: 'stored health checks; a call with the parameters of the request',
    here: '404; `/health` has the latest check, and the dashboard tests a model',
    reason: 'calls are billed, and any address could be reached',
  },
  {
    calls: words('POST*/utils/transform_request* GET*/utils/supported_openai_params*'),
    status: '200 / 404',
    routes: '`/utils/transform_request`, `/utils/supported_openai_params`',
    litellm: 'the request that a provider would get',
    here: '404',
    reason: 'not offered',
  },
  {
    calls: words('POST*/v2/key/info* GET*/key/aliases* POST*/key/health* POST*/key/bulk_update*'),
    status: '200 / 404',
    routes: '`/v2/key/info`, `/key/aliases`, `/key/health`, `/key/bulk_update`',
    litellm: 'several keys at once; callbacks of a key',
    here: '404',
    reason: '`/key/list` with `return_full_object` lists keys',
  },
  {
    calls: words('GET*/spend/keys* GET*/spend/users* POST*/spend/calculate* GET*/global/spend/tags* GET*/global/spend/provider*'),
    status: '200 / 404',
    routes: '`/spend/keys`, `/spend/users`, `/spend/calculate`, `/global/spend/tags`, `/global/spend/provider`',
    litellm: 'sums of older versions',
    here: '404',
    reason: '`/spend/tags` and `/user/daily/activity` have the sums',
  },
];

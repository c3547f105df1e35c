import { maskSecrets } from '../common/audit-log.js';
import { isObject } from '../common/objects.js';

const MASK = '***';
const VARIABLE = 'os.environ/';
const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

/** Sections whose values are all secrets. */
const SECRET_SECTIONS = words('environment_variables credential_values headers extra_headers default_headers extra_body cache_kwargs');
/**
 * Keys whose texts hold no secret. All others are masked: a key may have any name, and an address
 * may contain a token.
 */
const SHOWN = words(
  `model_name model id base_model mode tier region_name aws_region_name vertex_location vertex_ai_location custom_llm_provider api_version
  litellm_credential_name credential_name tags budget_duration time_period routing_strategy strategy group_name models model_group_alias
  fallbacks context_window_fallbacks content_policy_fallbacks default_fallbacks optional_pre_call_checks include callbacks success_callback
  failure_callback litellm_key_header_name alerting alert_types allowed_openai_params additional_drop_params provider_budget_config
  allowed_routes allowed_ips drop_params`,
);
const ADDRESSES = words('api_base base_url aws_bedrock_runtime_endpoint aws_sts_endpoint');

/**
 * Returns a value of a configuration for display: numbers, flags, names of variables and texts of
 * known keys; everything else is masked.
 * @param keys Path of the value, outermost key first.
 */
export function maskedValue(keys: readonly string[], value: unknown): unknown {
  if (keys.some((key) => SECRET_SECTIONS.has(key))) return maskedEntries(value);
  if (Array.isArray(value)) return value.map((entry) => maskedValue(keys, entry));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, maskedValue([...keys, key], entry)]));
  if (typeof value !== 'string' || value === '' || value.startsWith(VARIABLE)) return value;
  const key = keys[keys.length - 1];
  if (ADDRESSES.has(key)) return URL.canParse(value) ? new URL(value).origin : MASK;
  return keys.some((each) => SHOWN.has(each)) ? maskSecrets(value) : MASK;
}

/** Masks all values but the names of variables. */
function maskedEntries(value: unknown): unknown {
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, maskedEntries(entry)]));
  return value === null || (typeof value === 'string' && value.startsWith(VARIABLE)) ? value : MASK;
}

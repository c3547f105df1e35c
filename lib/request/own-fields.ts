import { FALLBACK_PARAMS } from '../router/litellm-keys.js';

/** Fields of a body, or of what a fallback changes in it, that are for LiteLLM, and no provider knows. Keys among them are nobody's business there. */
export const OWN_FIELDS: ReadonlySet<string> = new Set([
  ...FALLBACK_PARAMS,
  'tags',
  'fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'disable_fallbacks',
  'routing_strategy',
  'max_fallbacks',
  'mock_response',
  'mock_timeout',
  'mock_testing_fallbacks',
  'mock_testing_context_fallbacks',
  'mock_testing_content_policy_fallbacks',
  'mock_testing_rate_limit_error',
  'include_fallback_errors',
  'drop_params',
  'additional_drop_params',
  'allowed_openai_params',
  'guardrails',
  'litellm_metadata',
  'litellm_session_id',
  'litellm_trace_id',
]);

/** Without the fields that no provider gets. */
export function withoutOwn(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !OWN_FIELDS.has(key)));
}

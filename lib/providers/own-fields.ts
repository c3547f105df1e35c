import { isObject } from '../common/objects.js';
import { FALLBACK_PARAMS } from '../router/config/litellm-keys.js';
import { MOCK_FIELDS } from './mock-fields.js';

/** Fields that LiteLLM itself reads, and keys: providers do not get them. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  ...FALLBACK_PARAMS,
  ...MOCK_FIELDS,
  'tags',
  'priority',
  'total_timeout',
  'fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'disable_fallbacks',
  'routing_strategy',
  'max_fallbacks',
  'include_fallback_errors',
  'drop_params',
  'additional_drop_params',
  'allowed_openai_params',
  'extra_body',
  'guardrails',
  'cache',
  'caching',
  'no-log',
  'preset_cache_key',
  'model_info',
  'user_config',
  'secret_fields',
  'proxy_server_request',
]);
/** LiteLLM's own by their prefix, and cloud credentials of the client. */
const OWN_FAMILIES = /^(?:litellm_|aws_|vertex_|azure_|watsonx_)/;

const NONE: Readonly<Record<string, unknown>> = {};

/** Whether a field of a body is not sent to providers. */
export function isOwnField(name: string): boolean {
  return OWN_FIELDS.has(name) || OWN_FAMILIES.test(name);
}

/** Returns the fields that providers get. */
export function withoutOwn(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !isOwnField(key)));
}

/** `extra_body` of a deployment: fields that replace those of any request. */
export function addedFields({ extra_body: added }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return isObject(added) ? added : NONE;
}

/** The tags in a body's `metadata`. */
export function tagsIn(metadata: unknown): readonly string[] | undefined {
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const { tags } = metadata as { readonly tags?: unknown };
  return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? tags : undefined;
}

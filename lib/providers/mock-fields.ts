import type { Fields } from '../common/objects.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { ProviderFailureKind } from '../common/provider-error.js';

/** LiteLLM's fields that make the first model group fail, and how. */
export const MOCK_FAILURES: Readonly<Record<string, ProviderFailureKind>> = {
  mock_testing_fallbacks: 'server',
  mock_testing_context_fallbacks: 'context_window',
  mock_testing_context_window_fallbacks: 'context_window',
  mock_testing_content_policy_fallbacks: 'content_policy',
  mock_testing_rate_limit_error: 'rate_limit',
};
/** Fields that make a request fail or wait; LiteLLM's proxy refuses them, too. */
const GATED = [...Object.keys(MOCK_FAILURES), 'mock_timeout', 'mock_delay'];

/** Test fields, which are not sent to providers. */
export const MOCK_FIELDS: readonly string[] = [...GATED, 'mock_response', 'mock_tool_calls'];

/** Whether a field is set to something other than `false` or an empty text. */
export function isAsked(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== '' && value !== 'false';
}

/**
 * Whether a body has fields for tests.
 * @throws InvalidArgumentError for one that the operator does not allow
 */
export function hasMocks(body: Fields, isTestingAllowed: boolean): boolean {
  const refused = isTestingAllowed ? undefined : GATED.find((name) => isAsked(body[name]));
  if (refused !== undefined) throw new InvalidArgumentError(refused, body[refused], 'is not allowed (llmClient.mockTesting is not set)');
  return MOCK_FIELDS.some((name) => isAsked(body[name]));
}

/** How the body makes the first model group fail; `undefined`: not at all. */
export function mockedFailure(body: Fields): ProviderFailureKind | undefined {
  const name = Object.keys(MOCK_FAILURES).find((field) => isAsked(body[field]));
  return name === undefined ? undefined : MOCK_FAILURES[name];
}

import type { ProviderFailureKind } from '../common/provider-error.js';

/** LiteLLM's names of `retry_policy`, by what went wrong. */
const POLICY_KEYS: Readonly<Partial<Record<ProviderFailureKind, string>>> = {
  bad_request: 'BadRequestErrorRetries',
  authentication: 'AuthenticationErrorRetries',
  timeout: 'TimeoutErrorRetries',
  rate_limit: 'RateLimitErrorRetries',
  content_policy: 'ContentPolicyViolationErrorRetries',
  server: 'InternalServerErrorRetries',
};

/** Where the same question would get the same answer. */
const FINAL: ReadonlySet<ProviderFailureKind> = new Set(['bad_request', 'context_window', 'content_policy', 'not_found']);

/** Of what the decision depends. */
export interface RetryFacts {
  readonly kind: ProviderFailureKind;
  /** Deployments of the group that could be asked now, the one that failed included. */
  readonly healthy: number;
  /** Of these, others than the one that failed. */
  readonly healthyOthers: number;
  /** Whether the group has another to go to, for this kind of failure. */
  readonly hasFallbacks: boolean;
  /** Retries that no policy speaks of. */
  readonly numRetries: number;
  /** Of the model group before that of the router: its entry for the kind wins over `numRetries`. */
  readonly policies: readonly (Readonly<Record<string, unknown>> | undefined | null)[];
}

/** How often a request that failed so may be sent again within its group. */
export function retriesAllowed({ kind, healthy, healthyOthers, hasFallbacks, numRetries, policies }: RetryFacts): number {
  if (healthy === 0 || kind === 'not_found') return 0;
  if ((kind === 'context_window' || kind === 'content_policy') && hasFallbacks) return 0;
  if (kind === 'authentication' && healthyOthers === 0) return 0;
  const key = POLICY_KEYS[kind];
  const fromPolicy = key === undefined ? undefined : policies.map((policy) => policy?.[key]).find((count) => typeof count === 'number');
  return fromPolicy ?? (FINAL.has(kind) ? 0 : numRetries);
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8000;
const JITTER_MS = 750;
const LONGEST_RETRY_AFTER_MS = 60_000;

/**
 * How long to wait before a retry: not at all while another deployment is healthy; else as long as the provider asked for, if that is a minute at
 * most; else half a second, doubled each time up to eight, and up to 0.75 s on top, so that those who failed together do not come back together.
 * Never less than `leastMs`.
 * @param retry From 0.
 * @param random From 0 to 1.
 */
export function retryWaitMs(
  retry: number,
  facts: { readonly healthyOthers: number; readonly retryAfterMs?: number; readonly leastMs: number },
  random: number,
): number {
  if (facts.healthyOthers > 0) return 0;
  const { retryAfterMs, leastMs } = facts;
  if (retryAfterMs !== undefined && retryAfterMs > 0 && retryAfterMs <= LONGEST_RETRY_AFTER_MS) return Math.max(retryAfterMs, leastMs);
  return Math.max(Math.min(FIRST_DELAY_MS * 2 ** retry, LONGEST_DELAY_MS), leastMs) + random * JITTER_MS;
}

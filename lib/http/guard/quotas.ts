import type { RateLimitRefusal } from '../../common/http-errors.js';
import type { RateLimit } from '../../rate-limit/limits.js';
import type { RateLimitDecision } from '../../rate-limit/store.js';

/** One item of `RateLimit-Policy`: `"chat-minute";q=60;w=60`. */
export interface Quota {
  readonly name: string;
  readonly quota: number;
  readonly parameters: string;
}

/** Limits as headers show them. */
export interface LimitQuotas {
  readonly limits: readonly {
    readonly limit: RateLimit;
    readonly quotas: readonly Quota[];
    /** Whether it counts under the caller's key, and not under a team or all callers together. */
    readonly isOfKey: boolean;
  }[];
  /** `RateLimit-Policy`: the same for every answer. */
  readonly policyHeader: string;
}

/**
 * The quotas of a limit: its bucket, windows and slots. A lone one is named by `label`, several as
 * `label-part`. Tokens are not a unit of the draft: they have their own headers.
 */
export function quotasOf(label: string, { windows, bucket, maxConcurrent }: RateLimit): readonly Quota[] {
  const window = (ms: number): string => `;w=${Math.max(1, Math.ceil(ms / 1000))}`;
  const quotas: Quota[] = windows.map(({ exceeded, limit, lengthMs }) => ({ name: exceeded, quota: limit, parameters: window(lengthMs) }));
  if (bucket !== undefined) {
    const { capacity, perSecond } = bucket;
    quotas.unshift({ name: 'burst', quota: capacity, parameters: perSecond > 0 ? window((capacity / perSecond) * 1000) : '' });
  }
  if (maxConcurrent !== undefined) quotas.push({ name: 'concurrency', quota: maxConcurrent, parameters: ';qu="concurrent-requests"' });
  return quotas.map((quota) => ({ ...quota, name: quotas.length === 1 ? label : `${label}-${quota.name}` }));
}

/** `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). */
export function policyHeader(limits: LimitQuotas['limits']): string {
  return limits.flatMap(({ quotas }) => quotas.map(({ name, quota, parameters }) => `"${name}";q=${quota}${parameters}`)).join(', ');
}

/**
 * Details of the error for a request that a limit denied.
 * @param label The limit's name in errors.
 * @param estimatedTokens Tokens that were to be reserved; `undefined` before they are counted.
 */
export function rateLimitRefusal(
  { tokensPerMinute, maxConcurrent }: RateLimit,
  label: string,
  { scope, exceeded, retryAfterMs, standings }: RateLimitDecision,
  estimatedTokens: number | undefined,
): RateLimitRefusal {
  const figure = exceeded === 'tokens' ? tokensPerMinute : exceeded === 'concurrency' ? maxConcurrent : undefined;
  const usedTokens = Math.max(0, (tokensPerMinute ?? 0) - (standings[scope]?.remainingTokens ?? 0));
  return {
    limitName: label,
    exceeded,
    limit: figure ?? standings[scope]?.limit,
    retryAfterMs: retryAfterMs === Infinity ? undefined : retryAfterMs,
    ...(exceeded === 'tokens' && { estimatedTokens, usedTokens }),
  };
}

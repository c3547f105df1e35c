import type { ProviderFailureKind } from '../common/provider-error.js';
import { fallbacksIn, type FallbackTable } from '../router/fallbacks.js';
import { DEFAULT_TIMEOUT_MS } from '../router/router.settings.js';
import type { AttemptTimes } from './attempt-timer.js';
import type { CallRouter, Deployment, FallbackTarget } from './call-router.js';
import type { CallChains, CallLimits } from './llm-call.js';
import type { ResolvedLlmClientOptions } from './llm-client.options.js';
import type { CallOptions } from './llm-client.request.js';
import { readRequestFallbacks } from './request-fallbacks.js';

/** The limits of a call that begins now. */
export function limitsOf(router: CallRouter, client: ResolvedLlmClientOptions, options: CallOptions, nowMs: number): CallLimits {
  const { settings } = router;
  return {
    numRetries: options.numRetries ?? settings.numRetries,
    maxFallbacks: options.disableFallbacks === true ? 0 : settings.maxFallbacks,
    maxAttempts: client.maxAttempts,
    leastWaitMs: settings.retryAfterMs,
    deadlineAtMs: nowMs + (options.timeoutMs ?? settings.timeoutMs),
  };
}

/**
 * How long one attempt on this deployment may take. Of a stream an attempt's own time is that to its first chunk: after it nobody else is asked, whom an end
 * would leave time for.
 */
export function attemptTimes(
  { timeoutMs, streamTimeoutMs }: Deployment,
  { settings }: CallRouter,
  client: ResolvedLlmClientOptions,
  options: CallOptions,
  stream: boolean,
  leftMs: number,
): AttemptTimes {
  const ownMs = timeoutMs ?? client.attemptTimeoutMs;
  const isCallSet = (options.timeoutMs ?? settings.timeoutMs) !== DEFAULT_TIMEOUT_MS;
  if (!stream) {
    const isSet = isCallSet || ownMs !== Infinity;
    return { wholeMs: Math.min(ownMs, leftMs), firstChunkMs: Infinity, isHeadSet: isSet, isBodySet: isSet };
  }
  const firstChunkMs = options.streamTimeoutMs ?? streamTimeoutMs ?? settings.streamTimeoutMs ?? ownMs;
  return { wholeMs: leftMs, firstChunkMs, isHeadSet: isCallSet || firstChunkMs !== Infinity, isBodySet: isCallSet };
}

/** Where a call goes from a group that failed, and what policies hold there. */
export class RequestChains implements CallChains {
  private readonly own: FallbackTable | undefined;

  constructor(
    private readonly router: CallRouter,
    private readonly options: CallOptions,
  ) {
    const fallbacks = options.fallbacks ?? undefined;
    this.own = fallbacks === undefined ? undefined : readRequestFallbacks('fallbacks', fallbacks);
  }

  fallbacks(group: string, kind: ProviderFailureKind): readonly FallbackTarget[] {
    const { own, router } = this;
    if (this.options.disableFallbacks === true) return [];
    return own === undefined ? fallbacksFor(router, group, kind) : fallbacksIn(own, [group, router.knownName(group)]);
  }

  policies(group: string): readonly (Readonly<Record<string, unknown>> | undefined | null)[] {
    const { modelGroupRetryPolicy, retryPolicy } = this.router.settings;
    return [modelGroupRetryPolicy[group], retryPolicy];
  }
}

/** A prompt that is too long, or not allowed, has chains of its own; where there are any, the general ones are not for it. */
function fallbacksFor(router: CallRouter, group: string, kind: ProviderFailureKind): readonly FallbackTarget[] {
  if (kind !== 'context_window' && kind !== 'content_policy') return router.fallbacksOf(group, 'general');
  return router.settings.fallbacks[kind].size > 0 ? router.fallbacksOf(group, kind) : router.fallbacksOf(group, 'general');
}

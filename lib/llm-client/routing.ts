import type { ProviderFailureKind } from '../common/provider-error.js';
import { fallbacksIn, type FallbackKind, type Fallbacks, type FallbackTable } from '../router/fallbacks.js';
import { DEFAULT_TIMEOUT_MS } from '../router/settings.js';
import type { AttemptTimes } from './call/attempt-timer.js';
import type { CallRouter, Deployment, FallbackTarget } from './call/call-router.js';
import type { CallChains, CallLimits } from './call/llm-call.js';
import type { CallerLimits, ResolvedLlmClientOptions } from './llm-client.options.js';
import type { CallOptions, SteeredOptions } from './request.js';
import { isList, readRequestFallbacks } from '../http/request-fallbacks.js';

const NO_TARGETS: readonly FallbackTarget[] = [];

/** The most that a request's body may ask for. */
export function callerBounds({ settings }: CallRouter, { callerLimits }: ResolvedLlmClientOptions): Required<CallerLimits> {
  return {
    numRetries: callerLimits.numRetries ?? settings.numRetries,
    timeoutMs: callerLimits.timeoutMs ?? settings.timeoutMs,
    maxFallbacks: callerLimits.maxFallbacks ?? settings.maxFallbacks,
  };
}

/** The limits of a call that begins now. */
export function limitsOf(router: CallRouter, client: ResolvedLlmClientOptions, options: CallOptions, nowMs: number): CallLimits {
  const { settings } = router;
  return {
    numRetries: options.numRetries ?? settings.numRetries,
    askedRetries: options.numRetries ?? undefined,
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
  options: SteeredOptions,
  stream: boolean,
  leftMs: number,
): AttemptTimes {
  const ownMs = timeoutMs ?? client.attemptTimeoutMs;
  const isCallersWhole = options.hasCallerTimeout === true && (options.timeoutMs ?? Infinity) < settings.timeoutMs;
  const isCallSet = (options.timeoutMs ?? settings.timeoutMs) !== DEFAULT_TIMEOUT_MS;
  if (!stream) {
    const isSet = isCallSet || ownMs !== Infinity;
    const byCaller = { whole: isCallersWhole && leftMs < ownMs, firstChunk: false };
    return { wholeMs: Math.min(ownMs, leftMs), firstChunkMs: Infinity, isHeadSet: isSet, isBodySet: isSet, byCaller };
  }
  const allowedMs = streamTimeoutMs ?? settings.streamTimeoutMs ?? ownMs;
  const firstChunkMs = options.streamTimeoutMs ?? Math.min(allowedMs, options.callerStreamTimeoutMs ?? Infinity);
  const byCaller = { whole: isCallersWhole, firstChunk: options.streamTimeoutMs === undefined && firstChunkMs < allowedMs };
  return { wholeMs: leftMs, firstChunkMs, isHeadSet: isCallSet || firstChunkMs !== Infinity, isBodySet: isCallSet, byCaller };
}

/** Where a call goes from a group that failed, and what policies hold there. */
export class RequestChains implements CallChains {
  private readonly own: Readonly<Record<FallbackKind, FallbackTable | undefined>>;

  constructor(
    private readonly router: CallRouter,
    private readonly options: CallOptions,
  ) {
    const { fallbacks, contextWindowFallbacks, contentPolicyFallbacks } = options;
    this.own = {
      general: tableOf('fallbacks', fallbacks),
      context_window: tableOf('contextWindowFallbacks', contextWindowFallbacks),
      content_policy: tableOf('contentPolicyFallbacks', contentPolicyFallbacks),
    };
  }

  /**
   * As LiteLLM looks them up. A prompt that is too long: its own chain of the group, else the general ones. One that is not allowed: a list of the request,
   * else its own chains if there are any, of whatever group, else the general ones.
   */
  fallbacks(group: string, kind: ProviderFailureKind, asked = group): readonly FallbackTarget[] {
    if (this.options.disableFallbacks === true) return NO_TARGETS;
    if (kind === 'context_window') {
      const own = this.chain(group, kind, asked);
      if (own.length > 0) return own;
    } else if (kind === 'content_policy' && !isList(this.options.fallbacks)) {
      const table = this.own[kind] ?? this.router.settings.fallbacks[kind];
      if (table.size > 0) return this.chain(group, kind, asked);
    }
    return this.chain(group, 'general', asked);
  }

  triesNextTier(group: string, kind: ProviderFailureKind): boolean {
    if (kind === 'content_policy' || this.options.disableFallbacks === true) return false;
    return kind !== 'context_window' || this.chain(group, kind).length === 0;
  }

  policy(group: string): Readonly<Record<string, unknown>> {
    const { modelGroupRetryPolicy, retryPolicy } = this.router.settings;
    return Object.hasOwn(modelGroupRetryPolicy, group) ? modelGroupRetryPolicy[group] : retryPolicy;
  }

  /** Of a group that was reached by a fallback: its own chain, else that of the group which was asked for, else that of `*`. */
  private chain(group: string, kind: FallbackKind, asked = group): readonly FallbackTarget[] {
    const { router } = this;
    const own = this.own[kind];
    if (own === undefined) return router.fallbacksOf(group, kind, asked);
    const groups = asked === group ? [group] : [group, asked];
    return fallbacksIn(
      own,
      groups.flatMap((name) => [name, router.knownName(name)]),
    );
  }
}

function tableOf(path: string, fallbacks: Fallbacks | null | undefined): FallbackTable | undefined {
  return fallbacks === undefined || fallbacks === null ? undefined : readRequestFallbacks(path, fallbacks);
}

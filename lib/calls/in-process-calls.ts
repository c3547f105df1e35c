import { InvalidArgumentError } from '../common/errors.js';
import { takeLimits, type InProcessLimit, type LimitedCall, type LimitedRequestFields } from '../http/in-process-limits.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { LlmClient } from './llm-client.service.js';
import type { CallOptions } from './call-options.js';

/** The services that in-process calls use: a `FastLiteLLM`, which Nest injects, or its parts. */
export interface ModelGroups {
  readonly client: LlmClient;
  readonly rateLimiter: RateLimiterService;
  readonly tokenCounter: TokenCounterService;
}

/** Settings for calls that other libraries make through an in-process client. */
export interface InProcessCallSettings {
  /**
   * Options of each call: the HTTP `request` whose reservation it settles, tags, time limits,
   * fallbacks. A function is called for each call.
   */
  readonly callOptions?: CallOptions | (() => CallOptions);
  /**
   * The key, or key and limit, that each call is charged to; tokens are reserved and settled with
   * its usage. Cannot be combined with `callOptions.request`, whose guard already charges the call.
   * Default: no limit.
   */
  readonly rateLimit?: InProcessLimit | (() => InProcessLimit);
}

/** A call whose limits were taken. */
export interface BegunCall {
  readonly options: CallOptions;
  /** Absent if no limit is set. */
  readonly limits: LimitedCall | undefined;
}

/**
 * Takes the limits of a call.
 * @param signal of the library, in addition to the one in the options
 * @throws RateLimitExceededError if a limit denies it; the signal's reason if it is aborted
 */
export async function beginCall(
  groups: ModelGroups,
  { callOptions = {}, rateLimit }: InProcessCallSettings,
  request: LimitedRequestFields,
  signal: AbortSignal | undefined,
): Promise<BegunCall> {
  const given = typeof callOptions === 'function' ? callOptions() : callOptions;
  const limit = typeof rateLimit === 'function' ? rateLimit() : rateLimit;
  if (limit !== undefined && given.request !== undefined) {
    throw new InvalidArgumentError('settings.rateLimit', limit, 'cannot be combined with callOptions.request');
  }
  signal?.throwIfAborted();
  const limits = limit === undefined ? undefined : await takeLimits(groups, request, limit);
  const signals = [given.signal, signal].filter((each) => each !== undefined && each !== null);
  const together = signals.length > 1 ? AbortSignal.any(signals) : signals.at(0);
  return { options: { ...given, request: given.request ?? request, ...(together !== undefined && { signal: together }) }, limits };
}

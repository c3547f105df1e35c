import { LONGEST_TIMER_MS } from '../common/clock.js';
import {
  boolean,
  group,
  integer,
  limit,
  number,
  oneOf,
  optionalGroup,
  resolveOptions,
  type OptionsOf,
  type Resolved,
} from '../common/option.js';
import { BODY_BOUNDS, type BodyBounds } from '../http/body/body-bounds.js';
import { QUEUE, type QueueOptions } from '../queue/queue.options.js';
import type { ClientConfig } from '../router/config/config-file.js';
import { EXACT_COUNTS, type ExactCountOptions } from './counting/exact-counts.options.js';

export const CALLER_LIMITS = {
  /** For `num_retries`. Default: the router's `numRetries`. */
  numRetries: integer({ min: 0, max: 10 }),
  /** For `timeout`, in milliseconds. Default: the router's `timeoutMs`. */
  timeoutMs: integer({ min: 1 }),
  /** Targets in `fallbacks`; more are an error. Default: the router's `maxFallbacks`. */
  maxFallbacks: integer({ min: 0, max: 100 }),
};

/** Upper bounds for the values in a request's body. They do not apply to `CallOptions`. */
export interface CallerLimits extends OptionsOf<typeof CALLER_LIMITS> {}

/** LiteLLM's default time limit of a request. */
export const DEFAULT_CALL_TIMEOUT_MS = 6_000_000;

export const LLM_CLIENT = {
  /** Attempts of one call, over all retries and fallbacks. Default 10. */
  maxAttempts: integer({ min: 1, max: 100, default: 10 }),
  /**
   * Time limit of one attempt (of a stream: to its first chunk) for deployments without `timeout`,
   * so that time remains for another deployment if a provider hangs. Default: the router's
   * `timeoutMs`, which is also its maximum.
   */
  attemptTimeoutMs: integer({ min: 1, default: Infinity }),
  /**
   * Time limit of a whole call: the queue, retries, fallbacks, and streams to their end. Default
   * 6,000,000, so that every fallback has time for an attempt.
   */
  callTimeoutMs: integer({ min: 1, default: DEFAULT_CALL_TIMEOUT_MS }),
  /** Retries allowed per call, on average over all calls. Default 0.5. */
  retryRatio: number({ min: 0, max: 1_000_000, default: 0.5 }),
  /** Retries per second allowed in addition to `retryRatio`. Default 10. */
  retriesPerSecond: number({ min: 0, max: 1_000_000, default: 10 }),
  /**
   * How to charge an answer if its client disconnects or a timeout ends it. `estimate`: the prompt
   * and the model group's median output, or the part of a stream that arrived. `drain`: the answer
   * is read to its end, and the usage reported by the provider is charged. Default `estimate`.
   *
   * @see docs/budgets.md#abandoned-answers
   *
   */
  onAbort: oneOf(['estimate', 'drain'], { default: 'estimate' }),
  /** Longest time, in milliseconds, that `drain` keeps reading. Default 60,000. */
  abortDrainMs: integer({ min: 1, max: 3_600_000, default: 60_000 }),
  /**
   * Longest time, in milliseconds, that a stream waits for a client that has stopped reading. Then
   * its response is closed and the provider's connection released. 0: no limit. Default 20,000.
   */
  writeTimeoutMs: limit({ max: LONGEST_TIMER_MS, default: 20_000 }),
  /**
   * Calls of one API key that can be in flight in one process; further ones are denied with 429.
   * The master key has no limit. 0: no limit. Default 400, fewer than a provider's connections.
   */
  maxCallsPerKey: limit({ max: 1_000_000, default: 400 }),
  /** Largest accepted answer, or event of a stream, in bytes. Default 64 MiB. */
  maxAnswerBytes: integer({ min: 1, default: 64 * 1024 * 1024 }),
  /**
   * Whether requests can make their call fail or wait with LiteLLM's `mock_testing_fallbacks`,
   * `mock_timeout` and others, to test fallbacks; otherwise they are rejected. Default:
   * `dangerously_allow_mock_testing_request_params` in the `general_settings` of
   * `router.configPath`, else `false`.
   */
  mockTesting: boolean({ default: false }),
  /**
   * Whether to request the usage of a stream from the provider although the client does not receive
   * it. Default true.
   */
  streamUsage: boolean({ default: true }),
  /**
   * Whether parameters that a provider does not support are dropped instead of rejected. A
   * deployment's `drop_params` and the request's take precedence. Default: `drop_params` in the
   * `litellm_settings` of `router.configPath`, else `false`.
   *
   * @see docs/llm-client.md#parameters-that-a-provider-does-not-have
   *
   */
  dropParams: boolean({ default: false }),
  /**
   * Whether the usage at the end of a stream includes its `cost` in USD, if the client gets a
   * usage. Default: `include_cost_in_streaming_usage` in the `litellm_settings` of
   * `router.configPath`, else `false`.
   *
   * @see docs/llm-client.md#costs
   *
   */
  streamCost: boolean({ default: false }),
  /** Bounds on the lists in a body, such as `messages` and `tools`. */
  bounds: group<BodyBounds, typeof BODY_BOUNDS>(BODY_BOUNDS),
  /** Upper bounds for the values in a request's body. */
  callerLimits: group<CallerLimits, typeof CALLER_LIMITS>(CALLER_LIMITS),
  /**
   * Whether `llm_client_group_cost_usd_total` has a label for the team of the request's key.
   * Limited to 500 series; further ones count as `other`. Default false.
   */
  costByTeam: boolean({ default: false }),
  /**
   * Whether a call that its model group's budget cannot pay uses the group's fallbacks, and so
   * another model. Default false: the call is denied.
   *
   * @see docs/budgets.md#what-is-held
   *
   */
  budgetFallbacks: boolean({ default: false }),
  /**
   * Makes calls wait for a deployment. Default: they fail at once if no deployment can take them.
   *
   * @see docs/llm-client.md#waiting-for-a-deployment
   *
   */
  queue: optionalGroup<QueueOptions, typeof QUEUE>(QUEUE),
  /**
   * How `countTokensExact` calls providers.
   *
   * @see docs/token-counting.md#counts-of-the-provider
   *
   */
  exactCounts: group<ExactCountOptions, typeof EXACT_COUNTS>(EXACT_COUNTS),
};

/** Options of `LlmClient` beyond the router's settings. */
export interface LlmClientOptions extends OptionsOf<typeof LLM_CLIENT> {}
export type ResolvedLlmClientOptions = Resolved<typeof LLM_CLIENT>;

/**
 * @param ofFile those in the `litellm_settings` of a configuration file
 * @throws InvalidConfigurationError naming the option.
 */
export function resolveLlmClientOptions(options: LlmClientOptions = {}, ofFile: ClientConfig = {}): ResolvedLlmClientOptions {
  return resolveOptions(LLM_CLIENT, 'llmClient', options, { under: { ...ofFile } });
}

/** The maximum values in a request's body: `callerLimits`, else the router's settings. */
export function callerBounds(limits: CallerLimits, settings: Required<CallerLimits>): Required<CallerLimits> {
  return {
    numRetries: limits.numRetries ?? settings.numRetries,
    timeoutMs: limits.timeoutMs ?? settings.timeoutMs,
    maxFallbacks: limits.maxFallbacks ?? settings.maxFallbacks,
  };
}

import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  checkPositiveInteger,
  optional,
} from '../common/options.js';
import { LONGEST_TIMER_MS } from '../common/clock.js';
import { resolveBodyBounds, type BodyBounds, type ResolvedBodyBounds } from '../http/body/body-bounds.js';
import type { ClientConfig } from '../router/config/config-file.js';
import { resolveExactCountOptions, type ExactCountOptions, type ResolvedExactCountOptions } from './counting/exact-counts.options.js';
import { resolveQueueOptions, type QueueOptions, type ResolvedQueueOptions } from '../queue/queue.options.js';

/** Upper bounds of what a request's body may ask for. They do not apply to `CallOptions`. */
export interface CallerLimits {
  /** For `num_retries`. Default: the router's `numRetries`. */
  readonly numRetries?: number;
  /** For `timeout`, in milliseconds. Default: the router's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Targets in `fallbacks`; more are an error. Default: the router's `maxFallbacks`. */
  readonly maxFallbacks?: number;
}

/** LiteLLM's default time limit of a request. */
export const DEFAULT_CALL_TIMEOUT_MS = 6_000_000;

const ABORT_POLICIES = ['estimate', 'drain'] as const;

/** Options of `LlmClient` beyond the router's settings. */
export interface LlmClientOptions {
  /** Attempts of one call, over all retries and fallbacks. Default 10. */
  readonly maxAttempts?: number;
  /**
   * Time limit of one attempt (of a stream: to its first chunk) for deployments without `timeout`,
   * so that time remains for another deployment if a provider hangs. Default: the router's
   * `timeoutMs`, which is also its maximum.
   */
  readonly attemptTimeoutMs?: number;
  /**
   * Time limit of a whole call: the queue, retries, fallbacks, and streams to their end. Default
   * 6,000,000, so that every fallback has time for an attempt.
   */
  readonly callTimeoutMs?: number;
  /** Retries that all calls together may make, per call. Default 0.5. */
  readonly retryRatio?: number;
  /** Retries per second that are allowed in addition to `retryRatio`. Default 10. */
  readonly retriesPerSecond?: number;
  /**
   * Charge for an answer whose client has disconnected or whose time is over. `estimate`: the
   * prompt and the model group's median output, or the part of a stream that arrived. `drain`: the
   * usage that the provider reports once the answer is read to its end. Default `estimate`.
   */
  readonly onAbort?: (typeof ABORT_POLICIES)[number];
  /** Longest time, in milliseconds, that `drain` keeps reading. Default 60,000. */
  readonly abortDrainMs?: number;
  /**
   * Longest time, in milliseconds, that a stream waits for a client that has stopped reading. Then
   * its response is closed and the provider's connection released. 0: no limit. Default 20,000.
   */
  readonly writeTimeoutMs?: number;
  /**
   * Calls that an API key may have in flight in one process; further ones are denied with 429. The
   * master key has no limit. 0: no limit. Default 400, fewer than a provider's connections.
   */
  readonly maxCallsPerKey?: number;
  /** Largest accepted answer, or event of a stream, in bytes. Default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /**
   * Whether bodies may make their call fail or wait with LiteLLM's `mock_testing_fallbacks`,
   * `mock_timeout` and others, to test fallbacks; otherwise they are refused. Default:
   * `dangerously_allow_mock_testing_request_params` in the `general_settings` of
   * `router.configPath`, else false.
   */
  readonly mockTesting?: boolean;
  /** Whether to request a stream's usage that the client does not see. Default true. */
  readonly streamUsage?: boolean;
  /**
   * Whether parameters that a provider does not have are dropped instead of refused. A deployment's
   * `drop_params` and the request's come first. Default: `drop_params` in the `litellm_settings` of
   * `router.configPath`, else false.
   */
  readonly dropParams?: boolean;
  /**
   * Whether the usage at the end of a stream has its `cost` in USD, where the client gets a usage.
   * Default: `include_cost_in_streaming_usage` in the `litellm_settings` of `router.configPath`,
   * else false.
   */
  readonly streamCost?: boolean;
  /** Bounds of the lists in a body, such as `messages` and `tools`; each has a default. */
  readonly bounds?: BodyBounds;
  /** Upper bounds of what a request's body may ask for. */
  readonly callerLimits?: CallerLimits;
  /**
   * Whether `llm_client_group_cost_usd_total` has a label for the team of the request's key: of at
   * most 500 series, further ones count as `other`. Default false.
   */
  readonly costByTeam?: boolean;
  /**
   * Whether a call goes to the fallbacks of its model group, and so to another model, if a budget
   * cannot pay for the group. Default false: the call is denied.
   */
  readonly budgetFallbacks?: boolean;
  /** Lets calls wait for a deployment. Default: they fail at once where none can take them. */
  readonly queue?: QueueOptions;
  /** How `countTokensExact` asks providers; each field has a default. */
  readonly exactCounts?: ExactCountOptions;
}

export type ResolvedLlmClientOptions = Required<Omit<LlmClientOptions, 'bounds' | 'queue' | 'exactCounts'>> & {
  readonly bounds: ResolvedBodyBounds;
  readonly queue?: ResolvedQueueOptions;
  readonly exactCounts: ResolvedExactCountOptions;
};

const KEYS = [
  'maxAttempts',
  'attemptTimeoutMs',
  'callTimeoutMs',
  'retryRatio',
  'retriesPerSecond',
  'onAbort',
  'abortDrainMs',
  'writeTimeoutMs',
  'maxCallsPerKey',
  'maxAnswerBytes',
  'mockTesting',
  'streamUsage',
  'dropParams',
  'streamCost',
  'bounds',
  'callerLimits',
  'costByTeam',
  'budgetFallbacks',
  'queue',
  'exactCounts',
] as const satisfies readonly (keyof LlmClientOptions)[];

/**
 * @param ofFile those in the `litellm_settings` of a configuration file
 * @throws InvalidConfigurationError naming the option.
 */
export function resolveLlmClientOptions(options: LlmClientOptions = {}, ofFile: ClientConfig = {}): ResolvedLlmClientOptions {
  const given = checkObject('llmClient', options);
  checkKnownKeys('llmClient', given, KEYS);
  const number = (key: keyof LlmClientOptions, fallback: number): number =>
    optional(given[key], fallback, (value) => checkNumber(`llmClient.${key}`, value, { min: 0, max: 1_000_000 }));
  return {
    maxAttempts: optional(given.maxAttempts, 10, (value) => checkInteger('llmClient.maxAttempts', value, { min: 1, max: 100 })),
    attemptTimeoutMs: optional(given.attemptTimeoutMs, Infinity, (value) => checkPositiveInteger('llmClient.attemptTimeoutMs', value)),
    callTimeoutMs: optional(given.callTimeoutMs, DEFAULT_CALL_TIMEOUT_MS, (value) =>
      checkPositiveInteger('llmClient.callTimeoutMs', value),
    ),
    retryRatio: number('retryRatio', 0.5),
    retriesPerSecond: number('retriesPerSecond', 10),
    onAbort: optional(given.onAbort, 'estimate', (value) => checkOneOf('llmClient.onAbort', value, ABORT_POLICIES)),
    abortDrainMs: optional(given.abortDrainMs, 60_000, (value) =>
      checkInteger('llmClient.abortDrainMs', value, { min: 1, max: 3_600_000 }),
    ),
    writeTimeoutMs:
      optional(given.writeTimeoutMs, 20_000, (value) =>
        checkInteger('llmClient.writeTimeoutMs', value, { min: 0, max: LONGEST_TIMER_MS }),
      ) || Infinity,
    maxCallsPerKey:
      optional(given.maxCallsPerKey, 400, (value) => checkInteger('llmClient.maxCallsPerKey', value, { min: 0, max: 1_000_000 })) ||
      Infinity,
    maxAnswerBytes: optional(given.maxAnswerBytes, 64 * 1024 * 1024, (value) => checkPositiveInteger('llmClient.maxAnswerBytes', value)),
    mockTesting: optional(given.mockTesting, ofFile.mockTesting ?? false, (value) => checkBoolean('llmClient.mockTesting', value)),
    streamUsage: optional(given.streamUsage, true, (value) => checkBoolean('llmClient.streamUsage', value)),
    dropParams: optional(given.dropParams, ofFile.dropParams ?? false, (value) => checkBoolean('llmClient.dropParams', value)),
    streamCost: optional(given.streamCost, ofFile.streamCost ?? false, (value) => checkBoolean('llmClient.streamCost', value)),
    bounds: resolveBodyBounds('llmClient.bounds', given.bounds),
    callerLimits: optional(given.callerLimits, {}, checkCallerLimits),
    costByTeam: optional(given.costByTeam, false, (value) => checkBoolean('llmClient.costByTeam', value)),
    budgetFallbacks: optional(given.budgetFallbacks, false, (value) => checkBoolean('llmClient.budgetFallbacks', value)),
    queue: optional(given.queue, undefined, (value) => resolveQueueOptions('llmClient.queue', value)),
    exactCounts: resolveExactCountOptions('llmClient.exactCounts', given.exactCounts ?? undefined),
  };
}

/** The most that a request's body may ask for: `callerLimits`, else the router's settings. */
export function callerBounds(limits: CallerLimits, settings: Required<CallerLimits>): Required<CallerLimits> {
  return {
    numRetries: limits.numRetries ?? settings.numRetries,
    timeoutMs: limits.timeoutMs ?? settings.timeoutMs,
    maxFallbacks: limits.maxFallbacks ?? settings.maxFallbacks,
  };
}

function checkCallerLimits(value: unknown): CallerLimits {
  const path = 'llmClient.callerLimits';
  const limits = checkObject(path, value);
  checkKnownKeys(path, limits, ['numRetries', 'timeoutMs', 'maxFallbacks'] satisfies (keyof CallerLimits)[]);
  const count = (key: 'numRetries' | 'maxFallbacks', max: number): number | undefined =>
    optional(limits[key], undefined, (given) => checkInteger(`${path}.${key}`, given, { min: 0, max }));
  return {
    numRetries: count('numRetries', 10),
    timeoutMs: optional(limits.timeoutMs, undefined, (given) => checkPositiveInteger(`${path}.timeoutMs`, given)),
    maxFallbacks: count('maxFallbacks', 100),
  };
}

import { InvalidArgumentError } from '../common/errors.js';
import { checkKnownKeys, checkObject, refuseArgument } from '../common/options.js';
import { takeLimits, type InProcessLimit, type LimitedCall } from '../http/in-process-limits.js';
import type { LlmClient } from '../llm-client/llm-client.service.js';
import type { CallOptions } from '../llm-client/request.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { AiSdkCallError } from './call-error.js';

/** Where calls go: a `FastLiteLLM`, which Nest injects, or its parts. */
export interface ModelGroups {
  readonly client: LlmClient;
  readonly rateLimiter: RateLimiterService;
  readonly tokenCounter: TokenCounterService;
}

/** Settings of the provider that `createFastLiteLLM` makes. */
export interface FastLiteLLMProviderSettings {
  /**
   * Options of each call: the HTTP `request` whose reservation its tokens settle, tags, time
   * limits, fallbacks. A function is called for each call.
   */
  readonly callOptions?: CallOptions | (() => CallOptions);
  /**
   * Key, or key and limit, that each call is counted under; tokens are reserved and settled by its
   * usage. Not beside `callOptions.request`, whose guard counts. Default: no limit.
   */
  readonly rateLimit?: InProcessLimit | (() => InProcessLimit);
  /**
   * URLs that are passed to the provider, by media type. Default none: the AI SDK downloads them,
   * because not every provider of a group could.
   */
  readonly supportedUrls?: Record<string, RegExp[]>;
  /** Texts in one call of an embedding model. Default 2048, OpenAI's limit. */
  readonly maxEmbeddingsPerCall?: number;
}

const SETTINGS = [
  'callOptions',
  'rateLimit',
  'supportedUrls',
  'maxEmbeddingsPerCall',
] as const satisfies readonly (keyof FastLiteLLMProviderSettings)[];

/** A call that has begun. */
export interface BegunCall {
  readonly options: CallOptions;
  /** Releases and settles what the call took of limits. */
  readonly end: (failed: boolean) => void;
  /** The error as the AI SDK is to see it: the reason of an abort, else an `AiSdkCallError`. */
  readonly errorFor: (error: unknown) => unknown;
}

/** What the models of one provider share. */
export class ModelCalls {
  readonly client: LlmClient;

  /** @throws InvalidArgumentError for an unknown setting */
  constructor(
    private readonly groups: ModelGroups,
    readonly settings: FastLiteLLMProviderSettings,
  ) {
    checkKnownKeys('settings', checkObject('settings', settings, refuseArgument), SETTINGS, refuseArgument);
    this.client = groups.client;
  }

  /** @throws AiSdkCallError if a limit denies it */
  async begin(body: { readonly model: string }, signal: AbortSignal | undefined): Promise<BegunCall> {
    const { callOptions = {}, rateLimit } = this.settings;
    const given = typeof callOptions === 'function' ? callOptions() : callOptions;
    const limit = typeof rateLimit === 'function' ? rateLimit() : rateLimit;
    if (limit !== undefined && given.request !== undefined) {
      throw new InvalidArgumentError('settings.rateLimit', limit, 'cannot be set beside callOptions.request');
    }
    const errorFor = (error: unknown): unknown => {
      if (signal?.aborted === true) return signal.reason;
      return error instanceof Error ? new AiSdkCallError(body.model, error) : error;
    };
    let taken: LimitedCall | undefined;
    try {
      signal?.throwIfAborted();
      if (limit !== undefined) taken = await takeLimits(this.groups, body, limit);
    } catch (error) {
      throw errorFor(error);
    }
    const signals = [given.signal, signal].filter((each) => each !== undefined && each !== null);
    return {
      options: {
        ...given,
        ...(signals.length > 0 && { signal: signals.length === 1 ? signals[0] : AbortSignal.any(signals) }),
        ...(taken !== undefined && { request: taken.request }),
      },
      end: (failed) => taken?.end(failed),
      errorFor,
    };
  }
}

import { checkKnownKeys, checkObject, refuseArgument } from '../common/options.js';
import { beginCall, type InProcessCallSettings, type ModelGroups } from '../calls/in-process-calls.js';
import type { LlmClient } from '../calls/llm-client.service.js';
import type { CallOptions } from '../calls/call-options.js';
import { AiSdkCallError } from './call-error.js';

/** Settings of a provider created by `createFastLiteLLM`. */
export interface FastLiteLLMProviderSettings extends InProcessCallSettings {
  /**
   * URLs that are passed to the provider instead of being downloaded by the AI SDK, by media type.
   * Default none, because not every provider of a group can download.
   */
  readonly supportedUrls?: Record<string, RegExp[]>;
  /** Maximum number of texts in one call of an embedding model. Default 2048, OpenAI's limit. */
  readonly maxEmbeddingsPerCall?: number;
  /** Maximum number of images in one call of an image model. Default 10, OpenAI's limit. */
  readonly maxImagesPerCall?: number;
}

const SETTINGS = [
  'callOptions',
  'rateLimit',
  'supportedUrls',
  'maxEmbeddingsPerCall',
  'maxImagesPerCall',
] as const satisfies readonly (keyof FastLiteLLMProviderSettings)[];

/** A call of a model. */
export interface ModelCall {
  readonly options: CallOptions;
  /** Releases and settles the call's reservations. */
  readonly end: (failed: boolean) => void;
  /** The error as the AI SDK is to see it: the reason of an abort, else an `AiSdkCallError`. */
  readonly errorFor: (error: unknown) => unknown;
}

/** The state that the models of one provider share. */
export class ModelCalls {
  readonly client: LlmClient;

  /** @throws InvalidArgumentError for an unknown setting, or without an `llm` */
  constructor(
    private readonly groups: ModelGroups,
    readonly settings: FastLiteLLMProviderSettings,
  ) {
    checkKnownKeys('settings', checkObject('settings', settings, refuseArgument), SETTINGS, refuseArgument);
    const { client } = checkObject('llm', groups, refuseArgument) as unknown as ModelGroups;
    checkObject('llm.client', client, refuseArgument);
    this.client = client;
  }

  /**
   * Makes a call that ends with its answer.
   * @param body is counted for the limit
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async run<T>(
    body: { readonly model: string },
    signal: AbortSignal | undefined,
    answer: (client: LlmClient, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const call = await this.begin(body, signal);
    try {
      const result = await answer(this.client, call.options);
      call.end(false);
      return result;
    } catch (error) {
      call.end(true);
      throw call.errorFor(error);
    }
  }

  /** @throws AiSdkCallError if a limit denies it */
  async begin(body: { readonly model: string }, signal: AbortSignal | undefined): Promise<ModelCall> {
    const errorFor = (error: unknown): unknown => {
      if (signal?.aborted === true) return signal.reason;
      return error instanceof Error ? new AiSdkCallError(body.model, error) : error;
    };
    try {
      const { options, limits } = await beginCall(this.groups, this.settings, { body }, signal);
      return { options, end: (failed) => limits?.end(failed), errorFor };
    } catch (error) {
      throw errorFor(error);
    }
  }
}

import { factHeaders } from '../calls/answer/answer-headers.js';
import { metadataOf } from './answer-parts.js';
import type { ModelCalls } from './model-calls.js';
import { ownOptions } from './own-options.js';
import type { EmbeddingCallOptions, EmbeddingResult } from './specification.js';

/** OpenAI's limit. */
const MOST_TEXTS = 2048;

/** A model group as an embedding model of the AI SDK 6 and 7. */
export class FastLiteLLMEmbeddingModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls = true;

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {
    this.maxEmbeddingsPerCall = calls.settings.maxEmbeddingsPerCall ?? MOST_TEXTS;
  }

  /**
   * Returns the embeddings of texts.
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async doEmbed(options: EmbeddingCallOptions): Promise<EmbeddingResult> {
    const { values: input, dimensions, abortSignal } = options;
    const body = { ...ownOptions(options), ...(dimensions !== undefined && { dimensions }), model: this.modelId, input };
    return this.calls.run(body, abortSignal, async (client, callOptions) => {
      const answer = await client.embeddings(body, callOptions);
      const list = answer.json();
      const data = [...list.data].sort((one, other) => one.index - other.index);
      return {
        embeddings: data.map(({ embedding }) => embedding),
        ...(answer.usage !== undefined && { usage: { tokens: answer.usage.promptTokens } }),
        providerMetadata: metadataOf(answer.call),
        response: { headers: factHeaders(answer.call, true), body: list },
        warnings: [],
      };
    });
  }
}

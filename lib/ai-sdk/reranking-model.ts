import { mediaResponseOf, metadataOf } from './answer-parts.js';
import type { ModelCalls } from './model-calls.js';
import { ownOptions } from './own-options.js';
import type { RerankingCallOptions, RerankingResult } from './specification.js';

/** A model group as a reranking model of the AI SDK 6 and 7. */
export class FastLiteLLMRerankingModel {
  readonly specificationVersion = 'v3';
  readonly provider = 'fast-litellm';

  /** @internal Made by `createFastLiteLLM`. */
  constructor(
    /** The model group. */
    readonly modelId: string,
    private readonly calls: ModelCalls,
  ) {}

  /**
   * Ranks documents by relevance. Objects are sent as JSON strings, because few providers accept
   * objects.
   * @throws AiSdkCallError; the signal's reason if it is aborted
   */
  async doRerank(options: RerankingCallOptions): Promise<RerankingResult> {
    const { documents: given, query, topN, abortSignal } = options;
    const documents = given.type === 'text' ? given.values : given.values.map((value) => JSON.stringify(value));
    const body = { ...ownOptions(options), ...(topN !== undefined && { top_n: topN }), model: this.modelId, query, documents };
    return this.calls.run(body, abortSignal, async (client, callOptions) => {
      const answer = await client.rerank(body, callOptions);
      const list = answer.json();
      return {
        ranking: list.results.map(({ index, relevance_score: relevanceScore }) => ({ index, relevanceScore })),
        warnings: [],
        response: { ...mediaResponseOf(this.modelId, answer.call), body: list },
        providerMetadata: metadataOf(answer.call),
      };
    });
  }
}

import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings';
import { checkInteger, refuseArgument } from '../common/options.js';
import { ProviderError } from '../common/provider-error.js';
import type { CallOptions } from '../calls/call-options.js';
import { checkSource, type LlmSource, throwOn } from './chat-body.js';

/**
 * Fields of `FastLiteLLMEmbeddings`. LangChain's `maxRetries` sets the retries across deployments.
 */
export interface FastLiteLLMEmbeddingsFields extends EmbeddingsParams {
  /** The app's `FastLiteLLM`, or its `client` and `tokenCounter`. */
  readonly llm: LlmSource;
  /** A model group. */
  readonly model: string;
  /** Number of dimensions. Default: the model's. */
  readonly dimensions?: number;
  /**
   * Maximum number of texts in one request. Default 512; providers accept up to 2048, some fewer.
   */
  readonly batchSize?: number;
  /**
   * Time limit of a request with its retries and fallbacks, in milliseconds. Default:
   * `llmClient.callTimeoutMs`.
   */
  readonly timeout?: number;
  /** Options of every call: the HTTP request whose reservation it settles, fallbacks, routing. */
  readonly callOptions?: CallOptions;
}

const DEFAULT_BATCH_SIZE = 512;

/**
 * Embeddings of LangChain that call a model group. `embedDocuments` sends its requests
 * concurrently, at most `maxConcurrency` at a time.
 *
 * @example
 * const embeddings = new FastLiteLLMEmbeddings({ llm, model: 'text-embedding-3-small' });
 * const [vector] = await embeddings.embedDocuments(['Hello']);
 */
export class FastLiteLLMEmbeddings extends Embeddings {
  readonly model: string;
  private readonly fields: FastLiteLLMEmbeddingsFields;
  private readonly batchSize: number;

  /** @throws InvalidArgumentError naming an invalid field. */
  constructor(fields: FastLiteLLMEmbeddingsFields) {
    checkSource(fields);
    super({ ...fields, maxRetries: 0, onFailedAttempt: throwOn });
    this.fields = fields;
    this.model = fields.model;
    this.batchSize = checkInteger('batchSize', fields.batchSize ?? DEFAULT_BATCH_SIZE, { min: 1 }, refuseArgument);
  }

  /** Returns the embeddings of texts, in the same order. */
  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const batches: string[][] = [];
    for (let at = 0; at < documents.length; at += this.batchSize) batches.push(documents.slice(at, at + this.batchSize));
    return (await Promise.all(batches.map((batch) => this.embed(batch)))).flat();
  }

  /** Returns the embedding of a text. */
  override async embedQuery(document: string): Promise<number[]> {
    const [vector] = await this.embed([document]);
    return vector;
  }

  private async embed(input: string[]): Promise<number[][]> {
    const { llm, model, dimensions, timeout, maxRetries, callOptions } = this.fields;
    const body = { model, input, ...(dimensions !== undefined && { dimensions }) };
    const answer = await this.caller.call(() =>
      llm.client.embeddings(body, { timeoutMs: timeout, numRetries: maxRetries, ...callOptions }),
    );
    const { data } = answer.json();
    if (!Array.isArray(data) || data.length !== input.length) {
      const { provider, deploymentId } = answer.call;
      throw new ProviderError({
        kind: 'malformed',
        message: `the response must have one vector for each of the ${input.length} texts`,
        provider,
        deploymentId,
      });
    }
    return [...data].sort((a, b) => a.index - b.index).map(({ embedding }) => embedding);
  }
}

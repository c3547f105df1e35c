import { InvalidArgumentError } from '../common/errors.js';
import { checkString, refuseArgument } from '../common/options.js';
import type { ModelGroups } from '../calls/in-process-calls.js';
import { FastLiteLLMEmbeddingModel } from './embedding-model.js';
import { FastLiteLLMLanguageModel } from './language-model.js';
import { ModelCalls, type FastLiteLLMProviderSettings } from './model-calls.js';

/** Model groups as models of the AI SDK. */
export interface FastLiteLLMProvider {
  /** The language model of a model group. */
  (modelGroup: string): FastLiteLLMLanguageModel;
  readonly specificationVersion: 'v3';
  /** The language model of a model group. */
  languageModel(modelGroup: string): FastLiteLLMLanguageModel;
  /** The embedding model of a model group. */
  embeddingModel(modelGroup: string): FastLiteLLMEmbeddingModel;
  /** The same under its older name. */
  textEmbeddingModel(modelGroup: string): FastLiteLLMEmbeddingModel;
  /**
   * Throws, because images are not supported.
   * @throws InvalidArgumentError
   */
  imageModel(modelGroup: string): never;
}

/**
 * Makes a provider of the AI SDK 6 and 7 whose models are the model groups of `llm`: with its
 * routing, retries, fallbacks, limits and connection pool, in this process.
 *
 * @throws InvalidArgumentError for an unknown setting
 * @example
 * const models = createFastLiteLLM(llm);
 * const { text } = await generateText({ model: models('gpt-4o'), prompt: 'Why is the sky blue?' });
 */
export function createFastLiteLLM(llm: ModelGroups, settings: FastLiteLLMProviderSettings = {}): FastLiteLLMProvider {
  const calls = new ModelCalls(llm, settings);
  const named = (group: string): string => checkString('modelGroup', group, refuseArgument);
  const languageModel = (group: string): FastLiteLLMLanguageModel => new FastLiteLLMLanguageModel(named(group), calls);
  const embeddingModel = (group: string): FastLiteLLMEmbeddingModel => new FastLiteLLMEmbeddingModel(named(group), calls);
  const imageModel = (group: string): never => {
    throw new InvalidArgumentError(
      'modelGroup',
      group,
      'must not be an image model, which the AI SDK provider does not support (use client.images instead)',
    );
  };
  return Object.assign((group: string) => languageModel(group), {
    specificationVersion: 'v3' as const,
    languageModel,
    embeddingModel,
    textEmbeddingModel: embeddingModel,
    imageModel,
  });
}

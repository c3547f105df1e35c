import { checkString, refuseArgument } from '../common/options.js';
import type { ModelGroups } from '../calls/in-process-calls.js';
import { FastLiteLLMEmbeddingModel } from './embedding-model.js';
import { FastLiteLLMImageModel } from './image-model.js';
import { FastLiteLLMLanguageModel } from './language-model.js';
import { ModelCalls, type FastLiteLLMProviderSettings } from './model-calls.js';
import { FastLiteLLMRerankingModel } from './reranking-model.js';
import { FastLiteLLMSpeechModel } from './speech-model.js';
import { FastLiteLLMTranscriptionModel } from './transcription-model.js';

/** Model groups as models of the AI SDK. */
export interface FastLiteLLMProvider {
  /** The language model of a model group. */
  (modelGroup: string): FastLiteLLMLanguageModel;
  readonly specificationVersion: 'v3';
  /** The language model of a model group. */
  languageModel(modelGroup: string): FastLiteLLMLanguageModel;
  /** The embedding model of a model group. */
  embeddingModel(modelGroup: string): FastLiteLLMEmbeddingModel;
  /** Alias of `embeddingModel`, its older name. */
  textEmbeddingModel(modelGroup: string): FastLiteLLMEmbeddingModel;
  /** The image model of a model group. */
  imageModel(modelGroup: string): FastLiteLLMImageModel;
  /** The speech model of a model group. */
  speechModel(modelGroup: string): FastLiteLLMSpeechModel;
  /** The transcription model of a model group. */
  transcriptionModel(modelGroup: string): FastLiteLLMTranscriptionModel;
  /** The reranking model of a model group. */
  rerankingModel(modelGroup: string): FastLiteLLMRerankingModel;
}

/**
 * Creates an in-process provider for the AI SDK 6 and 7 whose models are the model groups of `llm`,
 * with its routing, retries, fallbacks, limits and connection pool.
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
  return Object.assign((group: string) => languageModel(group), {
    specificationVersion: 'v3' as const,
    languageModel,
    embeddingModel,
    textEmbeddingModel: embeddingModel,
    imageModel: (group: string) => new FastLiteLLMImageModel(named(group), calls),
    speechModel: (group: string) => new FastLiteLLMSpeechModel(named(group), calls),
    transcriptionModel: (group: string) => new FastLiteLLMTranscriptionModel(named(group), calls),
    rerankingModel: (group: string) => new FastLiteLLMRerankingModel(named(group), calls),
  });
}

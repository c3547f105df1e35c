// `import { createFastLiteLLM } from 'nestjs-fast-litellm/ai-sdk'`: model groups as models of
// Vercel's AI SDK.
export { AiSdkCallError } from './ai-sdk/call-error.js';
export { FastLiteLLMEmbeddingModel } from './ai-sdk/embedding-model.js';
export { FastLiteLLMImageModel } from './ai-sdk/image-model.js';
export { FastLiteLLMLanguageModel } from './ai-sdk/language-model.js';
export type { FastLiteLLMProviderSettings } from './ai-sdk/model-calls.js';
export { FastLiteLLMRerankingModel } from './ai-sdk/reranking-model.js';
export { FastLiteLLMSpeechModel } from './ai-sdk/speech-model.js';
export { FastLiteLLMTranscriptionModel } from './ai-sdk/transcription-model.js';
export { fromAiSdk, type AiSdkDeploymentParams } from './ai-sdk/deployments/from-ai-sdk.js';
export type { AiSdkEmbeddingModel, AiSdkLanguageModel, AiSdkModel } from './ai-sdk/deployments/sdk-models.js';
export { createFastLiteLLM, type FastLiteLLMProvider } from './ai-sdk/provider.js';
export type { InProcessLimit } from './http/in-process-limits.js';
export type { InProcessCallSettings, ModelGroups } from './calls/in-process-calls.js';

export { ChatFastLiteLLM, type ChatFastLiteLLMCallOptions, type ChatFastLiteLLMFields } from './langchain/chat-model.js';
export { FastLiteLLMEmbeddings, type FastLiteLLMEmbeddingsFields } from './langchain/embeddings.js';
export type { LlmSource } from './langchain/chat-body.js';

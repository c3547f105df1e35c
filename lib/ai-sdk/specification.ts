/**
 * The interfaces that the AI SDK expects of models (`LanguageModelV3`, `EmbeddingModelV3` and the
 * others of `@ai-sdk/provider`), written here so that the package does not have to be installed.
 * AI SDK 7 takes such models too; fields that newer versions pass are read as well.
 */
export type JsonValue = null | string | number | boolean | JsonObject | JsonValue[];
export type JsonObject = { [key: string]: JsonValue | undefined };
/** By the name of a provider. */
export type ProviderFields = Record<string, JsonObject>;

/** Provider-specific options of a prompt, message, part or tool. */
export interface WithProviderOptions {
  readonly providerOptions?: Readonly<Record<string, unknown>>;
}

/** A part of a message, of any kind and of the versions 3 and 4. */
export interface PromptPart extends WithProviderOptions {
  readonly type: string;
  readonly text?: string;
  readonly data?: unknown;
  readonly mediaType?: string;
  readonly filename?: string;
  readonly originalUrl?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: unknown;
  readonly providerExecuted?: boolean;
  readonly output?: ToolOutput;
}

/** The result of a tool. */
export interface ToolOutput {
  readonly type: string;
  readonly value?: unknown;
  readonly reason?: string;
}

export interface PromptMessage extends WithProviderOptions {
  readonly role: string;
  readonly content: string | readonly PromptPart[];
}

export interface ModelTool extends WithProviderOptions {
  readonly type: string;
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: object;
  readonly strict?: boolean;
  readonly id?: string;
}

/** The request of one step. */
export interface ModelCallOptions extends WithProviderOptions {
  readonly prompt: readonly PromptMessage[];
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly stopSequences?: readonly string[];
  readonly topP?: number;
  readonly topK?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly responseFormat?: {
    readonly type: string;
    readonly schema?: object;
    readonly name?: string;
    readonly description?: string;
  };
  readonly seed?: number;
  readonly tools?: readonly ModelTool[];
  readonly toolChoice?: { readonly type: string; readonly toolName?: string };
  /** From AI SDK 7 on. */
  readonly reasoning?: string;
  readonly includeRawChunks?: boolean;
  readonly abortSignal?: AbortSignal;
}

export type ModelWarning = { type: 'unsupported'; feature: string; details?: string } | { type: 'other'; message: string };

export interface ModelFinishReason {
  unified: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other';
  raw: string | undefined;
}

export interface ModelUsage {
  inputTokens: Record<'total' | 'noCache' | 'cacheRead' | 'cacheWrite', number | undefined>;
  outputTokens: Record<'total' | 'text' | 'reasoning', number | undefined>;
  raw?: JsonObject;
}

export type ModelToolCall = { type: 'tool-call'; toolCallId: string; toolName: string; input: string };
export type ModelFile = { type: 'file'; mediaType: string; data: string };
export type ModelSource = { type: 'source'; sourceType: 'url'; id: string; url: string; title?: string };
export type ModelContent =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string; providerMetadata?: ProviderFields }
  | ModelFile
  | ModelSource
  | ModelToolCall;

export interface ModelResponse {
  id?: string;
  timestamp?: Date;
  modelId?: string;
}

/** The result of `doGenerate`. */
export interface GenerateResult {
  content: ModelContent[];
  finishReason: ModelFinishReason;
  usage: ModelUsage;
  providerMetadata: ProviderFields;
  request: { body: unknown };
  response: ModelResponse & { headers: Record<string, string>; body: unknown };
  warnings: ModelWarning[];
}

/** A part of the stream of `doStream`. */
export type StreamPart =
  | { type: 'stream-start'; warnings: ModelWarning[] }
  | ({ type: 'response-metadata' } & ModelResponse)
  | { type: 'text-start' | 'text-end'; id: string }
  | { type: 'text-delta'; id: string; delta: string }
  | { type: 'reasoning-start' | 'reasoning-end'; id: string; providerMetadata?: ProviderFields }
  | { type: 'reasoning-delta'; id: string; delta: string; providerMetadata?: ProviderFields }
  | { type: 'tool-input-start'; id: string; toolName: string }
  | { type: 'tool-input-delta'; id: string; delta: string }
  | { type: 'tool-input-end'; id: string }
  | ModelFile
  | ModelSource
  | ModelToolCall
  | { type: 'raw'; rawValue: unknown }
  | { type: 'error'; error: unknown }
  | { type: 'finish'; usage: ModelUsage; finishReason: ModelFinishReason; providerMetadata: ProviderFields };

/** The result of `doStream`. */
export interface StreamResult {
  stream: ReadableStream<StreamPart>;
  request: { body: unknown };
  response: { headers: Record<string, string> };
}

/** The request of `embed` and `embedMany`. */
export interface EmbeddingCallOptions extends WithProviderOptions {
  readonly values: readonly string[];
  readonly abortSignal?: AbortSignal;
  /** From AI SDK 7 on. */
  readonly dimensions?: number;
}

/** The result of `doEmbed`. */
export interface EmbeddingResult {
  embeddings: number[][];
  usage?: { tokens: number };
  providerMetadata: ProviderFields;
  response: { headers: Record<string, string>; body: unknown };
  warnings: ModelWarning[];
}

/** An image of the caller. */
export type ImageFile =
  | { readonly type: 'file'; readonly mediaType: string; readonly data: string | Uint8Array }
  | { readonly type: 'url'; readonly url: string };

/** The request of `generateImage`. */
export interface ImageCallOptions extends WithProviderOptions {
  readonly prompt: string | undefined;
  readonly n: number;
  readonly size: string | undefined;
  readonly aspectRatio: string | undefined;
  readonly seed: number | undefined;
  /** Images to edit. */
  readonly files: readonly ImageFile[] | undefined;
  readonly mask: ImageFile | undefined;
  readonly abortSignal?: AbortSignal;
}

/** When and by which model group an answer was given, with the gateway's headers. */
export interface MediaResponse {
  timestamp: Date;
  modelId: string;
  headers: Record<string, string>;
}

/** The result of an image model's `doGenerate`. */
export interface ImageResult {
  /** In base64. */
  images: string[];
  warnings: ModelWarning[];
  providerMetadata: Record<string, JsonObject & { images: JsonValue[] }>;
  response: MediaResponse;
  usage?: { inputTokens: number; outputTokens: number; totalTokens: number };
}

/** The request of `generateSpeech`. */
export interface SpeechCallOptions extends WithProviderOptions {
  readonly text: string;
  readonly voice?: string;
  readonly outputFormat?: string;
  readonly instructions?: string;
  readonly speed?: number;
  readonly language?: string;
  readonly abortSignal?: AbortSignal;
}

/** The result of a speech model's `doGenerate`. */
export interface SpeechResult {
  audio: Uint8Array;
  warnings: ModelWarning[];
  request: { body: unknown };
  response: MediaResponse;
  providerMetadata: ProviderFields;
}

/** The request of `transcribe`. */
export interface TranscriptionCallOptions extends WithProviderOptions {
  /** Bytes or base64. */
  readonly audio: Uint8Array | string;
  readonly mediaType: string;
  readonly abortSignal?: AbortSignal;
}

/** The result of a transcription model's `doGenerate`. */
export interface TranscriptionResult {
  text: string;
  segments: { text: string; startSecond: number; endSecond: number }[];
  language: string | undefined;
  durationInSeconds: number | undefined;
  warnings: ModelWarning[];
  response: MediaResponse & { body: unknown };
  providerMetadata: ProviderFields;
}

/** The request of `rerank`. */
export interface RerankingCallOptions extends WithProviderOptions {
  readonly documents: { readonly type: 'text'; readonly values: string[] } | { readonly type: 'object'; readonly values: JsonObject[] };
  readonly query: string;
  readonly topN?: number;
  readonly abortSignal?: AbortSignal;
}

/** The result of `doRerank`. */
export interface RerankingResult {
  ranking: { index: number; relevanceScore: number }[];
  warnings: ModelWarning[];
  response: MediaResponse & { body: unknown };
  providerMetadata: ProviderFields;
}

/**
 * An answer of OpenAI's chat, as declared by the `openai` SDK, with LiteLLM's fields for thinking
 * and caches. A type alias, because unlike an interface it is also a `Record<string, unknown>`.
 */
export type ChatCompletion = {
  id: string;
  object: 'chat.completion';
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: ChatCompletionChoice[];
  usage?: CompletionUsage;
  service_tier?: ServiceTier | null;
  system_fingerprint?: string;
};

/** One of the answers to a chat request. */
export interface ChatCompletionChoice {
  index: number;
  message: ChatCompletionMessage;
  finish_reason: ChatFinishReason;
  logprobs: ChatLogprobs | null;
}

/** Why a model ended its answer. */
export type ChatFinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/** The speed that was paid for. */
export type ServiceTier = 'auto' | 'default' | 'flex' | 'scale' | 'priority';

/** The model's message. */
export interface ChatCompletionMessage extends ReasoningFields {
  role: 'assistant';
  content: string | null;
  refusal: string | null;
  tool_calls?: ChatCompletionToolCall[];
  annotations?: UrlAnnotation[];
  audio?: { id: string; data: string; expires_at: number; transcript: string } | null;
  function_call?: { name: string; arguments: string };
}

/** LiteLLM's additions to messages and deltas. */
export interface ReasoningFields {
  /** The text of the model's thinking. */
  reasoning_content?: string | null;
  /** Anthropic's blocks, signed: send them back unchanged. */
  thinking_blocks?: ThinkingContent[] | null;
  /** Fields of a provider's answer that OpenAI does not have. */
  provider_specific_fields?: Record<string, unknown> | null;
}

/** A block of thinking, or an encrypted one that only its provider can read. */
export type ThinkingContent =
  { type: 'thinking'; thinking?: string; signature?: string | null } | { type: 'redacted_thinking'; data: string };

/** A tool call; `arguments` is JSON as text, and can be invalid. */
export type ChatCompletionToolCall =
  | { id: string; type: 'function'; function: { name: string; arguments: string } }
  | { id: string; type: 'custom'; custom: { name: string; input: string } };

/** A page that the answer cites. */
export interface UrlAnnotation {
  type: 'url_citation';
  url_citation: { start_index: number; end_index: number; title: string; url: string };
}

/** The probabilities of an answer's tokens. */
export interface ChatLogprobs {
  content: TokenLogprob[] | null;
  refusal: TokenLogprob[] | null;
}

/** A token's probability, and those of the most likely ones in its place. */
export interface TokenLogprob {
  token: string;
  bytes: number[] | null;
  logprob: number;
  top_logprobs: { token: string; bytes: number[] | null; logprob: number }[];
}

/** The tokens of a request. The figures in `…_details` are part of the totals. */
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number; audio_tokens?: number; cache_creation_tokens?: number };
  completion_tokens_details?: {
    reasoning_tokens?: number;
    audio_tokens?: number;
    accepted_prediction_tokens?: number;
    rejected_prediction_tokens?: number;
  };
  /** Under Anthropic's names, as LiteLLM keeps them. */
  cache_creation_input_tokens?: number;
  cache_read_input_tokens?: number;
}

/** A part of a streamed chat completion. */
export type ChatCompletionChunk = {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  /** Empty in the chunk with the usage. */
  choices: ChatChunkChoice[];
  usage?: CompletionUsage | null;
  service_tier?: ServiceTier | null;
  system_fingerprint?: string;
};

/** A part of one of the answers. */
export interface ChatChunkChoice {
  index: number;
  delta: ChatDelta;
  /** Set in the last chunk of the answer. */
  finish_reason: ChatFinishReason | null;
  logprobs?: ChatLogprobs | null;
}

/** The part of the message that a chunk adds. */
export interface ChatDelta extends ReasoningFields {
  role?: 'developer' | 'system' | 'user' | 'assistant' | 'tool';
  content?: string | null;
  refusal?: string | null;
  tool_calls?: { index: number; id?: string; type?: 'function'; function?: { name?: string; arguments?: string } }[];
  function_call?: { name?: string; arguments?: string };
}

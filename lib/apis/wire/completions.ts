import type { CompletionUsage } from './chat.js';

/** An answer of OpenAI's older completions API; the chunks of a stream have the same shape. */
export type TextCompletion = {
  id: string;
  object: 'text_completion';
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: TextCompletionChoice[];
  usage?: CompletionUsage;
  system_fingerprint?: string;
};

/** One of the texts. */
export interface TextCompletionChoice {
  index: number;
  text: string;
  finish_reason: 'stop' | 'length' | 'content_filter';
  logprobs: {
    text_offset?: number[];
    token_logprobs?: number[];
    tokens?: string[];
    top_logprobs?: { [token: string]: number }[];
  } | null;
}

/** An answer of OpenAI's embeddings API. */
export type EmbeddingList = {
  object: 'list';
  model: string;
  /** With `encoding_format: 'base64'` each `embedding` is a string instead: cast it. */
  data: { object: 'embedding'; index: number; embedding: number[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
};

/**
 * Fields beyond the declared ones: a provider's own, and LiteLLM's (`num_retries`, `fallbacks`, …).
 * `any`, because an interface, such as an SDK's, is assignable to no other index signature.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type OtherField = any;

/** Known values for the editor, and any other, because providers add values before packages do. */
type Known<Text extends string> = Text | (string & {});

/** A part of a message's content: text, an image, a document or audio. */
export interface ChatRequestPart {
  readonly type: Known<'text' | 'image_url' | 'file' | 'input_audio' | 'refusal'>;
  readonly text?: string;
  readonly image_url?: string | { readonly url: string; readonly detail?: string; readonly [field: string]: OtherField };
  readonly [field: string]: OtherField;
}

/** A message of a chat request. */
export interface ChatRequestMessage {
  readonly role: Known<'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'>;
  readonly content?: string | readonly ChatRequestPart[] | null;
  /** For the role `tool`: the id of the call that it answers. */
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly object[] | null;
  readonly [field: string]: OtherField;
}

/**
 * The body of `chat`: `ChatCompletionCreateParams` of the `openai` SDK is assignable, and so is a
 * `ModelRequest`.
 */
export interface ChatRequest {
  readonly model: string;
  /** Required; optional here for bodies whose fields are unknown at compile time. */
  readonly messages?: readonly ChatRequestMessage[];
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean; readonly [field: string]: OtherField } | null;
  readonly max_completion_tokens?: number | null;
  readonly max_tokens?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly tools?: readonly object[] | null;
  readonly tool_choice?: Known<'none' | 'auto' | 'required'> | object | null;
  readonly parallel_tool_calls?: boolean | null;
  readonly response_format?: object | null;
  readonly reasoning_effort?: Known<'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh'> | null;
  readonly [field: string]: OtherField;
}

/** The body of `completions`: `CompletionCreateParams` of the `openai` SDK is assignable. */
export interface CompletionRequest {
  readonly model: string;
  /** Required, like `messages` of a chat. */
  readonly prompt?: string | readonly string[] | readonly number[] | readonly (readonly number[])[] | null;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean; readonly [field: string]: OtherField } | null;
  readonly max_tokens?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly [field: string]: OtherField;
}

/** The body of `embeddings`: `EmbeddingCreateParams` of the `openai` SDK is assignable. */
export interface EmbeddingRequest {
  readonly model: string;
  /** Required, like `messages` of a chat. */
  readonly input?: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly dimensions?: number | null;
  readonly encoding_format?: Known<'float' | 'base64'> | null;
  readonly [field: string]: OtherField;
}

/** The body of `responses`: `ResponseCreateParams` of the `openai` SDK is assignable. */
export interface ResponsesRequest {
  /** Required here, although not in the SDK: it names the model group. */
  readonly model?: string;
  readonly input?: string | readonly object[];
  readonly instructions?: string | null;
  readonly stream?: boolean | null;
  readonly max_output_tokens?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly tools?: readonly object[] | null;
  readonly tool_choice?: Known<'none' | 'auto' | 'required'> | object | null;
  readonly text?: object | null;
  readonly reasoning?: object | null;
  readonly [field: string]: OtherField;
}

/** The body of `messages`: `MessageCreateParams` of `@anthropic-ai/sdk` is assignable. */
export interface MessagesRequest {
  readonly model: string;
  /** Required by Anthropic, like `messages`. */
  readonly max_tokens?: number;
  readonly messages?: readonly { readonly role: Known<'user' | 'assistant' | 'system'>; readonly content: string | readonly object[] }[];
  readonly system?: string | readonly object[];
  readonly stream?: boolean | null;
  readonly stop_sequences?: readonly string[];
  readonly temperature?: number;
  readonly thinking?: object;
  readonly tools?: readonly object[];
  readonly tool_choice?: object;
  readonly [field: string]: OtherField;
}

/**
 * The fields of OpenAI's chat that are translated. Bodies come from clients, so every field is
 * `unknown` until checked.
 */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function';
  readonly content?: string | readonly ChatPart[] | null;
  readonly name?: string;
  readonly tool_calls?: readonly ChatToolCall[] | null;
  readonly tool_call_id?: string;
  /** DeepSeek's name for the text of the model's thinking. */
  readonly reasoning_content?: string | null;
  /** LiteLLM's: Anthropic's blocks, signed, as they came. */
  readonly thinking_blocks?: readonly ThinkingBlock[] | null;
  readonly cache_control?: object;
  readonly provider_specific_fields?: Readonly<Record<string, unknown>> | null;
}

export interface ChatPart {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: string | { readonly url: string; readonly detail?: string; readonly format?: string };
  readonly file?: { readonly file_data?: string; readonly file_id?: string; readonly filename?: string; readonly format?: string };
  readonly input_audio?: { readonly data: string; readonly format: string };
  readonly cache_control?: object;
  readonly [key: string]: unknown;
}

export interface ChatToolCall {
  readonly id?: string;
  readonly type?: string;
  readonly index?: number;
  readonly function: { readonly name: string; readonly arguments?: string };
  readonly provider_specific_fields?: Readonly<Record<string, unknown>> | null;
}

export interface ThinkingBlock {
  readonly type: 'thinking' | 'redacted_thinking';
  readonly thinking?: string;
  readonly signature?: string;
  readonly data?: string;
}

export interface ChatTool {
  readonly type?: string;
  readonly function?: { readonly name: string; readonly description?: string; readonly parameters?: object; readonly strict?: boolean };
  readonly cache_control?: object;
  readonly [key: string]: unknown;
}

export type ChatToolChoice = 'auto' | 'none' | 'required' | { readonly type: 'function'; readonly function: { readonly name: string } };

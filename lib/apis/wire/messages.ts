/**
 * An answer of Anthropic's Messages API, as declared by `@anthropic-ai/sdk`. Server tools return
 * more kinds of blocks: read such an answer with `json<Anthropic.Message>()`.
 */
export type Message = {
  id: string;
  type: 'message';
  role: 'assistant';
  model: string;
  content: MessageBlock[];
  stop_reason: MessageStopReason | null;
  stop_sequence: string | null;
  stop_details: MessageStopDetails | null;
  usage: MessageUsage;
  container: null;
  diagnostics: null;
};

/** Why a model refused. */
export interface MessageStopDetails {
  type: 'refusal';
  category: 'cyber' | 'bio' | null;
  explanation: string | null;
}

/** Why a model ended its message. */
export type MessageStopReason =
  'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'pause_turn' | 'refusal' | 'model_context_window_exceeded';

/** A block of a message. */
export type MessageBlock =
  | { type: 'text'; text: string; citations: MessageCitation[] | null }
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string }
  | { type: 'tool_use'; id: string; name: string; input: unknown; caller: { type: 'direct' } };

/** A passage of a document in the request. */
export type MessageCitation = { cited_text: string; document_index: number; document_title: string | null; file_id: string | null } & (
  | { type: 'char_location'; start_char_index: number; end_char_index: number }
  | { type: 'page_location'; start_page_number: number; end_page_number: number }
  | { type: 'content_block_location'; start_block_index: number; end_block_index: number }
);

/** The tokens of a message; cached tokens are not part of `input_tokens`. */
export interface MessageUsage {
  input_tokens: number;
  output_tokens: number;
  cache_creation: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number } | null;
  cache_creation_input_tokens: number | null;
  cache_read_input_tokens: number | null;
  output_tokens_details: { thinking_tokens: number } | null;
  inference_geo: string | null;
  server_tool_use: { web_fetch_requests: number; web_search_requests: number } | null;
  service_tier: 'standard' | 'priority' | 'batch' | null;
  speed: 'standard' | 'fast' | null;
}

/** An event of a streamed message. */
export type MessageEvent =
  | { type: 'message_start'; message: Message }
  | { type: 'content_block_start'; index: number; content_block: MessageBlock }
  | { type: 'content_block_delta'; index: number; delta: MessageBlockDelta }
  | { type: 'content_block_stop'; index: number }
  | {
      type: 'message_delta';
      delta: {
        stop_reason: MessageStopReason | null;
        stop_sequence: string | null;
        stop_details: MessageStopDetails | null;
        container: null;
      };
      /** Of the message so far. */
      usage: Pick<MessageUsage, 'cache_creation_input_tokens' | 'cache_read_input_tokens' | 'output_tokens' | 'output_tokens_details'> & {
        input_tokens: number | null;
        server_tool_use: MessageUsage['server_tool_use'];
      };
    }
  | { type: 'message_stop' };

/** Change that an event makes to its block. */
export type MessageBlockDelta =
  | { type: 'text_delta'; text: string }
  | { type: 'input_json_delta'; partial_json: string }
  | { type: 'thinking_delta'; thinking: string }
  | { type: 'signature_delta'; signature: string }
  | { type: 'citations_delta'; citation: MessageCitation };

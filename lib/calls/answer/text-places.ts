/** Kind of a text in an answer. */
type TextKind = 'content' | 'reasoning' | 'refusal' | 'arguments';

/** A text in a block of Messages, and in the deltas that add to it. */
export interface BlockText {
  readonly kind: TextKind;
  /** The block's field. */
  readonly field: string;
  readonly delta: string;
  readonly deltaField: string;
}

const TEXT: BlockText = { kind: 'content', field: 'text', delta: 'text_delta', deltaField: 'text' };
const THINKING: BlockText = { kind: 'reasoning', field: 'thinking', delta: 'thinking_delta', deltaField: 'thinking' };
const INPUT: BlockText = { kind: 'arguments', field: 'input', delta: 'input_json_delta', deltaField: 'partial_json' };

/**
 * Where the text that a model wrote is in the answers and events of each API. Hooks change it
 * there; without a reported usage it is counted there.
 */
export const TEXT_PLACES = {
  /** OpenAI's chat, with LiteLLM's fields for thinking. Of a message, or of a delta. */
  chat: {
    fields: { content: 'content', refusal: 'refusal', reasoning_content: 'reasoning', reasoning: 'reasoning' },
    /** Of each entry in `thinking_blocks`. */
    thinking: 'thinking',
    /** Of each entry in `tool_calls`, by the object that contains it. */
    calls: { function: 'arguments', custom: 'input' },
  },
  /** OpenAI's completions: of a choice. */
  completions: { field: 'text' },
  /** Anthropic's Messages: by the type of a content block. */
  messages: { blocks: { text: TEXT, thinking: THINKING, tool_use: INPUT, server_tool_use: INPUT, mcp_tool_use: INPUT } },
  /** Google's `:generateContent`: of a part. */
  generateContent: { text: 'text', call: 'functionCall', args: 'args' },
  /** OpenAI's Responses. */
  responses: {
    /** Of an event `….delta`. */
    delta: 'delta',
    /** The whole text, of an event `….done`. */
    whole: ['text', 'refusal', 'arguments', 'input', 'code', 'transcript'],
    /** Of an item itself, by its type, and the events that bring it. */
    items: {
      function_call: ['arguments', 'response.function_call_arguments'],
      custom_tool_call: ['input', 'response.custom_tool_call_input'],
      mcp_call: ['arguments', 'response.mcp_call_arguments'],
      code_interpreter_call: ['code', 'response.code_interpreter_call_code'],
    },
    /** Of a part of an item's content or summary, by the part's type. Default: `output_text`. */
    parts: { refusal: ['refusal', 'response.refusal'], reasoning_text: ['text', 'response.reasoning_text'] },
  },
} as const;

const { chat } = TEXT_PLACES;

/** Fields of chat with reasoning. Providers repeat it under several of the names in one event. */
export const REASONING_FIELDS: ReadonlySet<string> = new Set([
  ...Object.entries(chat.fields).flatMap(([field, kind]) => (kind === 'reasoning' ? [field] : [])),
  chat.thinking,
]);

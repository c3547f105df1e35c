import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import type { FinishReason } from '../openai/chat-chunks.js';
import { chatUsage } from './usage.js';
import type { ToolNames } from './tool-names.js';
import { JSON_TOOL } from './blocks.js';

/** Those of Claude, wherever it is served. */
export const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  pause_turn: 'length',
  compaction: 'length',
  refusal: 'content_filter',
};

/** @param hasCalls whether the answer calls tools of the client */
export function finishReason(stopReason: unknown, hasCalls: boolean): FinishReason {
  const reason = typeof stopReason === 'string' && Object.hasOwn(FINISH_REASONS, stopReason) ? FINISH_REASONS[stopReason] : 'stop';
  // The tool for structured output is not one of the client's.
  if (reason === 'tool_calls') return hasCalls ? 'tool_calls' : 'stop';
  return reason === 'stop' && hasCalls ? 'tool_calls' : reason;
}

/** A call of a tool in OpenAI's words. */
export function callOf(block: Fields, names: ToolNames): Fields {
  const { id, name, input, caller } = block;
  return {
    id,
    type: 'function',
    function: { name: typeof name === 'string' ? names.original(name) : name, arguments: JSON.stringify(input ?? {}) },
    ...(isObject(caller) && { caller }),
  };
}

/**
 * The field that LiteLLM uses for results of Anthropic's own tools; `undefined` for other blocks.
 */
export function resultsField(type: unknown): 'web_search_results' | 'tool_results' | 'compaction_blocks' | undefined {
  if (typeof type !== 'string') return undefined;
  if (type === 'compaction') return 'compaction_blocks';
  if (type === 'web_search_tool_result' || type === 'web_fetch_tool_result') return 'web_search_results';
  return type.endsWith('_tool_result') ? 'tool_results' : undefined;
}

/** Fields of a message as a whole. */
export function messageFields({ container, context_management, stop_details, stop_sequence }: Fields): Fields {
  const fields = { container, context_management, stop_details, stop_sequence };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

/** Translates a whole message into a chat completion. @throws Error if it is not a message */
export function chatCompletion(answer: Buffer, names: ToolNames): Buffer {
  const message = fieldsOf(JSON.parse(answer.toString('utf8')));
  if (message.type === 'error') return Buffer.from(JSON.stringify({ error: message.error }));
  if (!Array.isArray(message.content)) throw new SyntaxError('the response is not a message');
  const writer = new MessageWriter(names);
  for (const block of message.content) writer.add(fieldsOf(block));
  return Buffer.from(
    JSON.stringify({
      id: message.id,
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: message.model,
      choices: [{ index: 0, message: writer.message(message), finish_reason: finishReason(message.stop_reason, writer.hasCalls) }],
      usage: isObject(message.usage) ? chatUsage(message.usage) : undefined,
    }),
  );
}

class MessageWriter {
  private text: string | undefined = undefined;
  private readonly calls: Fields[] = [];
  private readonly thinking: Fields[] = [];
  private readonly own = new Map<string, unknown[]>();

  constructor(private readonly names: ToolNames) {}

  get hasCalls(): boolean {
    return this.calls.length > 0;
  }

  add(block: Fields): void {
    const { type, text, citations } = block;
    if (type === 'text') this.write(text);
    else if (type === 'tool_use' && block.name === JSON_TOOL) this.write(JSON.stringify(block.input ?? {}));
    else if (type === 'tool_use') this.calls.push(callOf(block, this.names));
    else if (type === 'thinking' || type === 'redacted_thinking') this.thinking.push(block);
    else if (type === 'server_tool_use') this.note('server_tool_calls', callOf(block, this.names));
    else {
      const field = resultsField(type);
      if (field !== undefined) this.note(field, block);
    }
    if (Array.isArray(citations) && citations.length > 0) this.note('citations', citations);
  }

  message(message: Fields): Fields {
    const { text, calls, thinking, own } = this;
    const fields = { ...Object.fromEntries(own), ...messageFields(message) };
    const reasoning = thinking.map((block) => (typeof block.thinking === 'string' ? block.thinking : '')).join('');
    return {
      role: 'assistant',
      content: text ?? null,
      ...(thinking.length > 0 && { reasoning_content: reasoning, thinking_blocks: thinking }),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(Object.keys(fields).length > 0 && { provider_specific_fields: fields }),
    };
  }

  private write(text: unknown): void {
    if (typeof text === 'string' && text !== '') this.text = (this.text ?? '') + text;
  }

  private note(field: string, value: unknown): void {
    const noted = this.own.get(field);
    if (noted === undefined) this.own.set(field, [value]);
    else noted.push(value);
  }
}

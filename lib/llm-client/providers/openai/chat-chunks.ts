import { eventOf } from '../../stream/event-translator.js';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Usage in OpenAI's words. */
export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number; readonly cache_creation_tokens?: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
  readonly cache_creation_input_tokens?: number;
  readonly cache_creation?: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number };
  readonly server_tool_use?: object;
  readonly cache_read_input_tokens?: number;
}

/** Writes the events of one streamed chat completion. */
export class ChatChunks {
  private readonly created = Math.floor(Date.now() / 1000);
  private hasBegun = false;

  /** @param includesUsage Whether the client or this package asked for the usage event. */
  constructor(
    public id: string,
    public model: string,
    private readonly includesUsage: boolean,
  ) {}

  /** The first one carries the role. */
  delta(delta: Readonly<Record<string, unknown>>, index = 0): string {
    const role = this.hasBegun ? undefined : { role: 'assistant' };
    this.hasBegun = true;
    return this.event([{ index, delta: { ...role, ...delta }, finish_reason: null }]);
  }

  finish(reason: FinishReason, index = 0): string {
    const delta = this.hasBegun ? {} : { role: 'assistant', content: '' };
    this.hasBegun = true;
    return this.event([{ index, delta, finish_reason: reason }]);
  }

  /** The usage if it was asked for, and the end. */
  end(usage: ChatUsage | undefined): string {
    const last = usage === undefined || !this.includesUsage ? '' : this.event([], usage);
    return `${last}data: [DONE]\n\n`;
  }

  private event(choices: readonly object[], usage?: ChatUsage): string {
    const { id, created, model } = this;
    return eventOf({ id, object: 'chat.completion.chunk', created, model, choices, ...(usage !== undefined && { usage }) });
  }
}

/** An error in a stream, in OpenAI's shape. @param code may be a status */
export function errorChunk(error: { readonly message: string; readonly type?: string | null; readonly code?: string | null }): string {
  return eventOf({ error: { param: null, type: null, code: null, ...error } });
}

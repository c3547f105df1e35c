import { eventOf } from '../events/event-translator.js';

/** OpenAI's reason for the end of a choice. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** Usage in OpenAI's format. */
export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details?: {
    readonly cached_tokens?: number;
    readonly cache_creation_tokens?: number;
    /** Searches that the provider ran, under LiteLLM's name. */
    readonly web_search_requests?: number;
    readonly audio_tokens?: number;
    readonly image_tokens?: number;
  };
  readonly completion_tokens_details?: {
    readonly reasoning_tokens?: number;
    readonly audio_tokens?: number;
    readonly image_tokens?: number;
  };
  /** The service tier that was billed. */
  readonly service_tier?: string;
  readonly cache_creation_input_tokens?: number;
  readonly cache_creation?: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number };
  readonly server_tool_use?: object;
  readonly cache_read_input_tokens?: number;
}

/** Each event repeats the id and the model, which a provider may state without end. */
const LONGEST_NAME = 1024;

function short(name: string): string {
  return name.length <= LONGEST_NAME ? name : name.slice(0, LONGEST_NAME);
}

/** Writes the events of one streamed chat completion. */
export class ChatChunks {
  private readonly created = Math.floor(Date.now() / 1000);
  /** The beginning of every event, for an id and a model. */
  private written: { readonly id: string; readonly model: string; readonly json: string } | undefined = undefined;
  /** Choices that have begun, by index. */
  private readonly begun = new Set<number>();

  private ownId: string;
  private ownModel: string;

  /** @param includesUsage Whether the client or this package requested the usage event. */
  constructor(
    id: string,
    model: string,
    private readonly includesUsage: boolean,
  ) {
    this.ownId = short(id);
    this.ownModel = short(model);
  }

  /** The id of the completion; it can arrive late, with an event of the provider. */
  get id(): string {
    return this.ownId;
  }

  /** Long ids are truncated, because each event repeats the id. */
  set id(id: string) {
    this.ownId = short(id);
  }

  /** The provider's name for the model. */
  get model(): string {
    return this.ownModel;
  }

  /** Long names are truncated. */
  set model(model: string) {
    this.ownModel = short(model);
  }

  /** Writes a delta. The first one of a choice has the role. */
  delta(delta: Readonly<Record<string, unknown>>, index = 0, logprobs?: object): string {
    const role = this.isFirst(index) ? { role: 'assistant' } : undefined;
    return this.event([{ index, delta: { ...role, ...delta }, ...(logprobs && { logprobs }), finish_reason: null }]);
  }

  /** Writes the last event of a choice. */
  finish(reason: FinishReason, index = 0): string {
    const delta = this.isFirst(index) ? { role: 'assistant', content: '' } : {};
    return this.event([{ index, delta, finish_reason: reason }]);
  }

  /** Writes the usage, if requested, and the end. */
  end(usage: ChatUsage | undefined): string {
    const last = usage === undefined || !this.includesUsage ? '' : this.event([], usage);
    return `${last}data: [DONE]\n\n`;
  }

  private isFirst(index: number): boolean {
    if (this.begun.has(index)) return false;
    this.begun.add(index);
    return true;
  }

  private event(choices: readonly object[], usage?: ChatUsage): string {
    const rest = usage === undefined ? '' : `,"usage":${JSON.stringify(usage)}`;
    return `data: ${this.start()}${JSON.stringify(choices)}${rest}}\n\n`;
  }

  /** Up to the choices: most events differ in these alone. */
  private start(): string {
    const { id, model, created, written } = this;
    if (written !== undefined && written.id === id && written.model === model) return written.json;
    const json = `${JSON.stringify({ id, object: 'chat.completion.chunk', created, model }).slice(0, -1)},"choices":`;
    this.written = { id, model, json };
    return json;
  }
}

/** An error in a stream, in OpenAI's format. @param code may be a status */
export function errorChunk(error: { readonly message: string; readonly type?: string | null; readonly code?: string | null }): string {
  return eventOf({ error: { param: null, type: null, code: null, ...error } });
}

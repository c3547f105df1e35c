import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { ChatChunks, errorChunk } from '../openai/chat-chunks.js';
import type { AnswerTranslator } from '../protocol.js';
import { EventTranslator } from '../events/event-translator.js';
import { callOf, chatCompletion, finishReason, messageFields, resultsField } from './answer.js';
import { errorIn } from './errors.js';
import type { ToolNames } from './tool-names.js';
import { JSON_TOOL } from './blocks.js';
import { chatUsage, mergedUsage } from './usage.js';

/** Blocks that are open at once; Anthropic writes one after the other. */
const MOST_OPEN = 64;
/** Characters of the input of one of Anthropic's own tools, which is passed on as a whole. */
const LONGEST_INPUT = 1024 * 1024;

/** A block that is being streamed. */
interface OpenBlock {
  readonly kind: 'text' | 'call' | 'answer' | 'thinking' | 'server' | 'other';
  readonly block: Fields;
  /** Of a call: its number among the answer's calls. Of thinking: among the blocks of thinking. */
  readonly index: number;
  hasInput: boolean;
  /** The input of a server tool. */
  input: string;
}

/** Inputs for translating an answer. */
export interface AnswerContext {
  readonly names: ToolNames;
  /** The model that was asked for, until the answer names one. */
  readonly model: string;
  /** Whether a stream has its usage at the end. */
  readonly includesUsage: boolean;
}

/** Translates one of Anthropic's answers into OpenAI's format. */
export class MessageTranslator extends EventTranslator implements AnswerTranslator {
  private readonly chunks: ChatChunks;
  private readonly open = new Map<unknown, OpenBlock>();
  private usage: Fields | undefined = undefined;
  private stopReason: unknown = undefined;
  private calls = 0;
  private thoughts = 0;
  private state: 'streaming' | 'ended' | 'failed' = 'streaming';

  constructor(private readonly context: AnswerContext) {
    super();
    this.chunks = new ChatChunks('', context.model, context.includesUsage);
  }

  get isOver(): boolean {
    return this.state !== 'streaming';
  }

  whole(answer: Buffer): Buffer {
    return chatCompletion(answer, this.context.names);
  }

  protected override event(event: Fields): string {
    if (this.state !== 'streaming') return '';
    switch (event.type) {
      case 'message_start':
        return this.start(fieldsOf(event.message));
      case 'content_block_start':
        return this.startBlock(event.index, fieldsOf(event.content_block));
      case 'content_block_delta':
        return this.delta(event.index, fieldsOf(event.delta));
      case 'content_block_stop':
        return this.stopBlock(event.index);
      case 'message_delta':
        return this.messageDelta(fieldsOf(event.delta), event);
      case 'message_stop':
        return this.stop();
      default:
        return event.error === undefined ? '' : this.fail(event);
    }
  }

  protected override last(): string {
    if (this.state === 'streaming') throw new Error('the stream ended before message_stop');
    return '';
  }

  /** Nothing is written yet: an error may still come in the answer's place. */
  private start({ id, model, usage }: Fields): string {
    if (typeof id === 'string') this.chunks.id = id;
    if (typeof model === 'string') this.chunks.model = model;
    this.addUsage(usage);
    return '';
  }

  private startBlock(index: unknown, block: Fields): string {
    if (this.open.size >= MOST_OPEN) throw new Error('too many content blocks are open at once');
    const opened = this.opened(block);
    this.open.set(index, opened);
    const { kind } = opened;
    if (kind === 'call') return this.call(opened.index, { ...callOf({ ...block, input: undefined }, this.context.names) }, '');
    if (kind === 'text') return this.content(block.text);
    if (block.type === 'redacted_thinking') return this.chunks.delta({ thinking_blocks: [block] });
    const field = resultsField(block.type);
    return field === undefined ? '' : this.own({ [field]: [block] });
  }

  private opened(block: Fields): OpenBlock {
    const { type, name } = block;
    const rest = { block, hasInput: false, input: '' };
    if (type === 'tool_use' && name === JSON_TOOL) return { kind: 'answer', index: 0, ...rest };
    if (type === 'tool_use') return { kind: 'call', index: this.calls++, ...rest };
    if (type === 'server_tool_use') return { kind: 'server', index: 0, ...rest };
    if (type === 'thinking' || type === 'redacted_thinking') return { kind: 'thinking', index: this.thoughts++, ...rest };
    return { kind: type === 'text' ? 'text' : 'other', index: 0, ...rest };
  }

  private delta(at: unknown, delta: Fields): string {
    const opened = this.open.get(at);
    if (opened === undefined) return '';
    switch (delta.type) {
      case 'text_delta':
        return this.content(delta.text);
      case 'input_json_delta':
        return this.input(opened, delta.partial_json);
      case 'thinking_delta':
        return this.thought(opened, delta.thinking);
      case 'signature_delta':
        return typeof delta.signature !== 'string'
          ? ''
          : this.chunks.delta({ thinking_blocks: [{ type: 'thinking', thinking: '', signature: delta.signature, index: opened.index }] });
      case 'citations_delta':
        return this.own({ citation: delta.citation });
      default:
        return '';
    }
  }

  private input(opened: OpenBlock, json: unknown): string {
    if (typeof json !== 'string' || json === '') return '';
    opened.hasInput = true;
    if (opened.kind === 'call') return this.call(opened.index, undefined, json);
    if (opened.kind === 'answer') return this.content(json);
    if (opened.kind !== 'server') return '';
    opened.input += json;
    if (opened.input.length > LONGEST_INPUT) throw new Error('the input of a tool call is too long');
    return '';
  }

  private thought(opened: OpenBlock, text: unknown): string {
    if (typeof text !== 'string' || text === '') return '';
    return this.chunks.delta({ reasoning_content: text, thinking_blocks: [{ type: 'thinking', thinking: text, index: opened.index }] });
  }

  private stopBlock(at: unknown): string {
    const opened = this.open.get(at);
    if (opened === undefined) return '';
    this.open.delete(at);
    const { kind, block, index, hasInput } = opened;
    if (kind === 'server') {
      const input: unknown = hasInput ? JSON.parse(opened.input) : block.input;
      return this.own({ server_tool_calls: [callOf({ ...block, input }, this.context.names)] });
    }
    if (hasInput) return '';
    // Some servers have the whole input at the start.
    if (kind === 'call') return this.call(index, undefined, JSON.stringify(block.input ?? {}));
    return kind === 'answer' ? this.content(JSON.stringify(block.input ?? {})) : '';
  }

  private messageDelta(delta: Fields, { usage, context_management }: Fields): string {
    this.addUsage(usage);
    if (typeof delta.stop_reason === 'string') this.stopReason = delta.stop_reason;
    const fields = messageFields({ ...delta, context_management });
    return Object.keys(fields).length === 0 ? '' : this.own(fields);
  }

  /** A server that reports none has its answers estimated. */
  private addUsage(usage: unknown): void {
    if (isObject(usage)) this.usage = mergedUsage(this.usage ?? {}, usage);
  }

  private stop(): string {
    this.state = 'ended';
    const { chunks, usage } = this;
    return chunks.finish(finishReason(this.stopReason, this.calls > 0)) + chunks.end(usage && chatUsage(usage));
  }

  private fail(event: Fields): string {
    this.state = 'failed';
    const { message = 'The provider ended its stream with an error.', type } = errorIn(JSON.stringify(event));
    return errorChunk({ message, type });
  }

  private content(text: unknown): string {
    return typeof text === 'string' && text !== '' ? this.chunks.delta({ content: text }) : '';
  }

  private call(index: number, head: Fields | undefined, json: string): string {
    const called = { ...fieldsOf(head?.function), arguments: json };
    return this.chunks.delta({ tool_calls: [{ index, ...head, function: called }] });
  }

  private own(fields: Fields): string {
    return this.chunks.delta({ provider_specific_fields: fields });
  }
}

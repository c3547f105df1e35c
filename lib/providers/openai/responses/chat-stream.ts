import { type Fields, fieldsOf, listOf, stringIn } from '../../../common/objects.js';
import type { AnswerTranslator } from '../../protocol.js';
import { EventTranslator } from '../../events/event-translator.js';
import { ChatChunks, errorChunk } from '../chat-chunks.js';
import { annotationOf, BETWEEN_THOUGHTS, callOf, chatUsageOf, completionOf, errorOf, finishOf } from './chat-answer.js';

const MOST_CALLS = 1000;

/** Translates a response, whole or streamed, into a chat completion. */
export class ResponseToChat extends EventTranslator implements AnswerTranslator {
  private readonly chunks: ChatChunks;
  isOver = false;
  /** The part of the thinking that was written last. */
  private thinking: string | undefined = undefined;
  /** Of each function call: its number, and whether its arguments have come. */
  private readonly calls = new Map<unknown, { readonly index: number; hasInput: boolean }>();

  /** @param includesUsage Whether the client or this package asked for the usage event. */
  constructor(model: string, includesUsage: boolean) {
    super();
    this.chunks = new ChatChunks('', model, includesUsage);
  }

  whole(answer: Buffer): Buffer {
    return Buffer.from(JSON.stringify(completionOf(fieldsOf(JSON.parse(answer.toString('utf8'))))));
  }

  protected event(event: Fields): string {
    if (this.isOver) return '';
    const { type, delta } = event;
    switch (type) {
      case 'response.created':
        return this.begin(fieldsOf(event.response));
      case 'response.output_item.added':
        return this.head(event);
      case 'response.output_item.done':
        return this.head(event) + this.input(event.output_index, fieldsOf(event.item).arguments);
      case 'response.function_call_arguments.delta':
        return this.argument(event.output_index, delta);
      case 'response.function_call_arguments.done':
        return this.input(event.output_index, event.arguments);
      case 'response.output_text.delta':
        return this.text('content', delta);
      case 'response.output_text.annotation.added':
        return this.chunks.delta({ annotations: [annotationOf(event.annotation)] });
      case 'response.refusal.delta':
        return this.text('refusal', delta);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return this.thought(event);
      case 'response.completed':
      case 'response.incomplete':
        return this.finish(fieldsOf(event.response));
      case 'response.failed':
        return this.fail(fieldsOf(event.response));
      case 'error':
        return this.fail(event);
      default:
        return event.error === undefined || event.error === null ? '' : this.fail(event);
    }
  }

  protected last(): string {
    if (this.isOver) return '';
    throw new Error('the stream ended without response.completed, response.incomplete or response.failed');
  }

  private begin({ id, model }: Fields): string {
    this.chunks.id = stringIn(id);
    this.chunks.model = stringIn(model) || this.chunks.model;
    return '';
  }

  private text(field: 'content' | 'refusal' | 'reasoning_content', delta: unknown): string {
    return stringIn(delta) === '' ? '' : this.chunks.delta({ [field]: delta });
  }

  /** The id and the name of a function call, once. */
  private head({ output_index: at, item }: Fields): string {
    const call = fieldsOf(item);
    if (call.type !== 'function_call' || this.calls.has(at)) return '';
    const index = this.calls.size;
    if (index >= MOST_CALLS) throw new Error('the answer has too many tool calls');
    this.calls.set(at, { index, hasInput: false });
    return this.chunks.delta({ tool_calls: [{ index, ...callOf({ ...call, arguments: '' }) }] });
  }

  private argument(at: unknown, delta: unknown): string {
    const call = this.calls.get(at);
    if (call === undefined || stringIn(delta) === '') return '';
    call.hasInput = true;
    return this.chunks.delta({ tool_calls: [{ index: call.index, function: { arguments: stringIn(delta) } }] });
  }

  /** The whole arguments, unless they have come in parts. */
  private input(at: unknown, input: unknown): string {
    return this.calls.get(at)?.hasInput === false ? this.argument(at, input) : '';
  }

  private thought({ item_id: item, summary_index: summary, content_index: content, delta }: Fields): string {
    const part = JSON.stringify([item, summary, content]);
    const isNext = this.thinking !== undefined && this.thinking !== part;
    if (stringIn(delta) === '') return '';
    this.thinking = part;
    return this.text('reasoning_content', (isNext ? BETWEEN_THOUGHTS : '') + stringIn(delta));
  }

  private finish(response: Fields): string {
    this.isOver = true;
    const hasCalls = this.calls.size > 0 || listOf(response.output).some((item) => fieldsOf(item).type === 'function_call');
    return this.chunks.finish(finishOf(response, hasCalls)) + this.chunks.end(chatUsageOf(response.usage));
  }

  private fail(stated: Fields): string {
    this.isOver = true;
    return errorChunk(errorOf(stated));
  }
}

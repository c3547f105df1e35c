import type { BridgedAnswer } from '../bridge.js';
import { type Fields, fieldsOf, listOf, objectIn, stringIn } from '../../common/objects.js';
import { append } from '../../common/collections.js';
import type { OpenAIErrorBody } from '../../common/provider-error.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import { isError } from '../../providers/openai/errors.js';
import { errorEventOf } from '../../providers/openai/responses/passing-response.js';
import { eventOf } from '../../providers/events/event-translator.js';
import type { StreamEvents } from '../../providers/events/event-reader.js';
import { errorIn, textOf, UNFINISHED_STREAM, UNREADABLE_EVENT } from '../chat-answers.js';
import { argumentsOf, blocksIn, endOf, thoughtIn, type ResponseFrame } from './answer.js';
import {
  functionCallItem,
  messageItem,
  reasoningItem,
  textPart,
  type ItemStatus,
  type MessagePart,
  type OutputItem,
} from '../../providers/openai/responses/items.js';
import type { CalledFunction } from './namespaces.js';

const DONE = '[DONE]';
/** The last events repeat the whole output: more of it is not held. */
const MOST_CHARACTERS = 32 * 1024 * 1024;
/** Calls that are open at the same time. */
const MOST_CALLS = 1000;

/** Writes one event, with its number. */
type Write = (type: string, fields: object) => void;

/** An output item that is still growing. */
interface OpenItem {
  readonly index: number;
  /** Writes the events that end it. */
  close(status: ItemStatus): OutputItem;
}

/** Converts the events of a streamed chat completion to those of Responses. */
export abstract class ResponseStream implements BridgedAnswer {
  private readonly write: Write;
  private written = '';
  private sequence = 0;
  private characters = 0;
  private hasBegun = false;
  private hasFailed = false;
  private readonly output: OutputItem[] = [];
  private items = 0;
  private open: OpenText | OpenReasoning | undefined = undefined;
  private readonly calls = new Map<number, OpenCall>();
  private latestCall: OpenCall | undefined = undefined;
  private finish: unknown = undefined;
  private usage: unknown = undefined;
  private model: unknown = undefined;

  constructor(
    protected readonly frame: ResponseFrame,
    protected readonly keep: (item: OutputItem) => void,
  ) {
    this.write = (type, fields) => (this.written += eventOf({ type, sequence_number: this.sequence++, ...fields }, type));
  }

  abstract whole(chat: Buffer): Buffer;

  events(chat: StreamEvents): string {
    for (const data of chat.data) if (data !== DONE && !this.hasFailed) this.event(data);
    return this.taken();
  }

  end(): string {
    if (this.hasFailed) return '';
    this.begin();
    if (this.finish === undefined) return this.error(UNFINISHED_STREAM);
    const end = endOf(this.finish);
    const calls = [...this.calls.values()].filter(({ isClosed }) => !isClosed);
    const open = [...(this.open === undefined ? [] : [this.open]), ...calls].sort((a, b) => a.index - b.index);
    for (const item of open) this.closed(item, end.status === 'incomplete' && item === open.at(-1) ? 'incomplete' : 'completed');
    const { model, output, usage } = this;
    this.write(`response.${end.status}`, { response: this.frame.with({ ...end, model, output, usage }) });
    return this.taken();
  }

  /** The event that ends a broken stream; nothing after one. */
  error(error: OpenAIErrorBody): string {
    if (this.hasFailed) return '';
    this.hasFailed = true;
    return this.taken() + errorEventOf(error, this.sequence++);
  }

  private taken(): string {
    const { written } = this;
    this.written = '';
    return written;
  }

  private begin(): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    const response = this.frame.with({ status: 'in_progress', model: this.model });
    this.write('response.created', { response });
    this.write('response.in_progress', { response });
  }

  private event(data: string): void {
    const chunk = objectIn(data);
    if (chunk === undefined || isError(chunk.error)) {
      this.written += this.error(chunk === undefined ? UNREADABLE_EVENT : errorIn(chunk.error));
      return;
    }
    this.characters += data.length;
    if (this.characters > MOST_CHARACTERS) {
      this.written += this.error({ ...UNREADABLE_EVENT, message: 'The answer is too long.' });
      return;
    }
    this.model ??= chunk.model;
    this.begin();
    if (typeof chunk.usage === 'object' && chunk.usage !== null) this.usage = chunk.usage;
    const choice = fieldsOf(listOf(chunk.choices)[0]);
    this.delta(fieldsOf(choice.delta), fieldsOf(choice.logprobs));
    if (typeof choice.finish_reason === 'string') this.finish = choice.finish_reason;
  }

  private delta(delta: Fields, logprobs: Fields): void {
    const thought = thoughtIn(delta);
    const blocks = blocksIn(delta);
    if (thought !== '' || blocks.length > 0) this.reasoning().add(thought, blocks);
    const text = textOf(delta.content);
    if (text !== '') this.message().addText(text, listOf(logprobs.content));
    if (typeof delta.refusal === 'string' && delta.refusal !== '') this.message().addRefusal(delta.refusal);
    listOf(delta.tool_calls).forEach((call, at) => this.call(fieldsOf(call), at));
  }

  private reasoning(): OpenReasoning {
    if (this.open instanceof OpenReasoning) return this.open;
    this.closeOpen();
    return (this.open = new OpenReasoning(this.next('reasoning'), this.write));
  }

  private message(): OpenText {
    if (this.open instanceof OpenText) return this.open;
    this.closeOpen();
    return (this.open = new OpenText(this.next('message'), this.write));
  }

  private call({ index, id, function: called }: Fields, at: number): void {
    const { name, arguments: input } = fieldsOf(called);
    const key = typeof index === 'number' ? index : at;
    let call = this.calls.get(key);
    if (call === undefined) {
      if (this.calls.size >= MOST_CALLS) {
        this.written += this.error({ ...UNREADABLE_EVENT, message: 'The answer has too many tool calls.' });
        return;
      }
      this.closeOpen();
      // Calls arrive one after the other; only an incomplete one can continue later.
      if (this.latestCall?.isWhole === true) this.closed(this.latestCall, 'completed');
      const callId = typeof id === 'string' && id !== '' ? id : `call_${this.items}`;
      call = new OpenCall(this.next('function_call'), { call_id: callId, ...this.frame.called(stringIn(name)) }, this.write);
      this.calls.set(key, call);
      this.latestCall = call;
    }
    if (!call.isClosed) call.add(argumentsOf(input));
  }

  private next(type: OutputItem['type']): { readonly id: string; readonly index: number } {
    const index = this.items++;
    return { id: this.frame.ids.item(type, index), index };
  }

  private closeOpen(): void {
    if (this.open === undefined) return;
    this.closed(this.open, 'completed');
    this.open = undefined;
  }

  private closed(item: OpenItem, status: ItemStatus): void {
    const done = item.close(status);
    this.output[item.index] = done;
    if (this.frame.isStored) this.keep(done);
  }
}

interface ItemPlace {
  readonly id: string;
  readonly index: number;
}

class OpenReasoning implements OpenItem {
  readonly index: number;
  private text = '';
  private hasPart = false;
  private readonly blocks: ThinkingBlock[] = [];
  private blockIndex: unknown = undefined;
  private readonly place: { readonly item_id: string; readonly output_index: number; readonly summary_index: 0 };

  constructor(
    private readonly item: ItemPlace,
    private readonly write: Write,
  ) {
    this.index = item.index;
    this.place = { item_id: item.id, output_index: item.index, summary_index: 0 };
    write('response.output_item.added', { output_index: item.index, item: { ...reasoningItem(item.id, ''), status: 'in_progress' } });
  }

  add(text: string, blocks: readonly ThinkingBlock[]): void {
    for (const block of blocks) this.addBlock(block);
    if (text === '') return;
    if (!this.hasPart) this.write('response.reasoning_summary_part.added', { ...this.place, part: { type: 'summary_text', text: '' } });
    this.hasPart = true;
    this.text += text;
    this.write('response.reasoning_summary_text.delta', { ...this.place, delta: text });
  }

  close(): OutputItem {
    const { text, place, write } = this;
    if (this.hasPart) {
      write('response.reasoning_summary_text.done', { ...place, text });
      write('response.reasoning_summary_part.done', { ...place, part: { type: 'summary_text', text } });
    }
    const item = reasoningItem(this.item.id, text, this.blocks);
    write('response.output_item.done', { output_index: this.index, item });
    return item;
  }

  /** Parts of one block, its signature last. */
  private addBlock({ type, thinking, signature, data, index }: StreamedBlock): void {
    const block = {
      type,
      ...(thinking !== undefined && { thinking }),
      ...(signature && { signature }),
      ...(data !== undefined && { data }),
    };
    const last = this.blocks.at(-1);
    const goesOn = last?.type === 'thinking' && type === 'thinking' && last.signature === undefined && this.blockIndex === index;
    this.blockIndex = index;
    if (!goesOn) this.blocks.push(block);
    else this.blocks[this.blocks.length - 1] = { ...last, ...block, thinking: (last.thinking ?? '') + (thinking ?? '') };
  }
}

/** A part of a thinking block; `index` distinguishes blocks. */
type StreamedBlock = ThinkingBlock & { readonly index?: unknown };

class OpenText implements OpenItem {
  readonly index: number;
  private readonly parts: MessagePart[] = [];
  private kind: MessagePart['type'] | undefined = undefined;
  private text = '';
  private logprobs: unknown[] = [];

  constructor(
    private readonly item: ItemPlace,
    private readonly write: Write,
  ) {
    this.index = item.index;
    write('response.output_item.added', { output_index: item.index, item: messageItem(item.id, 'in_progress', []) });
  }

  addText(text: string, logprobs: readonly unknown[]): void {
    if (this.kind !== 'output_text') this.begin('output_text');
    this.text += text;
    append(this.logprobs, logprobs);
    this.writePart('response.output_text.delta', { delta: text, logprobs });
  }

  addRefusal(refusal: string): void {
    if (this.kind !== 'refusal') this.begin('refusal');
    this.text += refusal;
    this.writePart('response.refusal.delta', { delta: refusal });
  }

  close(status: ItemStatus): OutputItem {
    this.endPart();
    const item = messageItem(this.item.id, status, this.parts);
    this.write('response.output_item.done', { output_index: this.index, item });
    return item;
  }

  private writePart(type: string, fields: object): void {
    this.write(type, { item_id: this.item.id, output_index: this.index, content_index: this.parts.length, ...fields });
  }

  private begin(kind: MessagePart['type']): void {
    this.endPart();
    this.kind = kind;
    this.writePart('response.content_part.added', { part: this.part(kind) });
  }

  private endPart(): void {
    const { kind, text, logprobs } = this;
    if (kind === undefined) return;
    const part = this.part(kind);
    if (kind === 'refusal') this.writePart('response.refusal.done', { refusal: text });
    else this.writePart('response.output_text.done', { text, logprobs });
    this.writePart('response.content_part.done', { part });
    this.parts.push(part);
    [this.kind, this.text, this.logprobs] = [undefined, '', []];
  }

  private part(kind: MessagePart['type']): MessagePart {
    return kind === 'refusal' ? { type: 'refusal', refusal: this.text } : textPart(this.text, this.logprobs);
  }
}

class OpenCall implements OpenItem {
  readonly index: number;
  isClosed = false;
  private input = '';

  constructor(
    private readonly item: ItemPlace,
    private readonly called: CalledFunction & { readonly call_id: string },
    private readonly write: Write,
  ) {
    this.index = item.index;
    write('response.output_item.added', { output_index: item.index, item: this.state('in_progress') });
  }

  /** Whether nothing but whitespace can follow. */
  get isWhole(): boolean {
    return objectIn(this.input) !== undefined;
  }

  add(input: string): void {
    if (input === '') return;
    this.input += input;
    this.write('response.function_call_arguments.delta', { item_id: this.item.id, output_index: this.index, delta: input });
  }

  close(status: ItemStatus): OutputItem {
    const { item, input, index, write } = this;
    const { name } = this.called;
    this.isClosed = true;
    write('response.function_call_arguments.done', { item_id: item.id, output_index: index, name, arguments: input });
    const done = this.state(status);
    write('response.output_item.done', { output_index: index, item: done });
    return done;
  }

  private state(status: ItemStatus) {
    return functionCallItem(this.item.id, status, { ...this.called, arguments: this.input });
  }
}

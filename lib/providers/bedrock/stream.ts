import { isObject, type Fields } from '../../common/objects.js';
import { ChatChunks, errorChunk } from '../openai/chat-chunks.js';
import { isMistake, mistakeError } from '../malformed-tool-call.js';
import type { AnswerTranslator } from '../protocol.js';
import { answerId, fieldAt, finishOf, redactedBlock, wholeAnswer, type AnswerContext } from './answer.js';
import { statusOf } from './errors.js';
import { FrameReader, type Frame } from './frames.js';
import { JSON_TOOL } from './tools.js';
import { usageOf } from './usage.js';

/** A block of the answer that has begun and not ended. */
interface OpenBlock {
  /** Place of its call among the calls of the client's tools; `json`: the structured output. */
  readonly call?: number | 'json' | 'foreign';
  /** Place among the blocks of thinking. */
  readonly thought?: number;
  hasInput: boolean;
}

const NONE = Buffer.alloc(0);
/** Streams with more open blocks are rejected. */
const MOST_OPEN = 256;

/** Translates Converse's answers: a whole one, or a stream of binary frames. */
export class ConverseAnswer implements AnswerTranslator {
  private readonly frames = new FrameReader();
  private readonly chunks: ChatChunks;
  private readonly blocks = new Map<number, OpenBlock>();
  private calls = 0;
  private thoughts = 0;
  private hasJson = false;
  /** Text next to a structured output; dropped if the output arrives. */
  private heldText = '';
  private hasText = false;
  private moreFields: unknown = undefined;
  private state: 'begun' | 'stopped' | 'over' = 'begun';

  constructor(private readonly context: AnswerContext) {
    this.chunks = new ChatChunks(answerId(), context.model, context.includesUsage);
  }

  get pending(): number {
    return this.frames.pending + this.heldText.length;
  }

  /** Behind its `metadata`, which has the usage. */
  get isOver(): boolean {
    return this.state === 'over';
  }

  whole(answer: Buffer): Buffer {
    return wholeAnswer(answer, this.context);
  }

  chunk(bytes: Buffer): Buffer {
    let written = '';
    for (const frame of this.frames.read(bytes)) if (this.state !== 'over') written += this.event(frame);
    return written === '' ? NONE : Buffer.from(written);
  }

  end(): Buffer {
    if (this.state === 'begun') throw new Error('the stream ended before messageStop');
    return this.state === 'over' ? NONE : Buffer.from(this.finish({}));
  }

  private event({ headers, body }: Frame): string {
    const kind = headers[':message-type']?.value;
    if (kind === 'error') return this.failed(headers[':error-code']?.value, headers[':error-message']?.value);
    const data: unknown = body.length === 0 ? {} : JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'));
    if (!isObject(data)) throw new SyntaxError('an event is not a JSON object');
    if (kind === 'exception') return this.failed(headers[':exception-type']?.value, fieldAt(data, 'message'));
    const index = typeof data.contentBlockIndex === 'number' ? data.contentBlockIndex : 0;
    switch (headers[':event-type']?.value) {
      case 'contentBlockStart':
        return this.blockStart(index, data.start);
      case 'contentBlockDelta':
        return isObject(data.delta) ? this.blockDelta(index, data.delta) : '';
      case 'contentBlockStop':
        return this.blockStop(index);
      case 'messageStop':
        return this.messageStop(data);
      case 'metadata':
        return this.state === 'stopped' ? this.finish(data) : '';
      default:
        return '';
    }
  }

  private failed(named: unknown, message: unknown): string {
    this.state = 'over';
    const name = typeof named === 'string' ? named : '';
    const words = typeof message === 'string' && message !== '' ? message : 'The provider ended its answer with an error.';
    return errorChunk({ message: words, type: name === '' ? null : name, code: String(statusOf(name)) });
  }

  private blockStart(index: number, start: unknown): string {
    const use = fieldAt(start, 'toolUse');
    if (!isObject(use)) return '';
    const { toolUseId: id, name, type } = use;
    if (typeof id !== 'string' || typeof name !== 'string') throw new SyntaxError('toolUse must have a toolUseId and a name');
    // The service has called its own tool.
    if (type === 'server_tool_use') return this.open(index, 'foreign');
    if (this.context.hasJsonTool && name === JSON_TOOL) {
      const isFirst = !this.hasJson;
      this.hasJson = true;
      this.heldText = '';
      return this.open(index, isFirst ? 'json' : 'foreign');
    }
    if (this.context.hasOneCall && this.calls > 0) return this.open(index, 'foreign');
    const call = this.calls++;
    this.open(index, call);
    const called = { name: this.context.names.original(name), arguments: '' };
    return this.chunks.delta({ tool_calls: [{ index: call, id, type: 'function', function: called }] });
  }

  private open(index: number, call?: OpenBlock['call'], thought?: number): '' {
    if (this.blocks.size >= MOST_OPEN) throw new RangeError('too many content blocks are open');
    this.blocks.set(index, { call, thought, hasInput: false });
    return '';
  }

  private blockDelta(index: number, { text, toolUse, reasoningContent, citation }: Fields): string {
    if (typeof text === 'string') return this.textDelta(text);
    if (isObject(toolUse)) return this.inputDelta(index, toolUse.input);
    if (isObject(reasoningContent)) return this.thinkingDelta(index, reasoningContent);
    return isObject(citation) ? this.chunks.delta({ provider_specific_fields: { citations: [citation] } }) : '';
  }

  private textDelta(text: string): string {
    if (text === '') return '';
    this.hasText = true;
    if (!this.context.hasJsonTool) return this.chunks.delta({ content: text });
    if (!this.hasJson) this.heldText += text;
    return '';
  }

  private inputDelta(index: number, input: unknown): string {
    const block = this.blocks.get(index);
    if (block?.call === undefined) throw new SyntaxError('input must follow the start of a tool call');
    if (typeof input !== 'string' || input === '' || block.call === 'foreign') return '';
    block.hasInput = true;
    return this.inputChunk(block.call, input);
  }

  private inputChunk(call: number | 'json', input: string): string {
    return this.chunks.delta(call === 'json' ? { content: input } : { tool_calls: [{ index: call, function: { arguments: input } }] });
  }

  /** In parts, as LiteLLM and the translation of Anthropic's streams have them. */
  private thinkingDelta(at: number, { text, signature, redactedContent }: Fields): string {
    if (!this.blocks.has(at)) this.open(at, undefined, this.thoughts++);
    const index = this.blocks.get(at)?.thought ?? 0;
    if (typeof redactedContent === 'string') return this.chunks.delta({ thinking_blocks: [{ ...redactedBlock(redactedContent), index }] });
    if (typeof signature === 'string')
      return this.chunks.delta({ thinking_blocks: [{ type: 'thinking', thinking: '', signature, index }] });
    if (typeof text !== 'string' || text === '') return '';
    return this.chunks.delta({ reasoning_content: text, thinking_blocks: [{ type: 'thinking', thinking: text, index }] });
  }

  private blockStop(index: number): string {
    const block = this.blocks.get(index);
    this.blocks.delete(index);
    const call = block?.call;
    if (call === undefined || call === 'foreign' || block?.hasInput === true) return '';
    return this.inputChunk(call, '{}');
  }

  /** The usage follows in `metadata`. */
  private messageStop({ stopReason, additionalModelResponseFields }: Fields): string {
    if (this.state === 'stopped') return '';
    if (isMistake(stopReason) && !this.hasText && !this.hasJson && this.calls === 0) {
      this.state = 'over';
      return errorChunk(mistakeError(stopReason).error);
    }
    this.state = 'stopped';
    this.moreFields = additionalModelResponseFields;
    let written = '';
    for (const index of [...this.blocks.keys()]) written += this.blockStop(index);
    if (this.heldText !== '') written += this.chunks.delta({ content: this.heldText });
    this.heldText = '';
    return written + this.chunks.finish(finishOf(stopReason, this.calls > 0));
  }

  private finish({ usage, serviceTier }: Fields): string {
    this.state = 'over';
    const told = usageOf(usage, this.moreFields);
    const tier = fieldAt(serviceTier, 'type');
    return this.chunks.end(told && typeof tier === 'string' ? { ...told, service_tier: tier } : told);
  }
}

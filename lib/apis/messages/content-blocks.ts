import { stringIn } from '../../common/objects.js';
import type { ThinkingBlock } from '../../providers/openai/chat-types.js';
import { eventOf } from '../../providers/events/event-translator.js';
import { toolUseId } from './answer.js';

/** Characters that may wait for the end of the block before them. */
const MOST_WAITING = 8 * 1024 * 1024;
const MOST_CALLS = 10_000;

/** A part of a tool call in a chat's stream. */
export interface CallDelta {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null;
}

/** A content block, and what of it is not written yet. */
interface Block {
  readonly type: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use';
  isOpen: boolean;
  waiting: string;
  /** Of a thinking block, which ends with it. */
  signature?: string;
  isSigned?: boolean;
  /** Of a tool call. */
  readonly input?: JsonEnd;
  id?: string;
  name?: string;
}

/**
 * Writes the content blocks of a streamed message, of which one is open at a time. Chat can
 * interleave parallel tool calls; those after an unfinished one wait.
 */
export class ContentBlocks {
  /** The open block, and those after it. */
  private queue: Block[] = [];
  private readonly calls = new Map<unknown, Block>();
  private lastCall: Block | undefined = undefined;
  private index = 0;
  private waiting = 0;

  /** @param toolNames the client's names of tools, by those that chat has */
  constructor(private readonly toolNames: ReadonlyMap<string, string>) {}

  get hasCalls(): boolean {
    return this.calls.size > 0;
  }

  text(text: string): string {
    return text === '' ? '' : this.append(this.tail('text'), text);
  }

  thinking(text: string): string {
    return text === '' ? '' : this.append(this.tail('thinking'), text);
  }

  /** A thinking block, or a part of one. */
  thinkingBlock({ type, thinking = '', signature = '', data = '' }: ThinkingBlock): string {
    if (type === 'redacted_thinking') return this.append(this.add({ type, isOpen: false, waiting: '' }), data);
    const written = this.thinking(thinking);
    if (signature === '') return written;
    const block = this.tail('thinking');
    block.signature = signature;
    block.isSigned = true;
    return written + this.advance();
  }

  /** @throws RangeError for more calls than a message has */
  call({ index, id, function: called }: CallDelta): string {
    const block = this.callOf(index, stringIn(id));
    block.name ||= stringIn(called?.name);
    const json = stringIn(called?.arguments);
    block.input?.read(json);
    return this.append(block, json);
  }

  /** Ends all blocks. Calls without a name are dropped. */
  end(): string {
    const left = this.queue.filter((block) => block.isOpen || block.name !== '');
    this.queue = [];
    return left.map((block) => this.next(block) + this.stop()).join('');
  }

  /** Some providers give all parallel calls one index, some give none. */
  private callOf(index: unknown, id: string): Block {
    const key = index ?? (id === '' ? undefined : id);
    const known = key === undefined ? this.lastCall : this.calls.get(key);
    if (known !== undefined && (id === '' || known.id === '' || known.id === id)) {
      known.id ||= id;
      return (this.lastCall = known);
    }
    if (this.calls.size >= MOST_CALLS) throw new RangeError(`the message has more than ${MOST_CALLS} tool calls`);
    const block = this.add({ type: 'tool_use', isOpen: false, waiting: '', input: new JsonEnd(), id, name: '' });
    this.calls.set(key ?? block, block);
    return (this.lastCall = block);
  }

  /** The last block if it takes more of its kind, else a new one. */
  private tail(type: 'text' | 'thinking'): Block {
    const last = this.queue.at(-1);
    return last?.type === type && last.isSigned !== true ? last : this.add({ type, isOpen: false, waiting: '' });
  }

  private add(block: Block): Block {
    this.queue.push(block);
    return block;
  }

  private append(block: Block, text: string): string {
    block.waiting += text;
    this.waiting += text.length;
    return this.advance();
  }

  /** Writes the content of the first block, and ends it when the next one can begin. */
  private advance(): string {
    let written = '';
    for (;;) {
      const [block] = this.queue;
      if (block === undefined || block.name === '') break;
      written += this.next(block);
      if (this.queue.length === 1 || block.input?.isReached === false) break;
      this.queue.shift();
      written += this.stop();
    }
    if (this.waiting > MOST_WAITING) throw new RangeError(`more than ${MOST_WAITING} characters are buffered for an unfinished tool call`);
    return written;
  }

  /** The next events of a block. */
  private next(block: Block): string {
    const { waiting } = block;
    const deltas = this.deltas(block);
    const start = block.isOpen ? '' : this.event('content_block_start', { content_block: this.head(block) });
    block.isOpen = true;
    block.waiting = '';
    block.signature = undefined;
    this.waiting -= waiting.length;
    return start + deltas.map((delta) => this.event('content_block_delta', { delta })).join('');
  }

  private head({ type, waiting, id, name = '' }: Block): object {
    if (type === 'text') return { type, text: '' };
    if (type === 'thinking') return { type, thinking: '', signature: '' };
    if (type === 'redacted_thinking') return { type, data: waiting };
    return { type, id: toolUseId(id), name: this.toolNames.get(name) ?? name, input: {} };
  }

  private deltas({ type, signature, waiting }: Block): readonly object[] {
    const hasText = waiting !== '';
    if (type === 'text') return hasText ? [{ type: 'text_delta', text: waiting }] : [];
    if (type === 'tool_use') return hasText ? [{ type: 'input_json_delta', partial_json: waiting }] : [];
    if (type === 'redacted_thinking') return [];
    const thinking = hasText ? [{ type: 'thinking_delta', thinking: waiting }] : [];
    return signature === undefined ? thinking : [...thinking, { type: 'signature_delta', signature }];
  }

  private stop(): string {
    const stopped = this.event('content_block_stop', {});
    this.index++;
    return stopped;
  }

  private event(type: string, fields: object): string {
    return eventOf({ type, index: this.index, ...fields }, type);
  }
}

const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const OPENING: ReadonlySet<number> = new Set(['{'.charCodeAt(0), '['.charCodeAt(0)]);
const CLOSING: ReadonlySet<number> = new Set(['}'.charCodeAt(0), ']'.charCodeAt(0)]);

/** Finds the end of a JSON object that arrives in pieces, without keeping them. */
class JsonEnd {
  private depth = 0;
  private hasBegun = false;
  private isInString = false;
  private isEscaped = false;

  /** Whether the object has ended. */
  get isReached(): boolean {
    return this.hasBegun && this.depth <= 0;
  }

  read(piece: string): void {
    for (let at = 0; at < piece.length; at++) this.character(piece.charCodeAt(at));
  }

  private character(code: number): void {
    if (this.isInString) {
      if (this.isEscaped) this.isEscaped = false;
      else if (code === BACKSLASH) this.isEscaped = true;
      else if (code === QUOTE) this.isInString = false;
    } else if (code === QUOTE) this.isInString = true;
    else if (OPENING.has(code)) {
      this.depth++;
      this.hasBegun = true;
    } else if (CLOSING.has(code)) this.depth--;
  }
}

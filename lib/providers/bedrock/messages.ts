import { objectIn } from '../../common/objects.js';
import { append } from '../../common/collections.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { ChatMessage, ChatPart, ChatToolCall, ThinkingBlock } from '../openai/chat-types.js';
import type { SentRequest } from '../protocol.js';
import { MediaBlocks, type Block } from './media.js';
import { hasCachePoints, hasCacheTtl, type BedrockModel } from './models.js';
import { sentId, type ToolNames } from './tool-names.js';

/** One turn of Converse. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: readonly Block[];
}

/** The messages of chat in Converse's words. */
export interface Conversation {
  readonly system: readonly Block[];
  readonly messages: readonly Turn[];
  /** Whether it contains calls or results of tools. */
  readonly hasTools: boolean;
}

/** Inputs of the messages. */
export interface ConversationContext {
  readonly sent: SentRequest;
  readonly model: BedrockModel;
  readonly names: ToolNames;
  /** Whether signed thinking is sent back to Claude. */
  readonly keepsThinking: boolean;
}

/** Placeholder where the service requires text. */
const PLACEHOLDER = '.';
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];
/** Base64 of text that is base64 itself. */
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * @throws InvalidArgumentError for an invalid message; UnsupportedRequestError for parts that the
 * service does not accept
 */
export function conversationOf(messages: unknown, context: ConversationContext): Conversation {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new InvalidArgumentError('messages', messages, 'must be a non-empty array of messages');
  return new Turns(context).of(messages as readonly ChatMessage[]);
}

/** A turn that can continue. */
interface OpenTurn extends Turn {
  readonly content: Block[];
}

/** The user's part of a turn: the service wants all results of tools first. */
interface UserTurn {
  readonly results: Block[];
  readonly others: Block[];
}

class Turns {
  private readonly media: MediaBlocks;
  private readonly system: Block[] = [];
  private readonly turns: OpenTurn[] = [];
  private user: UserTurn | undefined = undefined;
  private assistant: Block[] | undefined = undefined;
  private readonly resultIds = new Set<string>();
  private hasTools = false;

  constructor(private readonly context: ConversationContext) {
    this.media = new MediaBlocks(context.sent);
  }

  of(messages: readonly ChatMessage[]): Conversation {
    for (const [at, message] of messages.entries()) this.add(message, `messages[${at}]`);
    this.endUser();
    this.endAssistant();
    const { system, turns, hasTools } = this;
    if (turns.length === 0 || turns[0].role === 'assistant') turns.unshift({ role: 'user', content: [{ text: PLACEHOLDER }] });
    return { system, messages: withoutLastSpace(turns), hasTools };
  }

  private add(message: ChatMessage, path: string): void {
    const role: unknown = (message as ChatMessage | null)?.role;
    if (role === 'system' || role === 'developer') {
      const isLeading = this.turns.length === 0 && this.user === undefined && this.assistant === undefined;
      if (isLeading) append(this.system, this.blocksOf(message, path));
      // Later ones stay in place: moved to the front they would invalidate the cache.
      else append(this.userTurn().others, this.blocksOf(message, path));
    } else if (role === 'user') append(this.userTurn().others, this.blocksOf(message, path));
    else if (role === 'tool') this.addResult(message, path);
    else if (role === 'assistant') this.addAssistant(message, path);
    else throw new InvalidArgumentError(`${path}.role`, role, `must be one of ${ROLES.join(', ')}`);
  }

  private userTurn(): UserTurn {
    this.endAssistant();
    return (this.user ??= { results: [], others: [] });
  }

  private endUser(): void {
    const { user } = this;
    if (user === undefined) return;
    const content = [...user.results, ...user.others];
    if (content.some((block) => 'document' in block) && !content.some((block) => 'text' in block)) {
      content.splice('cachePoint' in content[content.length - 1] ? -1 : content.length, 0, { text: PLACEHOLDER });
    }
    if (content.length > 0) this.push({ role: 'user', content });
    this.user = undefined;
    this.resultIds.clear();
  }

  private endAssistant(): void {
    const { assistant } = this;
    if (assistant === undefined) return;
    if (assistant.length > 0) this.push({ role: 'assistant', content: assistant });
    this.assistant = undefined;
  }

  /** A turn between two others may have been empty. */
  private push(turn: OpenTurn): void {
    const last = this.turns.at(-1);
    if (last?.role === turn.role) append(last.content, turn.content);
    else this.turns.push(turn);
  }

  private addResult(message: ChatMessage, path: string): void {
    const { tool_call_id: id, content, cache_control: mark, is_error: isError } = message as ChatMessage & { readonly is_error?: unknown };
    if (typeof id !== 'string' || id === '') throw new InvalidArgumentError(`${path}.tool_call_id`, id, 'must be the id of a tool call');
    const { results } = this.userTurn();
    this.hasTools = true;
    const toolUseId = sentId(id);
    // The service rejects a second result for the same id.
    if (this.resultIds.has(toolUseId)) return;
    this.resultIds.add(toolUseId);
    const blocks = typeof content === 'string' && content !== '' ? [{ text: content }] : this.blocksOf(message, path);
    const parts = blocks.filter((block) => !('cachePoint' in block));
    results.push({ toolResult: { toolUseId, content: parts, ...(isError === true && { status: 'error' }) } });
    const [point] = [...this.cachePoint(mark), ...blocks.filter((block) => 'cachePoint' in block)];
    if (point !== undefined) results.push(point);
  }

  private addAssistant(message: ChatMessage, path: string): void {
    this.endUser();
    const { thinking_blocks: thinking, tool_calls: calls } = message;
    const blocks = (this.assistant ??= []);
    const signed = Array.isArray(thinking) ? (thinking as readonly ThinkingBlock[]).flatMap((block) => this.reasoning(block)) : [];
    append(blocks, signed);
    append(blocks, this.blocksOf(message, path));
    if (calls === undefined || calls === null) return;
    if (!Array.isArray(calls)) throw new InvalidArgumentError(`${path}.tool_calls`, calls, 'must be an array');
    const ids = new Set<string>();
    for (const [at, call] of (calls as readonly ChatToolCall[]).entries()) {
      const use = this.toolUse(call, `${path}.tool_calls[${at}]`);
      if (ids.has(use.toolUseId)) continue;
      ids.add(use.toolUseId);
      blocks.push({ toolUse: use }, ...this.cachePoint((call as { readonly cache_control?: object }).cache_control));
    }
    this.hasTools ||= calls.length > 0;
  }

  private toolUse(call: ChatToolCall, path: string): { readonly toolUseId: string; readonly name: string; readonly input: object } {
    const { id, function: called } = (call as ChatToolCall | null) ?? ({} as Partial<ChatToolCall>);
    if (typeof id !== 'string' || id === '') throw new InvalidArgumentError(`${path}.id`, id, 'must be a non-empty string');
    const name: unknown = called?.name;
    if (typeof name !== 'string' || name === '')
      throw new InvalidArgumentError(`${path}.function.name`, name, 'must be the name of a function');
    return { toolUseId: sentId(id), name: this.context.names.sent(name), input: inputOf(called?.arguments, `${path}.function.arguments`) };
  }

  /** Claude alone takes its thinking back, and only signed. */
  private reasoning(block: ThinkingBlock | null): readonly Block[] {
    const { model, keepsThinking } = this.context;
    if (block === null || !keepsThinking || (model.family !== 'claude' && model.family !== 'unknown')) return [];
    const { type, thinking = '', signature, data } = block;
    if (type === 'redacted_thinking' && typeof data === 'string' && data !== '')
      return [{ reasoningContent: { redactedContent: wrapped(data) } }];
    if (type !== 'thinking' || typeof signature !== 'string' || signature === '') return [];
    return [{ reasoningContent: { reasoningText: { text: thinking, signature } } }];
  }

  /** The content of a message, with its cache marks. Blank texts are dropped: they are refused. */
  private blocksOf({ content, cache_control: mark }: ChatMessage, path: string): Block[] {
    if (content === undefined || content === null) return [];
    if (typeof content === 'string') return content.trim() === '' ? [] : [{ text: content }, ...this.cachePoint(mark)];
    if (!Array.isArray(content)) throw new InvalidArgumentError(`${path}.content`, content, 'must be a string or an array of parts');
    const blocks: Block[] = [];
    for (const [at, part] of (content as readonly ChatPart[]).entries()) {
      const block = this.blockOf(part, `${path}.content[${at}]`);
      if (block !== undefined) blocks.push(block, ...this.cachePoint(part.cache_control));
    }
    if (blocks.length > 0 && !('cachePoint' in blocks[blocks.length - 1])) blocks.push(...this.cachePoint(mark));
    return blocks;
  }

  private blockOf(part: ChatPart, path: string): Block | undefined {
    const type: unknown = (part as ChatPart | null)?.type;
    if (type === 'text' || type === 'guarded_text') {
      const { text } = part;
      if (typeof text !== 'string') throw new InvalidArgumentError(`${path}.text`, text, 'must be a string');
      if (text.trim() === '') return undefined;
      return type === 'text' ? { text } : { guardContent: { text: { text } } };
    }
    if (type === 'refusal') return typeof part.refusal === 'string' && part.refusal.trim() !== '' ? { text: part.refusal } : undefined;
    if (type === 'image_url') return this.media.image(part, path);
    if (type === 'file') return this.media.file(part, path);
    if (type === 'input_audio') return this.media.audio(part, path);
    if (type === 'document') return this.media.document(part, path);
    if (typeof type !== 'string') throw new InvalidArgumentError(`${path}.type`, type, 'must be a string');
    const { provider } = this.context.sent;
    throw new UnsupportedRequestError({
      param: path,
      provider,
      reason: `${provider} does not support content parts of type ${type}`,
      remedy: 'remove it',
    });
  }

  private cachePoint(mark: object | null | undefined): readonly Block[] {
    return cachePointOf(mark, this.context.model);
  }
}

/** Where a prompt is cached up to. Dropped for models without caches: it changes no answer. */
export function cachePointOf(mark: object | null | undefined, model: BedrockModel): readonly Block[] {
  if (mark === undefined || mark === null || !hasCachePoints(model)) return [];
  const { ttl } = mark as { readonly ttl?: unknown };
  const isKept = (ttl === '5m' || ttl === '1h') && hasCacheTtl(model);
  return [{ cachePoint: isKept ? { type: 'default', ttl } : { type: 'default' } }];
}

/** The arguments of a call, which the service wants as an object. */
function inputOf(written: unknown, path: string): object {
  if (written === undefined || written === null || (typeof written === 'string' && written.trim() === '')) return {};
  const input = objectIn(written as string);
  if (input !== undefined) return input;
  throw new InvalidArgumentError(path, written, 'must be a string with a JSON object');
}

/** `redactedContent` is the base64 of Claude's own text, which is base64 itself. */
function wrapped(data: string): string {
  return isWrapped(data) ? data : Buffer.from(data).toString('base64');
}

/** Claude's own text of a redacted block. */
export function unwrapped(content: string): string {
  return isWrapped(content) ? Buffer.from(content, 'base64').toString('latin1') : content;
}

function isWrapped(content: string): boolean {
  return BASE64.test(content) && BASE64.test(Buffer.from(content, 'base64').toString('latin1'));
}

/** Claude refuses an answer to continue that ends with whitespace. */
function withoutLastSpace(turns: readonly Turn[]): readonly Turn[] {
  const last = turns[turns.length - 1];
  const { text } = last.content[last.content.length - 1];
  if (last.role === 'user' || typeof text !== 'string') return turns;
  return [...turns.slice(0, -1), { ...last, content: [...last.content.slice(0, -1), { text: text.trimEnd() }] }];
}

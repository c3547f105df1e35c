import { type Fields, asString, fieldsOf, isObject, jsonIn } from '../../common/objects.js';
import { append } from '../../common/collections.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { inlineDataIn } from '../data-url.js';
import type { SentRequest } from '../protocol.js';
import { toolIdOf, type ToolNames } from './tool-names.js';
import { type Block, type Turn } from './blocks.js';

/** How messages are written. */
export interface ConversationContext {
  readonly sent: SentRequest;
  readonly names: ToolNames;
  /** Whether system messages may stand between others. */
  readonly midSystem: boolean;
  /** Whether images and documents may be given by their address. */
  readonly takesUrls: boolean;
  /** Whether blocks of thinking are sent back. */
  readonly keepsThinking: boolean;
}

/** Messages in Anthropic's words. */
export interface Conversation {
  readonly system: readonly Block[];
  readonly messages: readonly Turn[];
  /** Whether it has calls of tools, or their results. */
  readonly hasTools: boolean;
  /** Whether it names files that were uploaded to Anthropic. */
  readonly hasFiles: boolean;
}

/** Stands where Anthropic wants a message that the client does not have. */
const PLACEHOLDER: Block = { type: 'text', text: '.' };
const IMAGES = /^image\/(?:jpeg|png|gif|webp)$/;
/** Anthropic's own parts: they pass as they are. */
const OWN_PARTS = new Set(['document', 'image', 'search_result', 'container_upload']);

/** @throws InvalidArgumentError, UnsupportedRequestError naming the message and its part */
export function conversationOf(messages: unknown, context: ConversationContext): Conversation {
  if (!Array.isArray(messages)) throw new InvalidArgumentError('messages', messages, 'must be an array');
  const writer = new ConversationWriter(context);
  for (let at = 0; at < messages.length; at++) writer.add(messages[at], `messages[${at}]`);
  return writer.done();
}

/** Whether the model's last calls of tools came without the thinking that led to them. */
export function lacksThinking(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  const last: unknown = messages.findLast((message) => fieldsOf(message).role === 'assistant');
  const { tool_calls: calls, thinking_blocks: blocks, content } = fieldsOf(last);
  return Array.isArray(calls) && calls.length > 0 && thinkingOf(blocks).length === 0 && thinkingOf(content).length === 0;
}

class ConversationWriter {
  private readonly system: Block[] = [];
  private readonly turns: Turn[] = [];
  /** The user's turn that is being written: results of tools come before all else. */
  private readonly results = new Map<string, Block>();
  private user: Block[] = [];
  private instructions: Block[] = [];
  private hasUser = false;
  private assistant: Block[] = [];
  private hasTools = false;
  private hasFiles = false;

  constructor(private readonly context: ConversationContext) {}

  add(message: unknown, path: string): void {
    if (!isObject(message)) throw new InvalidArgumentError(path, message, 'must be an object');
    const { role } = message;
    if (role === 'system' || role === 'developer') this.addSystem(message, path);
    else if (role === 'user') this.addUser(message, path);
    else if (role === 'tool') this.addResult(message, path);
    else if (role === 'assistant') this.addAssistant(message, path);
    else throw new InvalidArgumentError(`${path}.role`, role, 'must be system, developer, user, assistant or tool');
  }

  done(): Conversation {
    this.endAssistant(true);
    this.endUser();
    const { system, turns, hasTools, hasFiles } = this;
    if (turns[0]?.role !== 'user') turns.unshift({ role: 'user', content: [PLACEHOLDER] });
    return { system, messages: turns, hasTools, hasFiles };
  }

  /** Leading ones are the prompt's. Later ones stay: moving them there would break caches. */
  private addSystem(message: Fields, path: string): void {
    const blocks = this.textsOf(message, path);
    if (blocks.length === 0) return;
    const isFirst = this.turns.length === 0 && !this.hasUser && this.assistant.length === 0;
    if (isFirst) append(this.system, blocks);
    else if (this.context.midSystem) {
      this.endAssistant();
      append(this.instructions, blocks);
    } else this.say(blocks);
  }

  private addUser(message: Fields, path: string): void {
    this.say(this.blocksOf(message, path));
  }

  private say(blocks: readonly Block[]): void {
    this.endAssistant();
    this.hasUser = true;
    append(this.user, blocks);
  }

  private addResult(message: Fields, path: string): void {
    const { tool_call_id: id, is_error: isError, content } = message;
    if (typeof id !== 'string') throw new InvalidArgumentError(`${path}.tool_call_id`, id, 'must be a string');
    this.say([]);
    this.hasTools = true;
    const blocks = typeof content === 'string' ? content : this.blocksOf({ ...message, cache_control: undefined }, path);
    const said = blocks.length > 0 ? blocks : '';
    const result = { type: 'tool_result', tool_use_id: toolIdOf(id), content: said, ...(isError === true && { is_error: true }) };
    this.results.set(result.tool_use_id, marked(result, message));
  }

  private addAssistant(message: Fields, path: string): void {
    const { content, tool_calls: calls, provider_specific_fields: own } = message;
    const blocks = this.context.keepsThinking ? [...thinkingOf(message.thinking_blocks), ...thinkingOf(content)] : [];
    append(blocks, serverBlocks(fieldsOf(own)));
    append(blocks, this.textsOf(message, path));
    if (Array.isArray(calls)) calls.forEach((call, at) => blocks.push(this.callOf(call, `${path}.tool_calls[${at}]`)));
    // Without it, the user turns before and after it would be merged.
    if (blocks.length === 0) return;
    this.endUser();
    append(this.assistant, blocks);
  }

  private callOf(call: unknown, path: string): Block {
    const fields = fieldsOf(call);
    const { name, arguments: input } = fieldsOf(fields.function);
    if (typeof name !== 'string') throw new InvalidArgumentError(`${path}.function.name`, name, 'must be a string');
    this.hasTools = true;
    const id = toolIdOf(typeof fields.id === 'string' ? fields.id : '');
    const block = { type: 'tool_use', id, name: this.context.names.of(name), input: inputOf(input, `${path}.function.arguments`) };
    return marked(block, fields);
  }

  private endUser(): void {
    const { results, user, instructions } = this;
    // There is no user turn that they could follow.
    if (!this.hasUser) append(user, instructions.splice(0));
    const content = [...results.values(), ...user];
    if (content.length > 0 || this.hasUser) this.turns.push({ role: 'user', content: content.length > 0 ? content : [PLACEHOLDER] });
    if (instructions.length > 0) this.turns.push({ role: 'system', content: instructions });
    results.clear();
    this.user = [];
    this.instructions = [];
    this.hasUser = false;
  }

  /** @param isLast Anthropic continues a last message, which must not end with whitespace. */
  private endAssistant(isLast = false): void {
    const content = this.assistant;
    if (content.length === 0) return;
    const end = content.at(-1);
    if (isLast && end?.type === 'text') content[content.length - 1] = { ...end, text: (end.text as string).trimEnd() };
    this.turns.push({ role: 'assistant', content });
    this.assistant = [];
  }

  /** The texts of a message that has nothing else. */
  private textsOf(message: Fields, path: string): Block[] {
    const { content, role } = message;
    if (!Array.isArray(content)) return textBlocks(content, `${path}.content`, message);
    const blocks = content.flatMap((part: unknown, at) => {
      const fields = fieldsOf(part);
      const { type, text, refusal } = fields;
      if (type === 'text') return textBlocks(text, `${path}.content[${at}].text`, fields);
      if (role === 'assistant' && type === 'refusal') return textBlocks(refusal, `${path}.content[${at}].refusal`, fields);
      if (role === 'assistant' && (type === 'thinking' || type === 'redacted_thinking')) return [];
      if (role === 'assistant' && isServerBlock(fields)) return [fields];
      throw this.unsupported(`${path}.content[${at}]`, `accepts only text in ${String(role)} messages`);
    });
    return markedLast(blocks, message);
  }

  private blocksOf(message: Fields, path: string): Block[] {
    const { content } = message;
    if (!Array.isArray(content)) return textBlocks(content, `${path}.content`, message);
    const blocks = content.flatMap((part: unknown, at) => this.partOf(fieldsOf(part), `${path}.content[${at}]`));
    return markedLast(blocks, message);
  }

  private partOf(part: Fields, path: string): Block[] {
    const { type } = part;
    if (type === 'text') return textBlocks(part.text, `${path}.text`, part);
    if (type === 'image_url') return [marked(this.imageOf(part.image_url, `${path}.image_url`), part)];
    if (type === 'file') return [marked(this.fileOf(fieldsOf(part.file), `${path}.file`), part)];
    if (typeof type === 'string' && OWN_PARTS.has(type)) return [part as Block];
    throw this.unsupported(path, `does not support parts of type ${typeof type === 'string' ? type.slice(0, 40) : typeof type}`);
  }

  private imageOf(image: unknown, path: string): Block {
    const { url, format } = typeof image === 'string' ? { url: image, format: undefined } : fieldsOf(image);
    if (typeof url !== 'string') throw new InvalidArgumentError(path, image, 'must have a url');
    const inline = inlineDataIn(url);
    if (inline !== undefined) return this.inline(asString(format) ?? inline.mediaType, inline.data, path);
    const type = format === 'application/pdf' || /\.pdf$/i.test(url) ? 'document' : 'image';
    return { type, source: this.addressed(url, path) };
  }

  private fileOf(file: Fields, path: string): Block {
    const { file_data: data, file_id: id, filename, format } = file;
    if (typeof data === 'string') {
      const { mediaType, data: base64 } = inlineDataIn(data) ?? { mediaType: 'application/pdf', data };
      const block = this.inline(asString(format) ?? mediaType, base64, `${path}.file_data`);
      return block.type === 'document' && typeof filename === 'string' ? { ...block, title: filename } : block;
    }
    if (typeof id !== 'string') throw new InvalidArgumentError(path, file, 'must have file_data or file_id');
    if (/^https?:/.test(id)) return { type: 'document', source: this.addressed(id, `${path}.file_id`) };
    this.hasFiles = true;
    const type = typeof format === 'string' && format.startsWith('image/') ? 'image' : 'document';
    return { type, source: { type: 'file', file_id: id } };
  }

  private inline(mediaType: string, data: string, path: string): Block {
    const type = mediaType === 'image/jpg' ? 'image/jpeg' : mediaType;
    if (IMAGES.test(type)) return { type: 'image', source: { type: 'base64', media_type: type, data } };
    if (type === 'application/pdf') return { type: 'document', source: { type: 'base64', media_type: type, data } };
    if (type.startsWith('text/')) {
      const text = Buffer.from(data, 'base64').toString('utf8');
      return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text } };
    }
    throw this.unsupported(path, 'accepts only JPEG, PNG, GIF, WebP, PDF and text');
  }

  private addressed(url: string, path: string): Block {
    if (!this.context.takesUrls) throw this.unsupported(path, 'accepts images and documents only as base64 data URLs');
    if (/^https:\/\//i.test(url)) return { type: 'url', url };
    throw this.unsupported(path, 'accepts only https URLs and base64 data URLs');
  }

  private unsupported(param: string, reason: string): UnsupportedRequestError {
    const { provider, model } = this.context.sent;
    return new UnsupportedRequestError({
      param,
      provider,
      reason: `${provider} ${reason}`,
      remedy: `change it, or call a model other than ${model}`,
    });
  }
}

/** Blank texts are refused by Anthropic. */
function textBlocks(text: unknown, path: string, source: Fields): Block[] {
  if (text === undefined || text === null) return [];
  if (typeof text !== 'string') throw new InvalidArgumentError(path, text, 'must be a string');
  return /\S/.test(text) ? [marked({ type: 'text', text }, source)] : [];
}

/** With the cache mark of its source. */
function marked(block: Block, { cache_control: mark }: Fields): Block {
  return isObject(mark) ? { ...block, cache_control: mark } : block;
}

/** The mark of a message is that of its last block. */
function markedLast(blocks: Block[], message: Fields): Block[] {
  const last = blocks.at(-1);
  if (last !== undefined) blocks[blocks.length - 1] = marked(last, message);
  return blocks;
}

function inputOf(input: unknown, path: string): Fields {
  if (input === undefined || input === null || input === '') return {};
  const value = typeof input === 'string' ? jsonIn(input) : input;
  if (isObject(value)) return value;
  throw new InvalidArgumentError(path, input, 'must be a JSON object');
}

/**
 * Blocks of thinking that Anthropic can verify: with a signature, or redacted. Pieces of a stream
 * that were only collected are put together: the signature ends a block.
 */
function thinkingOf(blocks: unknown): Block[] {
  if (!Array.isArray(blocks)) return [];
  const whole: Block[] = [];
  let thinking = '';
  for (const block of blocks) {
    const { type, thinking: text, signature, data } = fieldsOf(block);
    if (type === 'redacted_thinking' && typeof data === 'string') whole.push({ type, data });
    if (type !== 'thinking') continue;
    if (typeof text === 'string') thinking += text;
    if (typeof signature !== 'string' || signature === '') continue;
    whole.push({ type, thinking, signature });
    thinking = '';
  }
  return whole;
}

/** Calls and results of Anthropic's own tools in an answer: each call before its result. */
function serverBlocks({ server_tool_calls: calls, web_search_results: web, tool_results: others }: Fields): Block[] {
  if (!Array.isArray(calls)) return [];
  const results = new Map<unknown, Block>();
  for (const list of [web, others])
    if (Array.isArray(list)) for (const each of list.map(fieldsOf).filter(isServerBlock)) results.set(each.tool_use_id, each);
  return calls.flatMap((call: unknown) => {
    const { id, function: called } = fieldsOf(call);
    const result = results.get(id);
    const { name, arguments: input } = fieldsOf(called);
    if (typeof id !== 'string' || typeof name !== 'string' || result === undefined) return [];
    return [{ type: 'server_tool_use', id, name, input: inputOf(input, 'server_tool_calls') }, result];
  });
}

function isServerBlock(part: Fields): part is Block {
  return typeof part.type === 'string' && (part.type === 'server_tool_use' || part.type.endsWith('_tool_result'));
}

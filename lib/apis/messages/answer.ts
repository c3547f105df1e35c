import { randomUUID } from 'node:crypto';
import { fieldsOf, type Fields, objectIn } from '../../common/objects.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { ChatMessage, ChatToolCall, ThinkingBlock } from '../../providers/openai/chat-types.js';
import { cutToolNames } from './tools.js';

/** Fields of a request that its answer needs. */
export interface AnswerContext {
  readonly model: string;
  readonly stopSequences: readonly string[];
  /** The client's names of tools, by those that chat has. */
  readonly toolNames: ReadonlyMap<string, string>;
}

export function answerContext({ model, stop_sequences: stops, tools }: ModelRequest): AnswerContext {
  const stopSequences = Array.isArray(stops) ? (stops as readonly unknown[]).filter((stop) => typeof stop === 'string') : [];
  return { model, stopSequences, toolNames: cutToolNames(tools) };
}

/** A choice of a chat completion: `finish_reason`, and what vLLM says of the stop sequence. */
export interface ChatChoice {
  readonly message?: (ChatMessage & { readonly reasoning?: unknown; readonly refusal?: unknown }) | null;
  readonly finish_reason?: unknown;
  readonly stop_reason?: unknown;
}

/**
 * A chat completion as a message.
 * @throws Error for anything but a chat completion
 */
export function messageOf(completion: Buffer, context: AnswerContext): object {
  const chat = JSON.parse(completion.toString('utf8')) as {
    readonly id?: unknown;
    readonly model?: unknown;
    readonly choices?: readonly ChatChoice[];
    readonly usage?: unknown;
  };
  const choice = chat.choices?.[0];
  if (choice?.message === undefined || choice.message === null) throw new TypeError('the chat completion has no message');
  const { message } = choice;
  const calls = message.tool_calls ?? [];
  const refusal = textIn(message.refusal);
  const content = [
    ...thinkingBlocks(message),
    ...[textIn(message.content), refusal].filter((text) => text !== '').map((text) => ({ type: 'text', text })),
    ...calls.filter((call) => textIn(call.function?.name) !== '').map((call) => toolUse(call, context)),
  ];
  return {
    ...messageHead(chat, context),
    content,
    ...stopOf({ ...choice, hasCalls: calls.length > 0, isRefused: refusal !== '' }, context),
    usage: usageOf(chat.usage),
  };
}

/** The fields of a message that are known at its beginning. */
export function messageHead({ id, model }: Fields, context: AnswerContext): Fields {
  const named = typeof model === 'string' && model !== '' ? model : context.model;
  return { id: messageId(id), type: 'message', role: 'assistant', model: named };
}

/** `chatcmpl-123` becomes `msg_123`. */
function messageId(id: unknown): string {
  const own = typeof id === 'string' ? id.replace(/^(?:chatcmpl-|msg_)/, '') : '';
  return `msg_${own === '' ? randomUUID().replaceAll('-', '') : own}`;
}

export function toolUseId(id: unknown): string {
  return typeof id === 'string' && id !== '' ? id : `toolu_${randomUUID().replaceAll('-', '')}`;
}

/** Signed blocks as they came, else the text of the thinking, unsigned. */
function thinkingBlocks({ thinking_blocks: blocks, reasoning_content: text, reasoning }: NonNullable<ChatChoice['message']>): object[] {
  if (Array.isArray(blocks) && blocks.length > 0) return (blocks as readonly ThinkingBlock[]).map(thinkingBlock);
  const thinking = textIn(text) || textIn(reasoning);
  return thinking === '' ? [] : [{ type: 'thinking', thinking, signature: '' }];
}

function thinkingBlock({ type, thinking, signature, data }: ThinkingBlock): object {
  if (type === 'redacted_thinking') return { type, data: data ?? '' };
  return { type: 'thinking', thinking: thinking ?? '', signature: signature ?? '' };
}

function toolUse({ id, function: { name, arguments: json } }: ChatToolCall, { toolNames }: AnswerContext): object {
  return { type: 'tool_use', id: toolUseId(id), name: toolNames.get(name) ?? name, input: inputOf(json) };
}

/**
 * The arguments of a call. Truncated arguments, and values that are not objects, become empty,
 * because Anthropic's are always objects.
 */
function inputOf(json: unknown): object {
  return typeof json === 'object' && json !== null ? json : (objectIn(json as string) ?? {});
}

/** The text of a message's content, which Mistral and others return as parts. */
export function textIn(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly (Fields | null)[]).map((part) => (part?.type === 'text' ? textIn(part.text) : '')).join('');
}

/** How a chat answer ended. */
export interface ChatEnding extends Pick<ChatChoice, 'finish_reason' | 'stop_reason'> {
  readonly hasCalls: boolean;
  readonly isRefused: boolean;
}

/** The fields of a message that has not ended. */
export const NOT_STOPPED = { stop_reason: null, stop_sequence: null, stop_details: null };
const REFUSAL = { type: 'refusal', category: null, explanation: null };

/** Some providers finish with `stop` although the model calls tools. */
export function stopOf({ finish_reason: finish, stop_reason: stop, hasCalls, isRefused }: ChatEnding, context: AnswerContext): Fields {
  if (finish === 'length') return { ...NOT_STOPPED, stop_reason: 'max_tokens' };
  if (finish === 'content_filter' || (isRefused && !hasCalls)) return { ...NOT_STOPPED, stop_reason: 'refusal', stop_details: REFUSAL };
  if (hasCalls) return { ...NOT_STOPPED, stop_reason: 'tool_use' };
  if (typeof stop !== 'string' || !context.stopSequences.includes(stop)) return { ...NOT_STOPPED, stop_reason: 'end_turn' };
  return { ...NOT_STOPPED, stop_reason: 'stop_sequence', stop_sequence: stop };
}

/** Anthropic's usage. Its input excludes tokens read from or written to the cache. */
export function usageOf(usage: unknown): Fields {
  const fields = fieldsOf(usage);
  const inPrompt = fieldsOf(fields.prompt_tokens_details);
  const read = tokens(inPrompt.cached_tokens) || tokens(fields.cache_read_input_tokens) || tokens(fields.prompt_cache_hit_tokens);
  const written = tokens(fields.cache_creation_input_tokens) || tokens(inPrompt.cache_creation_tokens);
  const thought = tokens(fieldsOf(fields.completion_tokens_details).reasoning_tokens);
  return {
    input_tokens: Math.max(0, tokens(fields.prompt_tokens) - read - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: tokens(fields.completion_tokens),
    ...(thought > 0 && { output_tokens_details: { thinking_tokens: thought } }),
  };
}

function tokens(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}

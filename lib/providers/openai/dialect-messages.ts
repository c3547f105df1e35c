import { createHash } from 'node:crypto';
import { isObject, type Fields } from '../../common/objects.js';
import type { CallIds, MessageRules } from './dialect.js';
import { without } from './tools.js';
import { withoutToolMedia } from './tool-media.js';

/** Settings for writing messages. */
export interface MessageContext {
  readonly rules: MessageRules;
  /** Whether marks for the prompt cache are kept. */
  readonly isMarked: boolean;
  readonly isThinking: boolean;
  /** The text that a string in the messages refers to (`RawField`). */
  readonly textOf: (text: string) => string;
}

interface IdContext extends Pick<MessageContext, 'textOf'> {
  readonly callIds: CallIds;
}

/** Fields that other protocols' answers add to a message, for the way back to their provider. */
const OF_OTHERS = ['thinking_blocks', 'reasoning_items', 'provider_specific_fields', 'is_error'] as const;
const MARK = 'cache_control';
/** LiteLLM's mark of a thought signature within the id of a Gemini tool call. */
const SIGNATURE = '__thought__';
/** OpenAI's own limit. */
const OPENAI_IDS: CallIds = { matches: /^[^]{0,40}$/, length: 32 };
const ANSWER = { role: 'assistant', content: 'OK.' };
/** DeepSeek's and Moonshot's least text of a lost thinking. */
const LOST = ' ';

/**
 * Messages in a provider's dialect; the same list if nothing changes. Invalid messages are kept, so
 * that the provider rejects them.
 */
export function dialectMessages(messages: unknown, context: MessageContext): unknown {
  if (!Array.isArray(messages)) return messages;
  const { rules } = context;
  let plain = 0;
  while (plain < messages.length && isPlain(messages[plain], rules)) plain++;
  if (plain === messages.length) return messages;
  const written = withoutToolMedia(messages, context.textOf).map((message) => (isObject(message) ? messageIn(message, context) : message));
  const { dropsEmpty, answersTools } = rules;
  const kept = dropsEmpty === true ? written.filter((message) => !isEmpty(message)) : written;
  const all = answersTools === true ? kept.flatMap((message, at) => answered(message, kept[at - 1])) : kept;
  return all.length === messages.length && all.every((message, at) => message === messages[at]) ? messages : all;
}

/** With an answer of the assistant between results of tools and a user's message. */
function answered(message: unknown, before: unknown): unknown[] {
  const isBehindTool = isObject(before) && before.role === 'tool';
  return isBehindTool && isObject(message) && message.role === 'user' ? [ANSWER, message] : [message];
}

/** As most messages are: a role that stays, and a text. No rule changes them. */
function isPlain(message: unknown, { roles, needsReasoning }: MessageRules): boolean {
  if (typeof message !== 'object' || message === null) return false;
  const { role, content } = message as Fields;
  if (typeof content !== 'string' || content === '' || typeof role !== 'string') return false;
  for (const key in message) if (key !== 'role' && key !== 'content') return false;
  return (roles === undefined || !Object.hasOwn(roles, role)) && (role !== 'assistant' || needsReasoning === undefined);
}

function messageIn(message: Fields, context: MessageContext): Fields {
  return isPlain(message, context.rules) ? message : messageBy(message, context);
}

function messageBy(message: Fields, context: MessageContext): Fields {
  const { rules, isMarked, isThinking, textOf } = context;
  const { roles = {}, named, strings, lacks = [], dropsNulls, needsReasoning, callIds = OPENAI_IDS } = rules;
  const { role } = message;
  const isNamed = named === undefined || named.some((each) => each === role);
  let own = without(message, [...OF_OTHERS, ...lacks, ...(isMarked ? [] : [MARK]), ...(isNamed ? [] : ['name'])]);
  if (typeof role === 'string' && Object.hasOwn(roles, role)) own = { ...own, role: roles[role] };
  const isString = strings?.includes(String(own.role)) === true;
  const content = contentIn(own.content, isMarked, isString ? textOf : undefined);
  if (content !== own.content) own = { ...own, content };
  if (Array.isArray(own.tool_calls)) own = withCalls(own, own.tool_calls, { callIds, textOf });
  const id = sentId(own.tool_call_id, { callIds, textOf });
  if (id !== own.tool_call_id) own = { ...own, tool_call_id: id };
  if (role !== 'assistant') return own;
  if (dropsNulls === true) own = without(own, nullsIn(own));
  if (rules.replaysThinking === true) own = withThinking(own, message.reasoning_content, textOf);
  return needsReasoning === undefined ? own : withReasoning(own, message, needsReasoning === 'when thinking' ? isThinking : hasCalls(own));
}

/** @param textOf for content that has to be one text */
function contentIn(content: unknown, isMarked: boolean, textOf: MessageContext['textOf'] | undefined): unknown {
  if (!Array.isArray(content)) return content;
  const parts = content as readonly unknown[];
  if (textOf !== undefined && parts.length > 0 && parts.every(isText)) return parts.map(({ text }) => textOf(text)).join('');
  if (isMarked || !parts.some((part) => isObject(part) && MARK in part)) return parts;
  return parts.map((part) => (isObject(part) ? without(part, [MARK]) : part));
}

function isText(part: unknown): part is { readonly text: string } {
  return isObject(part) && part.type === 'text' && typeof part.text === 'string';
}

/** Without a position, which belongs to streams, and what Gemini's answers add. */
function withCalls(message: Fields, calls: readonly unknown[], context: IdContext): Fields {
  const written = calls.map((call) => {
    if (!isObject(call)) return call;
    const own = without(call, ['index', 'provider_specific_fields']);
    const id = sentId(own.id, context);
    const called = isObject(own.function) ? without(own.function, ['provider_specific_fields']) : own.function;
    return id === own.id && called === own.function ? own : { ...own, id, function: called };
  });
  return written.every((call, at) => call === calls[at]) ? message : { ...message, tool_calls: written };
}

/** Without Gemini's signature. An id of another provider may not be one here. */
function sentId(id: unknown, { callIds, textOf }: IdContext): unknown {
  if (typeof id !== 'string') return id;
  const whole = textOf(id);
  const at = whole.indexOf(SIGNATURE);
  const own = at <= 0 ? whole : whole.slice(0, at);
  if (!callIds.matches.test(own)) return createHash('sha256').update(own).digest('hex').slice(0, callIds.length);
  return own === whole ? id : own;
}

function nullsIn(message: Fields): readonly string[] {
  return Object.keys(message).filter((key) => message[key] === null || message[key] === undefined);
}

function hasCalls({ tool_calls: calls }: Fields): boolean {
  return Array.isArray(calls) && calls.length > 0;
}

function withReasoning(own: Fields, { provider_specific_fields: kept }: Fields, isNeeded: boolean): Fields {
  if (!isNeeded || (typeof own.reasoning_content === 'string' && own.reasoning_content !== '')) return own;
  const found = isObject(kept) && typeof kept.reasoning_content === 'string' ? kept.reasoning_content : '';
  return { ...own, reasoning_content: found === '' ? LOST : found };
}

/** As Mistral's own answers have it. */
function withThinking(own: Fields, thinking: unknown, textOf: MessageContext['textOf']): Fields {
  if (typeof thinking !== 'string' || textOf(thinking).trim() === '') return own;
  const { content } = own;
  const parts: readonly unknown[] =
    typeof content === 'string' ? (content === '' ? [] : [{ type: 'text', text: content }]) : Array.isArray(content) ? content : [];
  return { ...own, content: [{ type: 'thinking', thinking: [{ type: 'text', text: thinking }], closed: true }, ...parts] };
}

function isEmpty(message: unknown): boolean {
  if (!isObject(message) || message.role !== 'assistant' || hasCalls(message) || message.function_call !== undefined) return false;
  const { content } = message;
  return content === undefined || content === null || content === '' || (Array.isArray(content) && content.length === 0);
}

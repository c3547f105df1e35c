import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { countContent } from './content-parts.js';
import { countParts } from './gemini-parts.js';
import { countJson, countString, type PromptContext } from './prompt-context.js';
import type { ModelFacts } from '../models.js';
import { countToolChoice, countTools, type Tool, type ToolChoice } from './tools.js';

/**
 * A chat message in the format of OpenAI, Anthropic or Gemini (`parts`). A structural type, so that
 * the types of any SDK are assignable.
 */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly name?: string;
  readonly [field: string]: unknown;
}

/** Parts of a prompt besides its messages. */
export interface ChatTools {
  readonly tools?: readonly Tool[] | null;
  readonly toolChoice?: ToolChoice;
  /** Renders the model's chat template, as is done with tools. */
  readonly template?: boolean;
  /** Default: whether one of the messages is a system message. */
  readonly hasSystemMessage?: boolean;
}

/** Every reply starts with `<|start|>assistant<|message|>`. */
export const REPLY_PRIMING = 3;

/** Tokens of the start of the prompt and of the reply. */
export function promptOverhead({ chat }: ModelFacts): number {
  return chat?.prompt ?? REPLY_PRIMING;
}

/** Tokens around the contents of a message; the role is among them where a model has `chat`. */
export function messageOverhead(role: unknown, { chat, tokensPerMessage }: ModelFacts): number {
  if (chat === undefined) return tokensPerMessage;
  if (role === 'system' || role === 'developer') return chat.system;
  return role === 'assistant' || role === 'model' ? chat.assistant : chat.user;
}

/**
 * Counts the prompt tokens of a chat by OpenAI's cookbook ("How to count tokens with tiktoken"): 3
 * for each message, 1 for each `name`, 3 to prime the reply, and the text of every string field. Of
 * `tool_calls` and `function_call` the arguments count, as in LiteLLM. A model with its own
 * tokenizer has the overhead of its family's chat template instead.
 *
 * @throws InvalidArgumentError naming the field (`messages[2].content[1].type`).
 */
export function countMessages(messages: readonly ChatMessage[], context: PromptContext, given: ChatTools = {}): number {
  if (!Array.isArray(messages)) throw new InvalidArgumentError('messages', messages, 'must be an array of messages');
  const { isChatAssumed } = context.model;
  const isRendered = given.template === true || (given.tools?.length ?? 0) > 0 || isChatAssumed;
  const rendered = isRendered ? renderedChat(messages, context, given) : undefined;
  if (rendered !== undefined) return rendered;
  if (isChatAssumed) context.assumed = true;
  let tokens = promptOverhead(context.model);
  if (context.reads !== undefined) context.reads.messages = messages;
  for (let i = 0; i < messages.length; i++) tokens += countMessage(messages[i] as ChatMessage, i, context);
  const { tools, toolChoice } = given;
  if (tools !== undefined && tools !== null) {
    const { hasSystemMessage = messages.some(isSystemMessage) } = given;
    tokens += countTools({ tools, hasSystemMessage }, context);
  }
  return toolChoice === undefined ? tokens : tokens + countToolChoice(toolChoice, context);
}

/**
 * By the model's template, where the chat can be rendered; otherwise what follows is an estimate.
 */
function renderedChat(messages: readonly ChatMessage[], context: PromptContext, { tools, template }: ChatTools): number | undefined {
  if (context.rendered === undefined) {
    if (template === true) throw new InvalidArgumentError('template', template, 'requires a model whose tokenizer has a chat template');
    return undefined;
  }
  const tokens = context.rendered(messages, tools);
  if (tokens === undefined) context.assumed = true;
  else {
    context.reads?.note('whole', messages);
    context.reads?.note('whole', tools);
  }
  return tokens;
}

/** Whether tools cost less next to this message: in LiteLLM not next to a `developer` message. */
export function isSystemMessage({ role }: ChatMessage): boolean {
  return role === 'system';
}

/** Tokens of one message, without the priming of the reply, so that counts of messages add up. */
export function countMessage(message: ChatMessage, index: number, context: PromptContext): number {
  if (!isObject(message)) throw new InvalidArgumentError(`messages[${index}]`, message, 'must be an object');
  const { chat, tokensPerMessage } = context.model;
  let tokens = chat === undefined ? tokensPerMessage : messageOverhead(message.role, context.model);
  if (context.reads !== undefined) {
    if (isPlainMessage(message)) {
      // Without notes for `PromptRest`, which passes over plain messages.
      const { count, long } = context;
      const { role, content } = message;
      if (chat === undefined) tokens += long?.count(role) ?? count(role);
      return tokens + (long?.count(content) ?? count(content));
    }
    context.reads.note('part', message);
    context.reads.areMessagesPlain = false;
  }
  for (const field in message) {
    const value = message[field];
    if (chat !== undefined && (field === 'role' || field === 'name')) {
      // Templates have the role among the overhead, and no names.
      if (field === 'role' && typeof value === 'string' && value.length <= LONGEST_ROLE) context.reads?.text(value);
    } else if (typeof value === 'string') {
      tokens += countString(value, context);
      if (field === 'name') tokens += context.model.tokensPerName;
    } else if (value === null || value === undefined) {
      continue;
    } else if (field === 'content') {
      tokens += countContent(value, `messages[${index}].content`, context);
    } else if (field === 'parts' && (message.content ?? undefined) === undefined) {
      tokens += countParts(value, `messages[${index}].parts`, context);
    } else if (field === 'tool_calls') {
      tokens += countToolCalls(value, `messages[${index}].tool_calls`, context);
    } else if (field === 'function_call' && isObject(value)) {
      context.reads?.note('part', value);
      tokens += countJson(value.arguments, `messages[${index}].function_call.arguments`, context);
    }
  }
  return tokens;
}

/** A message of a role and a text alone, like most: all of it is counted. */
interface PlainMessage extends ChatMessage {
  readonly content: string;
}

const LONGEST_ROLE = 64;

function isPlainMessage(message: ChatMessage): message is PlainMessage {
  for (const field in message) if (field !== 'role' && field !== 'content') return false;
  const { role, content } = message;
  return typeof role === 'string' && role.length <= LONGEST_ROLE && typeof content === 'string';
}

function countToolCalls(calls: unknown, path: string, context: PromptContext): number {
  if (!Array.isArray(calls)) throw new InvalidArgumentError(path, calls, 'must be an array');
  let tokens = 0;
  for (let i = 0; i < calls.length; i++) {
    const call: unknown = calls[i];
    if (!isObject(call)) throw new InvalidArgumentError(`${path}[${i}]`, call, 'must be an object');
    context.reads?.note('part', call);
    context.reads?.note('part', call.function ?? call.custom);
    // A string in OpenAI's API, an object in Ollama's.
    if (isObject(call.function)) tokens += countJson(call.function.arguments, `${path}[${i}].function.arguments`, context);
    else if (isObject(call.custom)) tokens += countJson(call.custom.input, `${path}[${i}].custom.input`, context);
    else throw new InvalidArgumentError(`${path}[${i}]`, call, 'must have a function or a custom tool');
  }
  return tokens;
}

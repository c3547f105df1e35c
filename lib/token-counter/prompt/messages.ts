import { InvalidArgumentError } from '../../common/errors.js';
import { countContent } from './content-parts.js';
import { countParts } from './gemini-parts.js';
import { countString, countText, countUnread, isRecord, type PromptContext } from './prompt-context.js';
import { countToolChoice, countTools, type Tool, type ToolChoice } from './tools.js';

/**
 * A chat message in the shape of OpenAI, Anthropic or Gemini (`parts`). Structural, so that the
 * types of any SDK fit.
 */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly name?: string;
  readonly [field: string]: unknown;
}

/** Every reply starts with `<|start|>assistant<|message|>`. */
export const REPLY_PRIMING = 3;

/**
 * Counts the prompt tokens of a chat by OpenAI's cookbook ("How to count tokens with tiktoken"): 3
 * for each message, 1 for each `name`, 3 to prime the reply, and the text of every string field. Of
 * `tool_calls` and `function_call` the arguments count, as in LiteLLM.
 *
 * @throws InvalidArgumentError naming the field (`messages[2].content[1].type`).
 */
export function countMessages(
  messages: readonly ChatMessage[],
  tools: readonly Tool[] | null | undefined,
  toolChoice: ToolChoice | undefined,
  context: PromptContext,
): number {
  if (!Array.isArray(messages)) throw new InvalidArgumentError('messages', messages, 'must be an array of messages');
  let tokens = REPLY_PRIMING;
  for (let i = 0; i < messages.length; i++) tokens += countMessage(messages[i] as ChatMessage, i, context);
  return tokens + countTools(tools, context) + countToolChoice(toolChoice, context);
}

/** Tokens of one message, without the priming of the reply, so that counts of messages add up. */
export function countMessage(message: ChatMessage, index: number, context: PromptContext): number {
  if (!isRecord(message)) throw new InvalidArgumentError(`messages[${index}]`, message, 'must be an object');
  let tokens = context.model.tokensPerMessage;
  for (const field in message) {
    const value = message[field];
    if (typeof value === 'string') {
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
    } else if (field === 'function_call' && isRecord(value)) {
      tokens += countText(value.arguments, context);
    } else {
      tokens += countUnread(value, context);
    }
  }
  return tokens;
}

function countToolCalls(calls: unknown, path: string, context: PromptContext): number {
  if (!Array.isArray(calls)) throw new InvalidArgumentError(path, calls, 'must be an array');
  let tokens = 0;
  for (let i = 0; i < calls.length; i++) {
    const call: unknown = calls[i];
    if (!isRecord(call)) throw new InvalidArgumentError(`${path}[${i}]`, call, 'must be an object');
    if (isRecord(call.function)) tokens += countText(call.function.arguments, context);
    else if (isRecord(call.custom)) tokens += countText(call.custom.input, context);
    else throw new InvalidArgumentError(`${path}[${i}]`, call, 'must have a function or a custom tool');
  }
  return tokens;
}

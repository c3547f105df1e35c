import type { AIMessage, BaseMessage, ChatMessage, ToolMessage } from '@langchain/core/messages';
import type { Fields } from '../common/objects.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { ChatRequestMessage, ChatRequestPart } from '../apis/wire/requests.js';
import { contentParts } from './content-parts.js';

/** Fields of a model's message that LangChain has no place for, in both directions. */
export const KEPT_FIELDS = ['reasoning_content', 'thinking_blocks', 'provider_specific_fields', 'refusal', 'audio', 'annotations'] as const;
/** The parts of those that a provider accepts. */
const SENT_BACK = ['reasoning_content', 'thinking_blocks', 'provider_specific_fields', 'refusal'] as const;
const ROLES: Readonly<Record<string, string>> = { human: 'user', system: 'system', developer: 'developer', function: 'function' };

/**
 * Translates LangChain's messages to those of OpenAI's chat.
 * @throws InvalidArgumentError naming a block, or a message that no model gets (`RemoveMessage`).
 */
export function chatMessages(messages: readonly BaseMessage[]): ChatRequestMessage[] {
  return messages.map((message, index) => chatMessage(`messages[${index}]`, message));
}

function chatMessage(path: string, message: BaseMessage): ChatRequestMessage {
  const type = message.getType();
  const content = Array.isArray(message.content) ? contentParts(`${path}.content`, message.content) : message.content;
  if (type === 'ai') return assistantMessage(message as AIMessage, content);
  if (type === 'tool') return toolMessage(message as ToolMessage, content);
  const role = type === 'generic' ? (message as ChatMessage).role : ROLES[type];
  if (role === undefined) throw new InvalidArgumentError(path, type, 'must be a human, system, AI or tool message');
  // LangChain's mark for a developer message.
  const isDeveloper = role === 'system' && message.additional_kwargs.__openai_role__ === 'developer';
  return { role: isDeveloper ? 'developer' : role, content, ...(message.name !== undefined && { name: message.name }) };
}

/** A failure is sent to Claude; OpenAI's chat has no field for it. */
function toolMessage({ tool_call_id: id, status }: ToolMessage, content: string | ChatRequestPart[]): ChatRequestMessage {
  return { role: 'tool', tool_call_id: id, content, ...(status === 'error' && { is_error: true }) };
}

function assistantMessage(message: AIMessage, content: string | ChatRequestPart[]): ChatRequestMessage {
  const kept: Fields = message.additional_kwargs;
  const calls = toolCalls(message);
  const blocks = Array.isArray(message.content) ? (message.content as readonly Fields[]) : [];
  const thinking = blocks.filter(({ type }) => type === 'thinking' || type === 'redacted_thinking');
  const reasoning = blocks.flatMap(({ type, reasoning: text }) => (type === 'reasoning' && typeof text === 'string' ? [text] : []));
  return {
    role: 'assistant',
    content: content.length === 0 && calls.length > 0 ? null : content,
    ...(message.name !== undefined && { name: message.name }),
    ...(reasoning.length > 0 && { reasoning_content: reasoning.join('') }),
    ...(thinking.length > 0 && { thinking_blocks: thinking }),
    ...Object.fromEntries(SENT_BACK.filter((name) => (kept[name] ?? undefined) !== undefined).map((name) => [name, kept[name]])),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** The parsed calls; of a message from elsewhere those in OpenAI's words. */
function toolCalls({ tool_calls: calls = [], additional_kwargs: kept }: AIMessage): readonly object[] {
  if (calls.length === 0) return kept.tool_calls ?? [];
  return calls.map(({ id, name, args }) => ({ id, type: 'function', function: { name, arguments: JSON.stringify(args) } }));
}

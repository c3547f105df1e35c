import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { RawField } from '../../http/body/raw-field.js';
import { isToolId, toolIdOf } from './tool-names.js';

/** Prefix of Anthropic's own call ids. */
const OWN_ID = 'toolu_';
const THINKING = new Set<unknown>(['thinking', 'redacted_thinking']);

/**
 * The client's own request where its history has turns of other providers' models, as after a
 * fallback: without thinking that Claude did not sign, and with ids that Anthropic takes. Where
 * nothing is to be mended it is the same object.
 */
export function withOwnHistory(body: Fields): Fields {
  const { messages: given } = body;
  if (given instanceof RawField) {
    // A long id counts as another provider's, so the messages themselves are checked.
    const outlined = { ...body, messages: given.outlined };
    return withOwnHistory(outlined) === outlined ? body : withOwnHistory({ ...body, messages: given.value() });
  }
  if (!Array.isArray(body.messages)) return body;
  const before = body.messages as readonly unknown[];
  const messages = before.map(mended);
  const history = messages.every((message, at) => message === before[at]) ? body : { ...body, messages: messages.filter(hasContent) };
  return fieldsOf(body.thinking).type === 'enabled' && lacksThinking(messages) ? withoutThinking(history) : history;
}

function mended(message: unknown): unknown {
  const { content } = fieldsOf(message);
  if (!Array.isArray(content)) return message;
  const blocks = content as readonly unknown[];
  const own = blocks.filter((block) => !isUnsigned(fieldsOf(block))).map(withOwnId);
  const isSame = own.length === blocks.length && own.every((block, at) => block === blocks[at]);
  return isSame ? message : { ...fieldsOf(message), content: own };
}

function isUnsigned({ type, signature }: Fields): boolean {
  return type === 'thinking' && (signature === undefined || signature === '');
}

function withOwnId(block: unknown): unknown {
  const { type, id, tool_use_id: resultOf } = fieldsOf(block);
  if (type === 'tool_use' && typeof id === 'string' && !isToolId(id)) return { ...fieldsOf(block), id: toolIdOf(id) };
  if (type !== 'tool_result' || typeof resultOf !== 'string' || isToolId(resultOf)) return block;
  return { ...fieldsOf(block), tool_use_id: toolIdOf(resultOf) };
}

/** A turn that contains only such thinking is dropped. */
function hasContent(message: unknown): boolean {
  const { role, content } = fieldsOf(message);
  return role !== 'assistant' || !Array.isArray(content) || content.length > 0;
}

/**
 * Whether other models called tools since the user spoke last. With a budget, Anthropic wants the
 * thinking that led to the calls.
 */
function lacksThinking(messages: readonly unknown[]): boolean {
  for (const message of messages.toReversed()) {
    const { role, content } = fieldsOf(message);
    const blocks: readonly unknown[] = Array.isArray(content) ? content : [];
    if (role === 'user' && !blocks.some((block) => fieldsOf(block).type === 'tool_result')) return false;
    const isForeign = blocks.some((block) => isForeignCall(fieldsOf(block)));
    if (isForeign && !THINKING.has(fieldsOf(blocks[0]).type)) return true;
  }
  return false;
}

function isForeignCall({ type, id }: Fields): boolean {
  return type === 'tool_use' && typeof id === 'string' && !id.startsWith(OWN_ID);
}

/** Also without the edits of the context that need it. */
function withoutThinking({ thinking: _, context_management: context, ...body }: Fields): Fields {
  const { edits } = fieldsOf(context);
  if (!isObject(context) || !Array.isArray(edits)) return context === undefined ? body : { ...body, context_management: context };
  const kept = edits.filter((edit) => !String(fieldsOf(edit).type).startsWith('clear_thinking'));
  return kept.length === 0 ? body : { ...body, context_management: { ...context, edits: kept } };
}

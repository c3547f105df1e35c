import type { Fields } from '../../common/objects.js';
import { errorMessage, InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import type { ChatMessage, ChatPart, ChatToolCall, ThinkingBlock } from '../../providers/openai/chat-types.js';
import { chatToolName, isMark } from './tools.js';

/** Claude Code's note to Anthropic's billing: it changes with each request. */
const BILLING_NOTE = 'x-anthropic-billing-header';

/** The `system` of a request as chat messages: one, or none if it has no text. */
export function systemMessages(system: unknown): readonly ChatMessage[] {
  if (system === undefined || system === null || system === '') return [];
  const parts = blocksOf('system', system).map(([path, block]) => {
    if (block.type !== 'text') throw new InvalidArgumentError(`${path}.type`, block.type, 'must be text');
    return textPart(path, block);
  });
  const content = contentOf(parts.filter(({ text = '' }) => text !== '' && !text.startsWith(BILLING_NOTE)));
  return content === undefined ? [] : [{ role: 'system', content }];
}

/**
 * The conversation of a request as chat messages.
 * @throws InvalidArgumentError naming the block (`messages[3].content[1].type`)
 */
export function chatMessages(messages: unknown, provider: string): readonly ChatMessage[] {
  const read = (path: string, value: unknown): readonly ChatMessage[] => {
    const { role, content } = checkObject(path, value, refuseArgument);
    const blocks = blocksOf(`${path}.content`, content);
    if (role === 'user') return userMessages(blocks, provider);
    if (role === 'assistant') return assistantMessages(blocks, provider);
    if (role !== 'system') throw new InvalidArgumentError(`${path}.role`, role, 'must be user, assistant or system');
    return systemMessages(content);
  };
  return checkArray('messages', messages, read, refuseArgument).flat();
}

/** The blocks of a content with their paths; a text is one block. */
function blocksOf(path: string, content: unknown): readonly (readonly [path: string, block: Fields])[] {
  if (typeof content === 'string') return [[path, { type: 'text', text: content }]];
  return checkArray(path, content, (at, block) => [at, checkObject(at, block, refuseArgument)] as const, refuseArgument);
}

/** Tool results first: OpenAI requires them directly after their calls. */
function userMessages(blocks: readonly (readonly [string, Fields])[], provider: string): readonly ChatMessage[] {
  const results: ChatMessage[] = [];
  const parts: ChatPart[] = [];
  for (const [path, block] of blocks) {
    if (block.type === 'tool_result') results.push(toolResult(path, block, provider));
    else parts.push(...userParts(path, block, provider));
  }
  const content = contentOf(parts);
  return content === undefined ? results : [...results, { role: 'user', content }];
}

/** Its texts are one, which every provider takes. A cache mark within it holds for all of it. */
function toolResult(path: string, block: Fields, provider: string): ChatMessage {
  const id = checkString(`${path}.tool_use_id`, block.tool_use_id, refuseArgument);
  const parts = blocksOf(`${path}.content`, block.content ?? []).flatMap(([at, each]) => userParts(at, each, provider));
  const mark = [block, ...parts].find((each) => isMark(each.cache_control))?.cache_control;
  const hasMedia = parts.some(({ type }) => type !== 'text');
  const content = hasMedia ? parts.map(({ cache_control: _, ...part }) => part) : parts.map(({ text }) => text).join('\n');
  return { role: 'tool', tool_call_id: id, content, ...(isMark(mark) && { cache_control: mark }) };
}

function userParts(path: string, block: Fields, provider: string): readonly ChatPart[] {
  switch (block.type) {
    case 'text':
      return notEmpty(textPart(path, block));
    case 'image':
      return [marked(imagePart(path, block), block)];
    case 'document':
      return documentParts(path, block);
    case 'search_result':
      return notEmpty(marked({ type: 'text', text: searchResultText(path, block) }, block));
    case 'tool_reference':
      return [{ type: 'text', text: checkString(`${path}.tool_name`, block.tool_name, refuseArgument) }];
    default:
      throw unknownBlock(path, block, provider);
  }
}

function textPart(path: string, block: Fields): ChatPart {
  const { text } = block;
  if (typeof text !== 'string') throw new InvalidArgumentError(`${path}.text`, text, 'must be a string');
  return marked({ type: 'text', text }, block);
}

/** Anthropic refuses empty texts, and so do others. */
function notEmpty(part: ChatPart): readonly ChatPart[] {
  return part.text === '' ? [] : [part];
}

function imagePart(path: string, { source }: Fields): ChatPart {
  const given = checkObject(`${path}.source`, source, refuseArgument);
  const url = given.type === 'base64' ? dataUrl(`${path}.source`, given) : urlIn(`${path}.source`, given);
  return { type: 'image_url', image_url: { url } };
}

function urlIn(path: string, { type, url }: Fields): string {
  if (type === 'url') return checkString(`${path}.url`, url, refuseArgument);
  throw new InvalidArgumentError(`${path}.type`, type, 'must be base64 or url');
}

function dataUrl(path: string, { media_type: mediaType, data }: Fields): string {
  return `data:${checkString(`${path}.media_type`, mediaType, refuseArgument)};base64,${checkString(`${path}.data`, data, refuseArgument)}`;
}

function documentParts(path: string, block: Fields): readonly ChatPart[] {
  const { title, context } = block;
  const at = `${path}.source`;
  const source = checkObject(at, block.source, refuseArgument);
  const head = [title, context].filter((text): text is string => typeof text === 'string' && text !== '');
  switch (source.type) {
    case 'text':
      return notEmpty(
        marked({ type: 'text', text: [...head, checkString(`${at}.data`, source.data, refuseArgument)].join('\n\n') }, block),
      );
    case 'content':
      return [
        ...head.map((text) => ({ type: 'text', text })),
        ...blocksOf(`${at}.content`, source.content).flatMap(([to, each]) => plainParts(to, each)),
      ];
    case 'base64':
      return [marked({ type: 'file', file: { file_data: dataUrl(at, source), filename: head[0] ?? 'document.pdf' } }, block)];
    case 'url':
      return [
        marked({ type: 'file', file: { file_id: checkString(`${at}.url`, source.url, refuseArgument), format: 'application/pdf' } }, block),
      ];
    case 'file':
      return [marked({ type: 'file', file: { file_id: checkString(`${at}.file_id`, source.file_id, refuseArgument) } }, block)];
    default:
      throw new InvalidArgumentError(`${at}.type`, source.type, 'must be base64, text, content, url or file');
  }
}

/** Parts of a document that is made of blocks. */
function plainParts(path: string, block: Fields): readonly ChatPart[] {
  if (block.type === 'text') return notEmpty(textPart(path, block));
  if (block.type === 'image') return [marked(imagePart(path, block), block)];
  throw new InvalidArgumentError(`${path}.type`, block.type, 'must be text or image');
}

function searchResultText(path: string, { title, source, content }: Fields): string {
  const texts = blocksOf(`${path}.content`, content).map(([at, block]) => textPart(at, block).text);
  return [title, source, ...texts].filter((text) => typeof text === 'string' && text !== '').join('\n');
}

/** Parts of an assistant's turn. */
interface Turn {
  readonly texts: ChatPart[];
  readonly calls: ChatToolCall[];
  readonly thinking: ThinkingBlock[];
  /** The texts of all thinking. */
  readonly thoughts: string[];
}

function assistantMessages(blocks: readonly (readonly [string, Fields])[], provider: string): readonly ChatMessage[] {
  const turn: Turn = { texts: [], calls: [], thinking: [], thoughts: [] };
  for (const [path, block] of blocks) addToTurn(turn, path, block, provider);
  const { texts, calls, thinking, thoughts } = turn;
  const content = contentOf(texts);
  if (content === undefined && calls.length + thinking.length + thoughts.length === 0) return [];
  const mark = blocks.find(([, block]) => block.type === 'tool_use' && isMark(block.cache_control))?.[1].cache_control;
  return [
    {
      role: 'assistant',
      content: content ?? (calls.length > 0 ? null : ''),
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(thoughts.length > 0 && { reasoning_content: thoughts.join('\n') }),
      ...(thinking.length > 0 && { thinking_blocks: thinking }),
      ...(isMark(mark) && { cache_control: mark }),
    },
  ];
}

function addToTurn({ texts, calls, thinking, thoughts }: Turn, path: string, block: Fields, provider: string): void {
  switch (block.type) {
    case 'text':
      texts.push(...notEmpty(textPart(path, block)));
      break;
    case 'tool_use':
      calls.push(toolCall(path, block));
      break;
    case 'redacted_thinking':
      thinking.push({ type: 'redacted_thinking', data: checkString(`${path}.data`, block.data, refuseArgument) });
      break;
    case 'thinking': {
      const { thinking: text, signature } = block;
      if (typeof text !== 'string') throw new InvalidArgumentError(`${path}.thinking`, text, 'must be a string');
      if (text !== '') thoughts.push(text);
      // Only Claude signs its thinking; unsigned thinking comes from `reasoning_content`.
      if (typeof signature === 'string' && signature !== '') thinking.push({ type: 'thinking', thinking: text, signature });
      break;
    }
    default:
      throw unknownBlock(path, block, provider);
  }
}

function toolCall(path: string, { id, name, input }: Fields): ChatToolCall {
  return {
    id: checkString(`${path}.id`, id, refuseArgument),
    type: 'function',
    function: { name: chatToolName(checkString(`${path}.name`, name, refuseArgument)), arguments: jsonOf(`${path}.input`, input ?? {}) },
  };
}

/** @throws InvalidArgumentError for a cycle, a BigInt, or too deep an input */
function jsonOf(path: string, input: unknown): string {
  const object = checkObject(path, input, refuseArgument);
  try {
    return JSON.stringify(object);
  } catch (error) {
    throw new InvalidArgumentError(path, input, `must be valid JSON (${errorMessage(error)})`);
  }
}

/** One plain text as a string, which every provider takes. `undefined`: nothing. */
function contentOf(parts: readonly ChatPart[]): string | readonly ChatPart[] | undefined {
  if (parts.length === 0) return undefined;
  const [{ type, text, cache_control: mark }] = parts;
  return parts.length === 1 && type === 'text' && mark === undefined ? text : parts;
}

function marked(part: ChatPart, { cache_control: mark }: Fields): ChatPart {
  return isMark(mark) ? { ...part, cache_control: mark } : part;
}

/** Blocks of Anthropic's own tools come from its answers: other providers may not read them. */
function unknownBlock(path: string, { type }: Fields, provider: string): Error {
  if (typeof type !== 'string') return new InvalidArgumentError(`${path}.type`, type, 'must be a string');
  const reason = `${provider} does not support the content block ${type.slice(0, 64)} here`;
  return new UnsupportedRequestError({ param: path, provider, reason, remedy: 'remove the block, or use an Anthropic model' });
}

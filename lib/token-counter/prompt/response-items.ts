import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { messageOverhead } from './messages.js';
import { countContent } from './content-parts.js';
import { countImage, countUnknown } from './media.js';
import { countJson, countText, type PromptContext } from './prompt-context.js';
import { countTools, type Tool } from './tools.js';

type Item = Readonly<Record<string, unknown>>;

const TEXTS = ['role', 'name', 'call_id', 'arguments', 'code', 'error'];
const CONTENTS = ['content', 'summary'];
const STRUCTURES = ['input', 'action', 'actions', 'operation', 'queries', 'results', 'outputs'];

/**
 * Counts the items of the Responses API: messages, reasoning, tool calls of every kind and their
 * outputs. Ids do not count.
 *
 * @throws InvalidArgumentError naming the field (`input[0].content[1].type`).
 */
export function countItems(items: unknown, context: PromptContext): number {
  if (!Array.isArray(items)) throw new InvalidArgumentError('input', items, 'must be a string or an array');
  let tokens = 0;
  for (let i = 0; i < items.length; i++) {
    const item: unknown = items[i];
    if (!isObject(item)) throw new InvalidArgumentError(`input[${i}]`, item, 'must be an object');
    tokens += countItem(item, `input[${i}]`, context);
  }
  return tokens;
}

function countItem(item: Item, path: string, context: PromptContext): number {
  const { chat } = context.model;
  context.reads?.note('part', item);
  if (chat !== undefined && typeof item.role === 'string') context.reads?.text(item.role);
  let tokens = messageOverhead(item.role, context.model) + countOutput(item.output, `${path}.output`, context);
  for (const field of TEXTS) if (chat === undefined || field !== 'role') tokens += countText(item[field], context);
  for (const field of CONTENTS) tokens += countContent(item[field], `${path}.${field}`, context);
  for (const field of STRUCTURES) tokens += countJson(item[field], `${path}.${field}`, context);
  // The tools found by `mcp_list_tools` and `tool_search_output`.
  if (Array.isArray(item.tools))
    tokens += countTools({ tools: item.tools as readonly Tool[], hasSystemMessage: false, path: `${path}.tools` }, context);
  if (item.type === 'image_generation_call' && typeof item.result === 'string') tokens += countImage(item.result, 'high', context);
  if (item.type === 'item_reference' || typeof item.encrypted_content === 'string') tokens += countUnknown(context);
  return tokens;
}

/** Output of a tool: a text, content parts, a screenshot, or a shell's output. */
function countOutput(output: unknown, path: string, context: PromptContext): number {
  const isContent = Array.isArray(output) ? output.every(hasType) : isObject(output) && output.type === 'computer_screenshot';
  return isContent ? countContent(output, path, context) : countJson(output, path, context);
}

function hasType(part: unknown): boolean {
  return isObject(part) && typeof part.type === 'string';
}

import { createHash } from 'node:crypto';
import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import type { ChatTool, ChatToolChoice } from '../../providers/openai/chat-types.js';

/** OpenAI's limit; Anthropic's is 128. */
const LONGEST_NAME = 64;
const HASH_LENGTH = 8;

/** A tool's name within OpenAI's limit: a longer one is cut, and ends with a hash of the whole. */
export function chatToolName(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH);
  return `${name.slice(0, LONGEST_NAME - HASH_LENGTH - 1)}_${hash}`;
}

/** The names that the client gave its tools, by those that chat has; only where they differ. */
export function cutToolNames(tools: unknown): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  if (!Array.isArray(tools)) return names;
  for (const tool of tools as readonly unknown[]) {
    const name = (tool as { readonly name?: unknown } | null)?.name;
    if (typeof name === 'string' && name.length > LONGEST_NAME) names.set(chatToolName(name), name);
  }
  return names;
}

/**
 * The tools of a request as functions.
 * @throws UnsupportedRequestError for a tool that Anthropic defines or runs
 */
export function chatTools(tools: unknown, provider: string): readonly ChatTool[] {
  return checkArray(
    'tools',
    tools ?? [],
    (path, value) => chatTool(path, checkObject(path, value, refuseArgument), provider),
    refuseArgument,
  );
}

function chatTool(path: string, tool: Fields, provider: string): ChatTool {
  const { type, description, input_schema: schema, strict, cache_control: cacheControl } = tool;
  if (type !== undefined && type !== null && type !== 'custom') throw foreignTool(path, type, provider);
  const name = chatToolName(checkString(`${path}.name`, tool.name, refuseArgument));
  const parameters = checkObject(`${path}.input_schema`, schema, refuseArgument);
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && description !== '' && { description }),
      parameters,
      ...(typeof strict === 'boolean' && { strict }),
    },
    ...(isMark(cacheControl) && { cache_control: cacheControl }),
  };
}

function foreignTool(path: string, type: unknown, provider: string): Error {
  if (typeof type !== 'string') return new InvalidArgumentError(`${path}.type`, type, 'must be a string');
  const reason = `${provider} does not support the Anthropic tool ${type.slice(0, LONGEST_NAME)}`;
  const remedy = 'remove the tool, or use an Anthropic model';
  return new UnsupportedRequestError({ param: path, provider, reason, remedy });
}

/** How the model may call tools, in chat's parameters. */
export interface ChatToolUse {
  readonly tool_choice?: ChatToolChoice;
  readonly parallel_tool_calls?: false;
}

export function chatToolUse(choice: unknown): ChatToolUse {
  if (choice === undefined || choice === null) return {};
  const fields = checkObject('tool_choice', choice, refuseArgument);
  const parallel = fields.disable_parallel_tool_use === true ? { parallel_tool_calls: false as const } : {};
  return { tool_choice: chatToolChoice(fields), ...parallel };
}

function chatToolChoice({ type, name }: Fields): ChatToolChoice {
  if (type === 'auto' || type === 'none') return type;
  if (type === 'any') return 'required';
  if (type !== 'tool') throw new InvalidArgumentError('tool_choice.type', type, 'must be auto, any, tool or none');
  return { type: 'function', function: { name: chatToolName(checkString('tool_choice.name', name, refuseArgument)) } };
}

/** Returns whether a value is a `cache_control`. The provider checks its content. */
export function isMark(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

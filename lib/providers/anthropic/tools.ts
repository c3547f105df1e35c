import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import type { ModelTraits } from './models.js';
import type { ToolNames } from './tool-names.js';
import { type Block } from './blocks.js';

/** Anthropic's own tools have a version: `web_search_20250305`. */
const OWN_TOOL = /_\d{8}$/;
const EMPTY_SCHEMA = { type: 'object', properties: {} };
/** Anthropic refuses calls in the history of a request without tools. */
const DUMMY_TOOL = {
  name: 'dummy_tool',
  description: 'Placeholder for the tools of earlier turns. Do not call it.',
  input_schema: EMPTY_SCHEMA,
};
const MOST_SEARCHES: Readonly<Record<string, number>> = { low: 1, medium: 5, high: 10 };
const FORCING = new Set(['any', 'tool']);

/** Tools of a request, in Anthropic's words. */
export interface SentTools {
  readonly tools?: readonly Fields[];
  readonly tool_choice?: Fields;
}

/** The names of a request's own tools. */
export function toolNamesIn(tools: unknown): string[] {
  if (!Array.isArray(tools)) return [];
  return tools.map((tool) => fieldsOf(fieldsOf(tool).function).name).filter((name) => typeof name === 'string');
}

/** Inputs of the tools. */
export interface ToolsContext {
  readonly sent: SentRequest;
  readonly names: ToolNames;
  readonly traits: ModelTraits;
  /** Whether the messages have calls. */
  readonly hasHistory: boolean;
}

/** @throws InvalidArgumentError, UnsupportedRequestError naming the tool */
export function toolsOf(chat: Fields, context: ToolsContext): SentTools {
  const { tools: given, web_search_options: search } = chat;
  if (given !== undefined && !Array.isArray(given)) throw new InvalidArgumentError('tools', given, 'must be an array');
  const tools = (given ?? []).map((tool: unknown, at) => toolOf(fieldsOf(tool), `tools[${at}]`, context));
  if (isObject(search)) tools.push(searchTool(search));
  // Never called, because the client does not know its name.
  if (tools.length === 0) return context.hasHistory ? { tools: [DUMMY_TOOL], tool_choice: { type: 'none' } } : {};
  const choice = choiceOf(chat, context);
  return { tools, ...(choice !== undefined && { tool_choice: choice }) };
}

/** Whether the model has to call a tool: then it cannot think before. */
export function isForcing(choice: Fields | undefined): boolean {
  return typeof choice?.type === 'string' && FORCING.has(choice.type);
}

function toolOf(tool: Fields, path: string, { sent, names }: ToolsContext): Fields {
  const { type, function: called, cache_control: mark } = tool;
  if (typeof type === 'string' && OWN_TOOL.test(type)) return ownTool(tool);
  // A tool in Anthropic's format.
  if (called === undefined && typeof tool.name === 'string' && isObject(tool.input_schema)) return { ...tool, name: names.of(tool.name) };
  if (type !== undefined && type !== 'function')
    throw refused(path, sent, `${sent.provider} supports only function tools and its own built-in tools`);
  const { name, description, parameters, cache_control: innerMark } = fieldsOf(called);
  if (typeof name !== 'string') throw new InvalidArgumentError(`${path}.function.name`, name, 'must be a string');
  const marks = isObject(mark) ? mark : innerMark;
  return {
    name: names.of(name),
    ...(typeof description === 'string' && { description }),
    input_schema: schemaOf(parameters, `${path}.function.parameters`),
    ...(isObject(marks) && { cache_control: marks }),
  };
}

/** LiteLLM's clients give its settings as a function's parameters. */
function ownTool({ function: called, ...tool }: Fields): Fields {
  const { name, parameters } = fieldsOf(called);
  return { ...fieldsOf(parameters), ...tool, name: tool.name ?? name };
}

function schemaOf(parameters: unknown, path: string): Fields {
  if (parameters === undefined || parameters === null) return EMPTY_SCHEMA;
  if (!isObject(parameters)) throw new InvalidArgumentError(path, parameters, 'must be a JSON schema');
  return parameters.type === 'object' ? parameters : { ...parameters, type: 'object' };
}

function searchTool({ user_location: location, search_context_size: size }: Fields): Fields {
  const place = fieldsOf(fieldsOf(location).approximate);
  const uses = typeof size === 'string' && Object.hasOwn(MOST_SEARCHES, size) ? MOST_SEARCHES[size] : undefined;
  return {
    type: 'web_search_20250305',
    name: 'web_search',
    ...(location !== undefined && { user_location: { ...place, type: 'approximate' } }),
    ...(uses !== undefined && { max_uses: uses }),
  };
}

function choiceOf(
  { tool_choice: given, parallel_tool_calls: parallel }: Fields,
  { sent, names, traits }: ToolsContext,
): Fields | undefined {
  let choice = given === undefined ? undefined : namedChoice(given, sent, names);
  if (isForcing(choice) && !traits.forcedTools) {
    if (!dropsParams(sent)) throw refused('tool_choice', sent, `${sent.model} cannot be forced to call a tool`);
    choice = { type: 'auto' };
  }
  if (parallel !== false || choice?.type === 'none') return choice;
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true };
}

function namedChoice(given: unknown, sent: SentRequest, names: ToolNames): Fields {
  if (given === 'auto' || given === 'none') return { type: given };
  if (given === 'required') return { type: 'any' };
  const { type, function: called } = fieldsOf(given);
  const { name } = fieldsOf(called);
  if (type === 'function' && typeof name === 'string') return { type: 'tool', name: names.of(name) };
  throw refused('tool_choice', sent, 'only auto, none, required and functions are supported');
}

/** Adds a tool whose input is the answer. */
export function withAnswerTool({ tools = [], tool_choice: choice }: SentTools, tool: Block | Fields, canForce: boolean): SentTools {
  const isOnly = tools.length === 0 || choice?.type === 'none';
  if (isOnly && canForce) return { tools: [...tools, tool], tool_choice: { type: 'tool', name: tool.name } };
  const described = { ...tool, description: 'Gives the final answer. Call it once, after all other tools.' };
  return { tools: [...tools, described], tool_choice: choice === undefined || choice.type === 'none' ? { type: 'auto' } : choice };
}

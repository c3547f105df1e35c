import { isObject } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkDepth, countString, type PromptContext } from './prompt-context.js';
import { ToolDefinitions } from './tool-definitions.js';

/**
 * A tool: OpenAI's (Chat Completions or Responses), Anthropic's (`input_schema`) or Gemini's
 * (`function_declarations`).
 */
export type Tool = Readonly<Record<string, unknown>> | object;

/** `auto`, `none`, `required`, or an object that names the tool. */
export type ToolChoice = string | Readonly<Record<string, unknown>> | object | null;

// OpenAI's rule for functions is not published. These constants and the layout in
// `tool-definitions.ts` are those of LiteLLM's token counter.
const NAMESPACE_START = 'namespace functions {\n\n';
const NAMESPACE_END = '} // namespace functions';
const DEFINITIONS = 9;
/** The definitions join the system message, so that its frame is not counted twice. */
const JOINED_SYSTEM_MESSAGE = -4;
const CHOICE_NONE = 1;
const CHOICE_NAMED = 7;

/** Tools and what else decides about their count. */
export interface ToolCount {
  readonly tools: readonly Tool[] | null | undefined;
  /** Whether the prompt has a system message. */
  readonly hasSystemMessage: boolean;
  /** Names the tools in errors. Default `tools`. */
  readonly path?: string;
}

/**
 * Counts tool definitions by LiteLLM's rule: written as TypeScript types in a namespace, 9 more
 * tokens, 4 less if there is a system message. Nested objects and arrays follow the same rule.
 *
 * @throws InvalidArgumentError naming the tool (`tools[1]`).
 */
export function countTools({ tools, hasSystemMessage, path = 'tools' }: ToolCount, context: PromptContext): number {
  if (tools === undefined || tools === null) return 0;
  if (!Array.isArray(tools)) throw new InvalidArgumentError(path, tools, 'must be an array of tools');
  if (tools.length === 0) return 0;
  const definitions = new ToolDefinitions(context);
  addEach(definitions, tools, path, 0);
  if (definitions.hasUnseen) context.assumed = true;
  const text = `${NAMESPACE_START}${definitions.text}\n${NAMESPACE_END}`;
  return DEFINITIONS + (hasSystemMessage ? JOINED_SYSTEM_MESSAGE : 0) + context.count(text);
}

/** Tokens that `tool_choice` adds: 1 for `none`, 7 plus the name for one tool, otherwise 0. */
export function countToolChoice(choice: ToolChoice | undefined, context: PromptContext): number {
  if (choice === 'none') return CHOICE_NONE;
  if (!isObject(choice)) return 0;
  context.reads?.note('part', choice);
  context.reads?.note('part', choice.function ?? choice.custom);
  if (choice.type === 'none') return CHOICE_NONE;
  const { name } = [choice.function, choice.custom].find(isObject) ?? choice;
  return typeof name === 'string' ? CHOICE_NAMED + countString(name, context) : 0;
}

/**
 * Counts the JSON schema that a reply must follow (`response_format`, or `text.format` of the
 * Responses API). No rule is published, so it counts as a function with that schema and the count
 * is an estimate.
 */
export function countResponseFormat(format: unknown, path: string, context: PromptContext): number {
  context.reads?.note('part', format);
  if (!isObject(format) || format.type !== 'json_schema') return 0;
  const given = isObject(format.json_schema) ? format.json_schema : format;
  context.reads?.note('part', given);
  const { name, description, schema } = given;
  if (!isObject(schema)) return 0;
  context.assumed = true;
  const definitions = new ToolDefinitions(context);
  definitions.add(typeof name === 'string' ? name : 'response', description, schema, path);
  return context.count(definitions.text);
}

function addEach(definitions: ToolDefinitions, tools: readonly unknown[], path: string, depth: number): void {
  checkDepth(depth, path);
  for (let i = 0; i < tools.length; i++) addTool(definitions, tools[i], `${path}[${i}]`, depth);
}

function addTool(definitions: ToolDefinitions, tool: unknown, path: string, depth: number): void {
  if (!isObject(tool)) throw new InvalidArgumentError(path, tool, 'must be an object');
  const { reads } = definitions.context;
  reads?.note('part', tool);
  const declarations = tool.function_declarations ?? tool.functionDeclarations;
  if (Array.isArray(declarations)) return addEach(definitions, declarations, `${path}.function_declarations`, depth + 1);
  const definition = [tool.function, tool.custom].find(isObject) ?? tool;
  reads?.note('part', definition);
  const parameters = definition.parameters ?? definition.input_schema;
  // A hosted tool (web search) only has its type or, with Gemini, its name as a key.
  const name = definition.name ?? definition.type ?? (parameters === undefined ? soleKey(tool) : undefined);
  if (typeof name !== 'string') throw new InvalidArgumentError(`${path}.name`, name, 'must be a string');
  if (typeof tool.type === 'string' ? !OWN_TYPES.has(tool.type) : name !== definition.name) definitions.hasUnseen = true;
  const grammar = grammarOf(definition.format);
  if (grammar !== undefined) definitions.hasUnseen = true;
  definitions.describe(grammar);
  definitions.add(name, definition.description, parameters, path);
  // A namespace of the Responses API.
  if (Array.isArray(tool.tools)) addEach(definitions, tool.tools, `${path}.tools`, depth + 1);
}

/** Tools of the request. The tokens that a provider adds for its own tools are unknown. */
const OWN_TYPES: ReadonlySet<string> = new Set(['function', 'custom', 'namespace']);

/** Of a custom tool's input. How it is shown to the model is not published. */
function grammarOf(format: unknown): string | undefined {
  const { definition } = isObject(format) ? (isObject(format.grammar) ? format.grammar : format) : {};
  return typeof definition === 'string' ? definition : undefined;
}

/** `googleSearch` of `{ googleSearch: {} }`. */
function soleKey(tool: Readonly<Record<string, unknown>>): string | undefined {
  const [key, ...others] = Object.keys(tool);
  return others.length === 0 && key !== 'function' && key !== 'custom' && isObject(tool[key]) ? key : undefined;
}

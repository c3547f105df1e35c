import { InvalidArgumentError } from '../../common/errors.js';
import { checkDepth, countJson, countString, isRecord, textOf, type PromptContext } from './prompt-context.js';

/**
 * A tool: OpenAI's (Chat Completions or Responses), Anthropic's (`input_schema`) or Gemini's
 * (`function_declarations`).
 */
export type Tool = Readonly<Record<string, unknown>> | object;

/** `auto`, `none`, `required`, or an object that names the tool. */
export type ToolChoice = string | Readonly<Record<string, unknown>> | object | null;

type Schema = Readonly<Record<string, unknown>>;

// OpenAI's cookbook, "How to count tokens with tiktoken", section 7.
const PROPERTIES_START = 3;
const PROPERTY = 3;
const ENUM_START = -3;
const ENUM_ITEM = 3;
const FUNCTIONS_END = 12;
// LiteLLM's token counter: what forbidding tools and naming one add to the prompt.
const CHOICE_NONE = 1;
const CHOICE_NAMED = 7;

/**
 * Counts tool definitions by OpenAI's cookbook rule: for each function its opening and
 * `name:description`, for each property `name:type:description` and its enum, 12 at the end. The
 * cookbook covers flat properties; nested objects, `items`, `prefixItems`, `additionalProperties`,
 * `anyOf`, `oneOf`, `allOf` and `$defs` are counted here by the same rule, once each.
 *
 * @throws InvalidArgumentError naming the tool (`tools[1]`).
 */
export function countTools(tools: readonly Tool[] | null | undefined, context: PromptContext, path = 'tools'): number {
  if (tools === undefined || tools === null) return 0;
  if (!Array.isArray(tools)) throw new InvalidArgumentError(path, tools, 'must be an array of tools');
  if (tools.length === 0) return 0;
  return FUNCTIONS_END + countEach(tools, path, context, 0);
}

/** Tokens that `tool_choice` adds: 1 for `none`, 7 plus the name for one tool, otherwise 0. */
export function countToolChoice(choice: ToolChoice | undefined, context: PromptContext): number {
  if (choice === 'none') return CHOICE_NONE;
  if (!isRecord(choice)) return 0;
  if (choice.type === 'none') return CHOICE_NONE;
  const { name } = [choice.function, choice.custom].find(isRecord) ?? choice;
  return typeof name === 'string' ? CHOICE_NAMED + countString(name, context) : 0;
}

function countTool(tool: unknown, path: string, context: PromptContext, depth: number): number {
  if (!isRecord(tool)) throw new InvalidArgumentError(path, tool, 'must be an object');
  checkDepth(depth, path);
  const declarations = tool.function_declarations ?? tool.functionDeclarations;
  if (Array.isArray(declarations)) return countEach(declarations, `${path}.function_declarations`, context, depth + 1);
  const definition = [tool.function, tool.custom].find(isRecord) ?? tool;
  // A hosted tool (web search) only has its type or, with Gemini, its name as a key.
  const parameters = definition.parameters ?? definition.input_schema;
  const stated = definition.name ?? definition.type;
  const name = typeof stated === 'string' ? textOf(stated, context) : (stated ?? (parameters === undefined ? soleKey(tool) : undefined));
  if (typeof name !== 'string') throw new InvalidArgumentError(`${path}.name`, name, 'must be a string');
  const line = context.count(joined(name, undefined, describedBy(definition, context)));
  const own = context.model.tokensPerFunction + line + (isRecord(parameters) ? countSchema(parameters, path, context, 0) : 0);
  // A namespace of the Responses API.
  return Array.isArray(tool.tools) ? own + countEach(tool.tools, `${path}.tools`, context, depth + 1) : own;
}

function countEach(tools: readonly unknown[], path: string, context: PromptContext, depth: number): number {
  let tokens = 0;
  for (let i = 0; i < tools.length; i++) tokens += countTool(tools[i], `${path}[${i}]`, context, depth);
  return tokens;
}

/** `googleSearch` of `{ googleSearch: {} }`. */
function soleKey(tool: Schema): string | undefined {
  const [key, ...others] = Object.keys(tool);
  return others.length === 0 && key !== 'function' && key !== 'custom' && isRecord(tool[key]) ? key : undefined;
}

/**
 * Counts the JSON schema that a reply must follow (`response_format`, or `text.format` of the
 * Responses API). No rule is published, so it counts as a function with that schema and the count
 * is an estimate.
 */
export function countResponseFormat(format: unknown, path: string, context: PromptContext): number {
  if (!isRecord(format) || format.type !== 'json_schema') return 0;
  const { name, description, schema } = isRecord(format.json_schema) ? format.json_schema : format;
  if (!isRecord(schema)) return 0;
  context.assumed = true;
  return countTool({ name: typeof name === 'string' ? name : 'response', description, parameters: schema }, path, context, 0);
}

/** Counts the inside of a schema: properties, items, alternatives and definitions. */
function countSchema(schema: Schema, path: string, context: PromptContext, depth: number): number {
  checkDepth(depth, path);
  let tokens = countProperties(schema.properties, path, context, depth);
  tokens += countProperties(schema.$defs ?? schema.definitions, path, context, depth);
  for (const inner of [schema.items, schema.prefixItems, schema.additionalProperties, alternatives(schema)].flat())
    if (isRecord(inner)) tokens += countEnum(inner.enum, path, context) + countSchema(inner, path, context, depth + 1);
  return tokens;
}

function countProperties(properties: unknown, path: string, context: PromptContext, depth: number): number {
  if (!isRecord(properties)) return 0;
  const names = Object.keys(properties);
  if (names.length === 0) return 0;
  let tokens = PROPERTIES_START;
  for (const name of names) {
    const schema = properties[name];
    tokens += PROPERTY;
    if (!isRecord(schema)) {
      tokens += context.count(name);
      continue;
    }
    tokens += countEnum(schema.enum, path, context) + context.count(joined(name, typeName(schema, context), describedBy(schema, context)));
    tokens += countSchema(schema, path, context, depth + 1);
  }
  return tokens;
}

function countEnum(values: unknown, path: string, context: PromptContext): number {
  if (!Array.isArray(values)) return 0;
  let tokens = ENUM_START;
  for (const value of values) tokens += ENUM_ITEM + countJson(value, path, context);
  return tokens;
}

function alternatives(schema: Schema): Schema[] {
  return [schema.anyOf, schema.oneOf, schema.allOf].flat().filter(isRecord);
}

/** `string`, `string|null`, or the last part of a reference. */
function typeName(schema: Schema, context: PromptContext): string | undefined {
  const { type: given, $ref: ref } = schema;
  if (typeof given === 'string') return textOf(given, context);
  if (Array.isArray(given)) return given.flatMap((type) => (typeof type === 'string' ? [textOf(type, context)] : [])).join('|');
  if (typeof ref === 'string') return lastPart(textOf(ref, context));
  const types = alternatives(schema).map(({ type }) => (typeof type === 'string' ? textOf(type, context) : 'any'));
  return types.length === 0 ? undefined : types.join('|');
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function describedBy({ description }: Schema, context: PromptContext): string | undefined {
  return typeof description === 'string' ? textOf(description, context) : undefined;
}

/** The cookbook's line, without its final full stop. Missing parts leave no colon. */
function joined(name: string, type: string | undefined, description: string | undefined): string {
  const text = description !== undefined && description !== '' ? `:${description.replace(/\.$/, '')}` : '';
  return type === undefined ? name + text : `${name}:${type}${text}`;
}

import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import type { ChatTool } from '../openai/chat-types.js';
import { asksOneCall, dropsParams, refused } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { SchemaBudget } from '../schema-budget.js';
import type { Block } from './media.js';
import { cachePointOf } from './messages.js';
import { canDisableParallelTools, canForceTools, hasStrictTools, isNova, type BedrockModel } from './models.js';
import type { ToolNames } from './tool-names.js';
import { plainSchema } from './tool-schema.js';

/** The tools of a request. */
export interface ToolConfig {
  readonly tools: readonly Block[];
  readonly toolChoice?: Block;
}

/** The tool whose input is the structured output. */
export const JSON_TOOL = 'json_tool_call';
const EMPTY_SCHEMA = { type: 'object', properties: {} };
const DUMMY: Block = {
  toolSpec: {
    name: 'dummy_tool',
    description: 'Placeholder for the tools of earlier turns. Do not call it.',
    inputSchema: { json: EMPTY_SCHEMA },
  },
};
const UNFORCED = 'Call this tool with the final answer, once it is known.';

/** Inputs of the tools besides the request. */
export interface ToolContext {
  readonly sent: SentRequest;
  readonly model: BedrockModel;
  readonly names: ToolNames;
  /** The schema of a structured output that the model gives as a tool's input. */
  readonly jsonSchema: JsonSchema | undefined;
  /** Whether the conversation has calls of tools: then the service demands tools. */
  readonly hasTools: boolean;
  readonly isThinking: boolean;
}

export interface JsonSchema {
  readonly schema: object;
  readonly name?: string;
  readonly description?: string;
}

/** @throws UnsupportedRequestError for tools and choices that the service does not have */
export function toolConfigOf(chat: Fields, context: ToolContext): ToolConfig | undefined {
  const { jsonSchema, hasTools, isThinking, model, sent, names } = context;
  const choice: unknown = chat.tool_choice;
  const isNone = choice === 'none' && jsonSchema === undefined;
  if (isNone && hasTools && !dropsParams(sent, 'tool_choice')) {
    throw refused('tool_choice', sent, `${sent.provider} does not support "none" in a conversation with tool calls`);
  }
  // Tools that are not sent are not called.
  const ownTools = choice === 'none' && !hasTools ? [] : toolsOf(chat, context);
  const tools = jsonSchema === undefined ? ownTools : [...ownTools, jsonTool(jsonSchema, isThinking || !canForceTools(model), model)];
  if (tools.length === 0) return hasTools ? { tools: [DUMMY] } : undefined;
  if (jsonSchema !== undefined) {
    const toolChoice = isThinking || !canForceTools(model) ? undefined : ownTools.length > 0 ? { any: {} } : { tool: { name: JSON_TOOL } };
    return { tools, ...(toolChoice && { toolChoice }) };
  }
  const toolChoice = isNone ? undefined : choiceOf(choice, names);
  if (toolChoice === undefined || 'auto' in toolChoice) {
    // Anthropic's own choice replaces it.
    const isStated = toolChoice !== undefined && canForceTools(model) && !asksOneCall(chat);
    return { tools, ...(isStated && { toolChoice }) };
  }
  if (!isThinking && canForceTools(model)) return { tools, toolChoice };
  if (dropsParams(sent, 'tool_choice')) return { tools };
  throw refused('tool_choice', sent, `${sent.model} cannot be forced to call a tool${isThinking ? ' with thinking enabled' : ''}`);
}

/**
 * Anthropic's `tool_choice` instead of the service's own, if only it can express the request. The
 * service refuses it next to a choice that forces a tool; then, and for other models, only the
 * first call of the answer is returned.
 */
export function parallelToolsOf(chat: Fields, config: ToolConfig | undefined, { model }: ToolContext): Fields {
  if (!asksOneCall(chat) || config === undefined || !canDisableParallelTools(model)) return {};
  return config.toolChoice !== undefined ? {} : { tool_choice: { type: 'auto', disable_parallel_tool_use: true } };
}

function toolsOf({ tools, web_search_options: search }: Fields, { sent, model, names }: ToolContext): Block[] {
  if (tools !== undefined && !Array.isArray(tools)) throw new InvalidArgumentError('tools', tools, 'must be an array');
  const budget = new SchemaBudget();
  const blocks = ((tools ?? []) as readonly ChatTool[]).flatMap((tool, at) => {
    const mark = cachePointOf(
      (tool as ChatTool | null)?.cache_control ?? (tool?.function as { readonly cache_control?: object } | null | undefined)?.cache_control,
      model,
    );
    // Nova does not support cache points after tools.
    return [specOf(tool, `tools[${at}]`, { sent, model, names }, budget), ...(model.family === 'claude' ? mark : [])];
  });
  if (search === undefined) return blocks;
  if (isNova(model)) return [...blocks, { systemTool: { name: 'nova_grounding' } }];
  if (dropsParams(sent, 'web_search_options')) return blocks;
  throw refused('web_search_options', sent);
}

type SpecContext = Pick<ToolContext, 'sent' | 'model' | 'names'>;

function specOf(tool: ChatTool | null, path: string, { sent, model, names }: SpecContext, budget: SchemaBudget): Block {
  const known = tool as { readonly toolSpec?: unknown; readonly systemTool?: unknown; readonly cachePoint?: unknown };
  // In the service's own format.
  if (known?.toolSpec !== undefined || known?.systemTool !== undefined || known?.cachePoint !== undefined) return tool as Block;
  const called = tool?.function;
  if (called === undefined || called === null) {
    const { provider } = sent;
    throw new UnsupportedRequestError({ param: path, provider, reason: `${provider} supports only function tools`, remedy: 'remove it' });
  }
  const { name, description, parameters, strict } = called;
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError(`${path}.function.name`, name, 'must be a non-empty string');
  const sentName = names.sent(name);
  return {
    toolSpec: {
      name: sentName,
      description: typeof description === 'string' && description.trim() !== '' ? description : sentName,
      inputSchema: { json: objectSchema(parameters, model, `${path}.function.parameters`, budget) },
      ...(strict === true && hasStrictTools(model) && { strict }),
    },
  };
}

/** The service wants a type at the root. */
function objectSchema(parameters: unknown, { family }: BedrockModel, path: string, budget?: SchemaBudget): object {
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) return EMPTY_SCHEMA;
  if (family !== 'claude' && family !== 'unknown') return plainSchema(parameters as Fields, path, budget);
  return typeof (parameters as Fields).type === 'string' ? parameters : { ...parameters, type: 'object' };
}

function jsonTool({ schema, description }: JsonSchema, isUnforced: boolean, model: BedrockModel): Block {
  const words = [isUnforced ? UNFORCED : undefined, description].filter((each) => typeof each === 'string' && each !== '');
  return {
    toolSpec: {
      name: JSON_TOOL,
      description: words.join(' ') || JSON_TOOL,
      inputSchema: { json: objectSchema(schema, model, 'response_format.json_schema.schema') },
    },
  };
}

function choiceOf(choice: unknown, names: ToolNames): Block | undefined {
  if (choice === undefined) return undefined;
  if (choice === 'auto') return { auto: {} };
  if (choice === 'required') return { any: {} };
  const name = (choice as { readonly function?: { readonly name?: unknown } }).function?.name;
  if (typeof name === 'string' && name !== '') return { tool: { name: names.sent(name) } };
  throw new InvalidArgumentError('tool_choice', choice, 'must be none, auto, required or a function');
}

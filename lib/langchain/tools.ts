import type { BindToolsInput, ToolChoice } from '@langchain/core/language_models/chat_models';
import { convertToOpenAITool, isLangChainTool } from '@langchain/core/utils/function_calling';
import { isObject, type Fields } from '../common/objects.js';

/**
 * Translates a tool to OpenAI's: LangChain's own, a function's definition, Anthropic's. Others,
 * such as a provider's hosted tools, are sent as they are.
 */
export function chatTool(tool: BindToolsInput, strict?: boolean): object {
  if (isLangChainTool(tool)) return convertToOpenAITool(tool, strict === undefined ? undefined : { strict });
  const { type, function: called, name, description, parameters, input_schema: schema } = tool as Fields;
  if (type === 'function' && isObject(called)) return { ...tool, function: withStrict(called, strict) };
  const named = parameters ?? schema;
  if (type !== undefined || typeof name !== 'string' || named === undefined) return tool;
  return { type: 'function', function: withStrict({ name, description, parameters: named }, strict) };
}

function withStrict(definition: Fields, strict: boolean | undefined): Fields {
  return strict === undefined ? definition : { ...definition, strict };
}

/** LangChain's choice of a tool in OpenAI's words: `any` is `required`, other texts are names. */
export function chatToolChoice(choice: ToolChoice | undefined): string | object | undefined {
  if (typeof choice !== 'string' || choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  return choice === 'any' ? 'required' : { type: 'function', function: { name: choice } };
}

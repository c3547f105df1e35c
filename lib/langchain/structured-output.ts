import type { StructuredOutputMethodOptions } from '@langchain/core/language_models/base';
import { createContentParser, createFunctionCallingParser } from '@langchain/core/language_models/structured_output';
import type { Runnable } from '@langchain/core/runnables';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import { isSerializableSchema, type SerializableSchema } from '@langchain/core/utils/standard_schema';
import { getSchemaDescription, isInteropZodSchema, type InteropZodType } from '@langchain/core/utils/types';
import { isObject, type Fields } from '../common/objects.js';
import { checkOneOf, refuseArgument } from '../common/options.js';
import type { ChatFastLiteLLMCallOptions } from './chat-body.js';

/** Of zod 3 or 4 or another library of the standard, a JSON schema, or a function's definition. */
export type OutputSchema<Output extends Record<string, unknown>> =
  InteropZodType<Output> | SerializableSchema<Output> | Record<string, unknown>;

const METHODS = ['functionCalling', 'jsonSchema', 'jsonMode'] as const;
const DEFAULT_NAME = 'extract';

/** Request fields of a call, and the parser of its answer. */
export interface StructuredOutput<Output extends Record<string, unknown>> {
  readonly options: Partial<ChatFastLiteLLMCallOptions>;
  readonly parser: Runnable<unknown, Output>;
}

/** @throws InvalidArgumentError for an unknown method. */
export function structuredOutput<Output extends Record<string, unknown>>(
  schema: OutputSchema<Output>,
  config: StructuredOutputMethodOptions<boolean> = {},
): StructuredOutput<Output> {
  const method = checkOneOf('method', config.method ?? 'functionCalling', METHODS, refuseArgument);
  const definition = definitionOf(schema, config.name);
  // Read by LangSmith.
  const traced = { ls_structured_output_format: { kwargs: { method }, schema: definition.parameters } };
  if (method === 'functionCalling') {
    const tool = { type: 'function', function: { ...definition, ...(config.strict !== undefined && { strict: config.strict }) } };
    const choice = { type: 'function', function: { name: definition.name } };
    return {
      options: { tools: [tool], tool_choice: choice, ...traced },
      parser: createFunctionCallingParser<Output>(schema, definition.name) as Runnable<unknown, Output>,
    };
  }
  const { name, description, parameters } = definition;
  const format =
    method === 'jsonMode'
      ? { type: 'json_object' }
      : { type: 'json_schema', json_schema: { name, description, schema: parameters, strict: config.strict ?? true } };
  return {
    options: { response_format: format, ...traced },
    parser: createContentParser<Output>(schema) as Runnable<unknown, Output>,
  };
}

interface Definition {
  readonly name: string;
  readonly description: string;
  readonly parameters: Fields;
}

function definitionOf(schema: OutputSchema<Record<string, unknown>>, name: string | undefined): Definition {
  const isJsonSchema = !isInteropZodSchema(schema) && !isSerializableSchema(schema);
  const description = getSchemaDescription(schema) ?? 'Answers in this format.';
  if (!isJsonSchema) return { name: name ?? DEFAULT_NAME, description, parameters: toJsonSchema(schema) };
  const { name: own, title, parameters } = schema;
  const given = [name, own, title].find((each) => typeof each === 'string' && NAME.test(each)) as string | undefined;
  const isDefinition = typeof own === 'string' && isObject(parameters);
  return { name: given ?? DEFAULT_NAME, description, parameters: isDefinition ? parameters : schema };
}

/** Tool names that providers accept. */
const NAME = /^[\w-]{1,64}$/;

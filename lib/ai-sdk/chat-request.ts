import { definedFields, type Fields } from '../common/objects.js';
import type { ChatRequest } from '../apis/wire/requests.js';
import { chatMessages } from './chat-messages.js';
import { optionOf, ownOptions } from './own-options.js';
import type { ModelCallOptions, ModelTool, ModelWarning } from './specification.js';

/** A step as a body of OpenAI's chat. */
export interface StepRequest {
  readonly body: ChatRequest & { readonly stream?: boolean };
  readonly warnings: ModelWarning[];
}

/** Puts a step into OpenAI's chat, for the model group `model`. */
export function stepRequest(model: string, options: ModelCallOptions): StepRequest {
  const { tools, warnings } = functionTools(options.tools ?? []);
  const { strictJsonSchema, reasoningEffort, ...own } = ownOptions(options);
  const { reasoning } = options;
  const set = definedFields<Fields>({
    max_tokens: options.maxOutputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    presence_penalty: options.presencePenalty,
    frequency_penalty: options.frequencyPenalty,
    stop: options.stopSequences !== undefined && options.stopSequences.length > 0 ? options.stopSequences : undefined,
    seed: options.seed,
    response_format: responseFormat(options, strictJsonSchema !== false),
    reasoning_effort: reasoningEffort ?? (reasoning === 'provider-default' ? undefined : reasoning),
    tools: tools.length > 0 ? tools : undefined,
    tool_choice: tools.length > 0 ? toolChoice(options.toolChoice) : undefined,
  });
  return { body: { ...own, ...set, model, messages: chatMessages(options.prompt) }, warnings };
}

function functionTools(tools: readonly ModelTool[]): { readonly tools: object[]; readonly warnings: ModelWarning[] } {
  const warnings: ModelWarning[] = [];
  const written = tools.flatMap((tool) => {
    const { type, name, description, inputSchema: parameters, strict, id } = tool;
    if (type !== 'function') {
      warnings.push({
        type: 'unsupported',
        feature: `tool ${id ?? name}`,
        details: 'a model group may have deployments at several providers',
      });
      return [];
    }
    const cache = optionOf(tool, 'cacheControl');
    const definition = { name, description, parameters, ...(strict !== undefined && { strict }) };
    return [{ type, function: definition, ...(cache !== undefined && { cache_control: cache }) }];
  });
  return { tools: written, warnings };
}

function toolChoice(choice: ModelCallOptions['toolChoice']): unknown {
  if (choice === undefined) return undefined;
  return choice.type === 'tool' ? { type: 'function', function: { name: choice.toolName } } : choice.type;
}

function responseFormat({ responseFormat: format }: ModelCallOptions, strict: boolean): object | undefined {
  if (format?.type !== 'json') return undefined;
  const { schema, name = 'response', description } = format;
  if (schema === undefined) return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name, ...(description !== undefined && { description }), schema, strict } };
}

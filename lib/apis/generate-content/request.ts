import { InvalidArgumentError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { isObject, type Fields } from '../../common/objects.js';
import { checkArray, checkInteger, checkNumber, checkObject, checkString, refuseArgument } from '../../common/options.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { ChatTool } from '../../providers/openai/chat-types.js';
import { isToolForced } from '../../providers/parameters.js';
import { closedSchema } from '../messages/request.js';
import { chatMessages, systemMessage } from './contents.js';
import { field, objectField, textField } from './fields.js';
import { jsonSchemaOf } from './schema.js';

/**
 * A request of Google's `:generateContent` as one of OpenAI's chat. Fields that change no answer,
 * and unknown ones, are omitted.
 * @param provider of the deployment, for errors
 * @throws InvalidArgumentError for a wrong field; UnsupportedRequestError for what chat lacks
 */
export function chatRequest(body: ModelRequest, provider: string): ModelRequest {
  const { model, stream } = body;
  const config = checkObject('generationConfig', field(body, 'generationConfig') ?? {}, refuseArgument);
  const { tools, isSearching } = chatTools(body.tools ?? [], provider);
  const use = tools.length > 0 ? toolUse(objectField(objectField(body, 'toolConfig'), 'functionCallingConfig')) : {};
  return {
    model,
    messages: [...systemMessage(field(body, 'systemInstruction')), ...chatMessages(body.contents, provider)],
    ...(tools.length > 0 && { tools, ...use }),
    ...(isSearching && { web_search_options: {} }),
    ...sampling(config, provider),
    ...thinking(objectField(config, 'thinkingConfig')),
    ...modalities(config),
    ...(!isToolForced({ tools, ...use }) && format(config)),
    ...(stream === true && { stream, stream_options: { include_usage: true } }),
  };
}

/** Functions as chat has them, and whether Google's search is among the tools. */
function chatTools(tools: unknown, provider: string): { readonly tools: readonly ChatTool[]; readonly isSearching: boolean } {
  const functions: ChatTool[] = [];
  let isSearching = false;
  checkArray(
    'tools',
    tools,
    (path, value) => {
      for (const [name, given] of Object.entries(checkObject(path, value, refuseArgument))) {
        if (given === undefined || given === null) continue;
        if (name === 'functionDeclarations' || name === 'function_declarations') {
          functions.push(...checkArray(`${path}.${name}`, given, functionTool, refuseArgument));
        } else if (SEARCHES.has(name)) isSearching = true;
        else throw foreignTool(path, name, provider);
      }
    },
    refuseArgument,
  );
  return { tools: functions, isSearching };
}

const SEARCHES: ReadonlySet<string> = new Set(['googleSearch', 'google_search', 'googleSearchRetrieval', 'google_search_retrieval']);

function functionTool(path: string, value: unknown): ChatTool {
  const declaration = checkObject(path, value, refuseArgument);
  const name = checkString(`${path}.name`, declaration.name, refuseArgument);
  const description = textField(declaration, 'description');
  const plain = field(declaration, 'parametersJsonSchema');
  const own = field(declaration, 'parameters');
  const parameters = isObject(plain) ? plain : isObject(own) ? jsonSchemaOf(`${path}.parameters`, own) : undefined;
  return {
    type: 'function',
    function: { name, ...(description !== undefined && { description }), ...(parameters !== undefined && { parameters }) },
  };
}

function foreignTool(path: string, name: string, provider: string): Error {
  const reason = `${provider} does not support Google's tool ${name.slice(0, 64)}`;
  return new UnsupportedRequestError({ param: path, provider, reason, remedy: 'remove the tool, or use a Gemini model' });
}

function toolUse(config: Fields): Fields {
  const { mode } = config;
  const names = field(config, 'allowedFunctionNames');
  const allowed = Array.isArray(names) ? (names as readonly unknown[]) : [];
  switch (mode) {
    case undefined:
    case null:
    case 'MODE_UNSPECIFIED':
    case 'AUTO':
    case 'VALIDATED':
      return {};
    case 'NONE':
      return { tool_choice: 'none' };
    case 'ANY':
      break;
    default:
      throw new InvalidArgumentError('toolConfig.functionCallingConfig.mode', mode, 'must be AUTO, ANY, NONE or VALIDATED');
  }
  const functions = allowed.map((name) => ({ type: 'function', function: { name } }));
  if (functions.length === 0) return { tool_choice: 'required' };
  if (functions.length === 1) return { tool_choice: functions[0] };
  return { tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: functions } } };
}

/** Google's figures, and chat's names of them. */
const FIGURES = [
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['topK', 'top_k'],
  ['seed', 'seed'],
  ['presencePenalty', 'presence_penalty'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['logprobs', 'top_logprobs'],
] as const;

/** Providers that refuse a request with it. */
const WITHOUT_TOP_K: ReadonlySet<string> = new Set(['openai', 'azure']);

function sampling(config: Fields, provider: string): Fields {
  const figures = FIGURES.flatMap(([theirs, ours]): [string, number][] => {
    const value = field(config, theirs);
    // Google's SDKs and frameworks set it by default.
    if (ours === 'top_k' && WITHOUT_TOP_K.has(provider)) return [];
    return value === undefined ? [] : [[ours, checkNumber(`generationConfig.${theirs}`, value, {}, refuseArgument)]];
  });
  const integer = (name: string): number | undefined => {
    const value = field(config, name);
    return value === undefined ? undefined : checkInteger(`generationConfig.${name}`, value, { min: 1 }, refuseArgument);
  };
  const most = integer('maxOutputTokens');
  const choices = integer('candidateCount');
  const path = 'generationConfig.stopSequences';
  const stop = checkArray(path, field(config, 'stopSequences') ?? [], (at, text) => checkString(at, text, refuseArgument), refuseArgument);
  return {
    ...Object.fromEntries(figures),
    ...(most !== undefined && { max_tokens: most }),
    ...(choices !== undefined && choices > 1 && { n: choices }),
    ...(stop.length > 0 && { stop }),
    ...(field(config, 'responseLogprobs') === true && { logprobs: true }),
  };
}

/** The least budgets of thinking tokens for an effort. */
const EFFORTS = [
  [4096, 'high'],
  [2048, 'medium'],
  [1, 'low'],
] as const;
const LEVELS: ReadonlySet<string> = new Set(['minimal', 'low', 'medium', 'high']);

/** A budget of -1 leaves the effort to the model. */
function thinking(config: Fields): Fields {
  const level = textField(config, 'thinkingLevel')?.toLowerCase();
  if (level !== undefined && LEVELS.has(level)) return { reasoning_effort: level };
  const budget = field(config, 'thinkingBudget');
  if (typeof budget !== 'number' || budget < 0) return {};
  return { reasoning_effort: EFFORTS.find(([least]) => budget >= least)?.[1] ?? 'none' };
}

function modalities(config: Fields): Fields {
  const asked = field(config, 'responseModalities');
  if (!Array.isArray(asked)) return {};
  const names = (asked as readonly unknown[]).map((each) => String(each).toLowerCase());
  return names.every((name) => name === 'text') ? {} : { modalities: names };
}

function format(config: Fields): Fields {
  const type = textField(config, 'responseMimeType');
  const plain = field(config, 'responseJsonSchema');
  const own = field(config, 'responseSchema');
  if (type === undefined || type === 'text/plain') return {};
  const path = 'generationConfig.responseMimeType';
  if (type !== 'application/json') throw new InvalidArgumentError(path, type, 'must be text/plain or application/json');
  const at = isObject(plain) ? 'generationConfig.responseJsonSchema' : 'generationConfig.responseSchema';
  const schema = isObject(plain) ? plain : isObject(own) ? jsonSchemaOf(at, own) : undefined;
  if (schema === undefined) return { response_format: { type: 'json_object' } };
  // OpenAI's strict mode accepts only objects.
  const isStrict = schema.type === 'object';
  const json_schema = { name: 'response', schema: isStrict ? closedSchema(at, schema) : schema, ...(isStrict && { strict: true }) };
  return { response_format: { type: 'json_schema', json_schema } };
}

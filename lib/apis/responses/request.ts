import { type Fields, isObject, isSet } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import { dropsParams, isChatParameter, isToolForced, refused } from '../../providers/parameters.js';
import type { SentRequest } from '../../providers/protocol.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { rejectFields, RESPONSES_FIELDS } from '../client-fields.js';
import { chatMessagesOf } from './input.js';
import type { KeptItems } from '../../providers/openai/responses/kept-items.js';
import { nameInChat, toolsOfNamespace } from './namespaces.js';

/** Fields that chat has under other names or in other forms. Its other fields pass unchanged. */
const REWRITTEN: ReadonlySet<string> = new Set(['include', 'tools', 'tool_choice', 'parallel_tool_calls', 'top_logprobs']);

/**
 * Converts a Responses request to a chat request. Other fields pass if chat has them.
 * @throws InvalidArgumentError naming a wrong field; UnsupportedRequestError naming one that chat
 * has no equivalent for.
 */
export function chatRequestOf(body: ModelRequest, sent: SentRequest, kept: KeptItems): ModelRequest {
  rejectFields(body, RESPONSES_FIELDS, sent);
  const others = Object.entries(body).filter(([name, value]) => isShared(name) && value !== null);
  const tools = toolsOf(body, sent);
  const choice = tools.length > 0 ? choiceOf(body, sent) : {};
  const { response_format: format, ...text } = textOf(body.text, sent);
  const logprobs = logprobsOf(body);
  return {
    ...Object.fromEntries(others),
    model: body.model,
    messages: chatMessagesOf(body, sent, kept),
    ...(isSet(body.max_output_tokens) && { max_tokens: body.max_output_tokens }),
    ...effortOf(body.reasoning),
    ...text,
    ...(format !== undefined && !isToolForced({ tools, ...choice }) && { response_format: format }),
    ...(tools.length > 0 && { tools, ...choice }),
    ...(tools.length > 0 && isSet(body.parallel_tool_calls) && { parallel_tool_calls: body.parallel_tool_calls }),
    ...logprobs,
    ...(body.stream === true && { stream_options: { include_usage: true } }),
  };
}

/** Whether chat has a field with the same name. */
function isShared(name: string): boolean {
  return isChatParameter(name) && !REWRITTEN.has(name) && (RESPONSES_FIELDS[name] ?? 'translated') === 'translated';
}

/**
 * Function tools, including those in namespaces. OpenAI's own tools have no equivalent in chat:
 * they are dropped next to functions, as agents offer them, and rejected otherwise.
 */
function toolsOf({ tools, tool_choice: choice }: ModelRequest, sent: SentRequest): readonly object[] {
  if (!isSet(tools)) return [];
  const given = checkArray('tools', tools, (path, value) => ({ path, tool: checkObject(path, value, refuseArgument) }), refuseArgument);
  const flat = given.flatMap(({ path, tool }) => toolsOfNamespace(tool).map((each) => ({ path, tool: each })));
  const functions = flat.flatMap(({ path, tool }) => (tool.type === 'function' ? [functionToolOf(path, tool)] : []));
  const other = flat.find(({ tool }) => tool.type !== 'function');
  if (other !== undefined && functions.length === 0 && !dropsParams(sent))
    throw refused(other.path, sent, `${sent.provider} supports only function tools, not ${shown(other.tool.type)}`);
  const allowed = allowedTools(choice);
  return allowed === undefined ? functions : functions.filter((tool) => allowed.has(tool.function.name));
}

function functionToolOf(path: string, { name, namespace, description, parameters, strict }: Fields) {
  return {
    type: 'function',
    function: {
      name: nameInChat(checkString(`${path}.name`, name, refuseArgument), namespace),
      ...(isSet(description) && { description }),
      ...(isSet(parameters) && { parameters }),
      ...(isSet(strict) && { strict }),
    },
  };
}

/** The names in `{ type: 'allowed_tools', tools }`: only these are sent. */
function allowedTools(choice: unknown): ReadonlySet<unknown> | undefined {
  if (!isObject(choice) || choice.type !== 'allowed_tools') return undefined;
  const path = 'tool_choice.tools';
  return new Set(checkArray(path, choice.tools, (at, value) => checkObject(at, value, refuseArgument).name, refuseArgument));
}

function choiceOf({ tool_choice: choice }: ModelRequest, sent: SentRequest): object {
  if (!isSet(choice)) return {};
  if (typeof choice === 'string') return { tool_choice: choice };
  const { type, name, mode } = checkObject('tool_choice', choice, refuseArgument);
  if (type === 'allowed_tools') return { tool_choice: mode ?? 'auto' };
  if (type === 'function') {
    return { tool_choice: { type, function: { name: checkString('tool_choice.name', name, refuseArgument) } } };
  }
  if (dropsParams(sent)) return {};
  throw refused('tool_choice', sent, `${sent.provider} supports only function tools, not ${shown(type)}`);
}

function effortOf(reasoning: unknown): object {
  if (!isSet(reasoning)) return {};
  const { effort } = checkObject('reasoning', reasoning, refuseArgument);
  return isSet(effort) ? { reasoning_effort: effort } : {};
}

function textOf(text: unknown, sent: SentRequest): { readonly response_format?: object; readonly verbosity?: unknown } {
  if (!isSet(text)) return {};
  const { format, verbosity } = checkObject('text', text, refuseArgument);
  return {
    ...(isSet(format) && formatOf(checkObject('text.format', format, refuseArgument), sent)),
    ...(isSet(verbosity) && { verbosity }),
  };
}

function formatOf({ type, ...rest }: Fields, sent: SentRequest): object {
  if (type === 'text') return {};
  if (type === 'json_object') return { response_format: { type } };
  if (type !== 'json_schema') {
    if (dropsParams(sent)) return {};
    throw refused('text.format', sent, `${sent.provider} supports text, json_object and json_schema, not ${shown(type)}`);
  }
  const { name, description, schema, strict } = rest;
  const format = {
    name: checkString('text.format.name', name, refuseArgument),
    ...(isSet(description) && { description }),
    schema: checkObject('text.format.schema', schema, refuseArgument),
    ...(isSet(strict) && { strict }),
  };
  return { response_format: { type, json_schema: format } };
}

/** Responses asks for log probabilities by either field. */
function logprobsOf({ include, top_logprobs: top }: ModelRequest): object {
  if (isSet(include) && !Array.isArray(include)) throw new InvalidArgumentError('include', include, 'must be an array');
  const isIncluded = Array.isArray(include) && include.includes('message.output_text.logprobs');
  if (!isIncluded && !(typeof top === 'number' && top > 0)) return {};
  return { logprobs: true, ...(isSet(top) && { top_logprobs: top }) };
}

function shown(type: unknown): string {
  return typeof type === 'string' ? type.slice(0, 40) : 'an entry without a type';
}

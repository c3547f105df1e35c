import { createHash } from 'node:crypto';
import { type Fields, isObject } from '../../common/objects.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { checkArray, checkInteger, checkNumber, checkObject, checkString, refuseArgument } from '../../common/options.js';
import { isToolForced } from '../../providers/parameters.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { chatMessages, systemMessages } from './history.js';
import { chatTools, chatToolUse, isMark } from './tools.js';

/** OpenAI's limit of `user`. */
const LONGEST_USER = 64;

/**
 * A request of Anthropic's Messages API as one of OpenAI's chat. Fields that change no answer, and
 * unknown ones, are omitted.
 * @param provider of the deployment, for errors
 * @throws InvalidArgumentError for a wrong field; UnsupportedRequestError for what chat lacks
 */
export function chatRequest(body: ModelRequest, provider: string): ModelRequest {
  const { model, stream } = body;
  const tools = chatTools(body.tools, provider);
  const use = chatToolUse(body.tool_choice);
  return {
    model,
    messages: [...systemMessages(body.system), ...chatMessages(marked(body), provider)],
    ...(tools.length > 0 && { tools, ...use }),
    ...sampling(body),
    ...thinking(body),
    ...(!isToolForced({ tools, ...use }) && format(body)),
    ...(stream === true && { stream, stream_options: { include_usage: true } }),
  };
}

/** A cache mark on the whole request applies to its last block. */
function marked({ messages, cache_control: mark }: ModelRequest): unknown {
  if (!isMark(mark) || !Array.isArray(messages) || messages.length === 0) return messages;
  const last = messages.at(-1) as Fields | null;
  const content: unknown = typeof last?.content === 'string' ? [{ type: 'text', text: last.content }] : last?.content;
  if (!Array.isArray(content) || content.length === 0) return messages;
  const block: unknown = content.at(-1);
  if (!isMark(block)) return messages;
  return [
    ...(messages as unknown[]).slice(0, -1),
    { ...last, content: [...(content as unknown[]).slice(0, -1), { cache_control: mark, ...block }] },
  ];
}

function sampling(body: ModelRequest): Fields {
  const figure = (name: string, max?: number): Fields => {
    const value = body[name] ?? undefined;
    return value === undefined ? {} : { [name]: checkNumber(name, value, { min: 0, max }, refuseArgument) };
  };
  const { max_tokens: reply, stop_sequences: stops, metadata } = body;
  const stop = checkArray('stop_sequences', stops ?? [], (path, text) => checkString(path, text, refuseArgument), refuseArgument);
  const user = checkObject('metadata', metadata ?? {}, refuseArgument).user_id;
  return {
    ...((reply ?? undefined) !== undefined && { max_tokens: checkInteger('max_tokens', reply, { min: 1 }, refuseArgument) }),
    ...figure('temperature', 1),
    ...figure('top_p', 1),
    ...figure('top_k'),
    ...(stop.length > 0 && { stop }),
    ...(typeof user === 'string' && user !== '' && { user: userName(user) }),
  };
}

/** Claude Code's name of a user is longer than OpenAI takes. */
function userName(user: string): string {
  return user.length <= LONGEST_USER ? user : createHash('sha256').update(user).digest('hex');
}

/** The least budgets of thinking tokens for an effort. */
const EFFORTS = [
  [4096, 'high'],
  [2048, 'medium'],
] as const;

function thinking({ thinking: value, output_config: config }: ModelRequest): Fields {
  if (value === undefined || value === null) return {};
  const { type, budget_tokens: budget } = checkObject('thinking', value, refuseArgument);
  if (type === 'disabled') return {};
  if (type === 'adaptive') {
    const { effort } = checkObject('output_config', config ?? {}, refuseArgument);
    return { reasoning_effort: typeof effort === 'string' ? effort : 'medium' };
  }
  if (type !== 'enabled') throw new InvalidArgumentError('thinking.type', type, 'must be enabled, adaptive or disabled');
  const tokens = checkInteger('thinking.budget_tokens', budget, { min: 1 }, refuseArgument);
  return { reasoning_effort: EFFORTS.find(([least]) => tokens >= least)?.[1] ?? 'low' };
}

/** `output_format` is its name in the older beta. */
function format({ output_config: config, output_format: older }: ModelRequest): Fields {
  const inConfig = isMark(config) ? (config as Fields).format : undefined;
  const [path, value] = (inConfig ?? undefined) !== undefined ? ['output_config.format', inConfig] : ['output_format', older];
  if (value === undefined || value === null) return {};
  const { type, schema } = checkObject(path, value, refuseArgument);
  if (type !== 'json_schema') throw new InvalidArgumentError(`${path}.type`, type, 'must be json_schema');
  const json_schema = {
    name: 'structured_output',
    schema: closedSchema(`${path}.schema`, checkObject(`${path}.schema`, schema, refuseArgument)),
    strict: true,
  };
  return { response_format: { type, json_schema } };
}

/** A deeper schema is refused. */
const DEEPEST = 64;
/** Keywords that hold one schema, a list of them, or schemas by name. */
const SCHEMAS: ReadonlySet<string> = new Set(['items', 'additionalItems', 'not', 'contains', 'if', 'then', 'else']);
const LISTS: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const BY_NAME: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'patternProperties']);

/**
 * A schema for OpenAI's strict mode, whose objects have no further properties and require all. The
 * given schema allows everything that the result allows.
 * @throws InvalidArgumentError for a schema that is too deep
 */
export function closedSchema(path: string, schema: Fields, depth = 0): Fields {
  if (depth > DEEPEST) throw new InvalidArgumentError(path, NO_VALUE, `must not be nested deeper than ${DEEPEST} levels`);
  const closed = (at: string, value: unknown): unknown => (isObject(value) ? closedSchema(at, value, depth + 1) : value);
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    const at = `${path}.${key}`;
    if (SCHEMAS.has(key)) return [key, closed(at, value)];
    if (LISTS.has(key) && Array.isArray(value)) return [key, value.map((each, index) => closed(`${at}[${index}]`, each))];
    if (!BY_NAME.has(key) || !isObject(value)) return [key, value];
    return [key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, closed(`${at}.${name}`, each)]))];
  });
  const { properties } = schema;
  if (schema.type !== 'object' || !isObject(properties)) return Object.fromEntries(entries);
  const own = entries.filter(([key]) => key !== 'additionalProperties' && key !== 'required');
  return Object.fromEntries([...own, ['required', Object.keys(properties)], ['additionalProperties', false]]);
}

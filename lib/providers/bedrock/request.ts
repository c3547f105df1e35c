import { type Fields, fieldsOf, isObject, nonEmptyString } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { lacksThinking } from '../anthropic/conversation.js';
import { pickedFields, written } from '../openai/request.js';
import {
  asksOneCall,
  dropsParams,
  isToolForced,
  OF_OTHER_APIS,
  refused,
  splitParameters,
  type ParameterRules,
  type SplitParameters,
} from '../parameters.js';
import type { SentRequest, WireCall } from '../protocol.js';
import { conversationOf } from './messages.js';
import { bedrockModel, canForceTools, hasTextFormat, isNova, type BedrockModel } from './models.js';
import { thinkingOf, type Thinking } from './thinking.js';
import { ToolNames } from './tool-names.js';
import { parallelToolsOf, toolConfigOf, type JsonSchema, type ToolContext } from './tools.js';

const RULES: ParameterRules = {
  translated: new Set(
    `max_completion_tokens max_tokens messages model parallel_tool_calls reasoning_effort response_format service_tier stop stream stream_options
    temperature thinking tool_choice tools top_p web_search_options`.split(/\s+/),
  ),
  ignored: new Set(
    `metadata prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier store user ${OF_OTHER_APIS}`.split(' '),
  ),
};
/** Converse's own fields: they pass as they are. Any other own parameter is the model's. */
const OWN_FIELDS: ReadonlySet<string> = new Set(
  `additionalModelResponseFieldPaths guardrailConfig outputConfig performanceConfig promptVariables requestMetadata serviceTier`.split(' '),
);
const TIERS: ReadonlySet<unknown> = new Set(['default', 'flex', 'priority', 'reserved']);
/** Fields of `ConverseTokensRequest`. */
const COUNTED = ['messages', 'system', 'toolConfig', 'additionalModelRequestFields'];
/** Tokens for the answer in addition to thinking, if the request sets no maximum. */
const ANSWER_TOKENS = 4096;

/** One request to Converse. Its body can be written later, in steps. */
export class ConverseRequest {
  readonly names = new ToolNames();
  readonly model: BedrockModel;
  /** Whether the structured output is the input of a tool. */
  readonly hasJsonTool: boolean;
  private readonly parameters: SplitParameters;
  private readonly thinking: Thinking;
  private readonly isLost: boolean;
  private readonly format: JsonSchema | undefined;

  /** @throws UnsupportedRequestError for parameters that the service does not have */
  constructor(private readonly sent: SentRequest) {
    const { params, model, baseModel } = sent;
    this.model = bedrockModel(model, baseModel, nonEmptyString(params.model_id));
    this.parameters = splitParameters(sent, RULES);
    const { chat } = this.parameters;
    const thinking = thinkingOf(chat, { sent, model: this.model, maxTokens: maxTokensOf(chat) });
    // Before a tool call, Claude requires its thinking to be sent back, or no thinking at all.
    this.isLost = thinking.budget !== undefined && lacksThinking(chat.messages);
    this.thinking = this.isLost ? { fields: {}, isOn: false } : thinking;
    const isForced = isToolForced(chat) && canForceTools(this.model) && !this.thinking.isOn;
    this.format = isForced ? undefined : formatOf(chat.response_format);
    this.hasJsonTool = this.format !== undefined && !hasTextFormat(this.model, this.thinking.isOn);
  }

  /** Whether the client gets at most one tool call. */
  get hasOneCall(): boolean {
    return asksOneCall(this.parameters.chat);
  }

  /** Whether a stream ends with its usage. */
  get includesUsage(): boolean {
    return (this.parameters.chat.stream_options as { readonly include_usage?: unknown } | undefined)?.include_usage === true;
  }

  body(): WireCall['body'] {
    return written(this.sent, () => this.fields());
  }

  /** The body of CountTokens. */
  countBody(): WireCall['body'] {
    return written(this.sent, () => ({ input: { converse: pickedFields(this.fields(), COUNTED) } }));
  }

  private fields(): Fields {
    const { sent, model, names, format, hasJsonTool, thinking, isLost } = this;
    const { chat, own } = this.parameters;
    const { system, messages, hasTools } = conversationOf(chat.messages, { sent, model, names, keepsThinking: !isLost });
    const jsonSchema = hasJsonTool ? format : undefined;
    const context: ToolContext = { sent, model, names, jsonSchema, hasTools, isThinking: thinking.isOn };
    const toolConfig = toolConfigOf(chat, context);
    const { passed, additional, inference } = ownFields(own, model);
    const fields: Record<string, unknown> = { messages };
    if (system.length > 0) fields.system = system;
    const inferenceConfig = { ...this.sampling(thinking), ...inference };
    if (Object.keys(inferenceConfig).length > 0) fields.inferenceConfig = inferenceConfig;
    if (toolConfig !== undefined) fields.toolConfig = toolConfig;
    if (format !== undefined && !hasJsonTool) fields.outputConfig = { textFormat: textFormat(format) };
    if (chat.service_tier !== undefined) Object.assign(fields, this.tier(chat.service_tier));
    const all = merged(thinking.fields, parallelToolsOf(chat, toolConfig, context), additional);
    if (Object.keys(all).length > 0) fields.additionalModelRequestFields = all;
    if (model.family === 'claude' && thinking.isOn) fields.additionalModelResponseFieldPaths = ['/usage/output_tokens_details'];
    return Object.assign(fields, passed);
  }

  private sampling({ isOn, budget }: Thinking): Fields {
    const { model, sent } = this;
    const { chat } = this.parameters;
    const fields: Record<string, unknown> = {};
    const maxTokens = maxTokensOf(chat) ?? (budget === undefined ? undefined : budget + ANSWER_TOKENS);
    if (maxTokens !== undefined) fields.maxTokens = maxTokens;
    const isClaude = model.traits !== undefined;
    const isFixed = isClaude && (isOn || !model.traits.sampling);
    for (const [name, as] of [
      ['temperature', 'temperature'],
      ['top_p', 'topP'],
    ] as const) {
      const value = chat[name];
      if (value === undefined || (isFixed && value === 1)) continue;
      // OpenAI's temperatures go up to 2.
      if (!isFixed) fields[as] = isClaude && name === 'temperature' && typeof value === 'number' ? Math.min(value, 1) : value;
      else if (!dropsParams(sent, name))
        throw refused(name, sent, `${sent.model} does not support ${name}${isOn ? ' with thinking enabled' : ''}`);
    }
    const stops = stopsOf(chat.stop);
    if (stops.length > 0) fields.stopSequences = stops;
    return fields;
  }

  /** `auto` is the default. */
  private tier(tier: unknown): Fields {
    if (TIERS.has(tier)) return { serviceTier: { type: tier } };
    if (tier === 'auto' || dropsParams(this.sent, 'service_tier')) return {};
    throw refused('service_tier', this.sent, `${this.sent.provider} supports only the service tiers ${[...TIERS].join(', ')}`);
  }
}

/** Sorts the client's own parameters by where the API expects them. */
function ownFields(own: Fields, model: BedrockModel): { readonly passed: Fields; readonly additional: Fields; readonly inference: Fields } {
  const { additionalModelRequestFields: more, inferenceConfig: inference, top_k: topK, ...others } = own;
  const entries = Object.entries(others);
  // For Claude and most others; Nova expects it elsewhere.
  const sampling = topK === undefined ? {} : isNova(model) ? { inferenceConfig: { topK } } : { top_k: topK };
  return {
    passed: Object.fromEntries(entries.filter(([name]) => OWN_FIELDS.has(name))),
    additional: merged(Object.fromEntries(entries.filter(([name]) => !OWN_FIELDS.has(name))), sampling, fieldsOf(more)),
    inference: fieldsOf(inference),
  };
}

/** Objects by field, two levels deep; the last value wins. */
function merged(...parts: readonly Fields[]): Fields {
  const all = new Map<string, unknown>();
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    const before = all.get(name);
    all.set(name, isObject(before) && isObject(value) ? { ...before, ...value } : value);
  }
  return Object.fromEntries(all);
}

function maxTokensOf({ max_completion_tokens: completion, max_tokens: tokens }: Fields): number | undefined {
  const most = completion ?? tokens;
  if (most === undefined || (Number.isInteger(most) && (most as number) > 0)) return most as number | undefined;
  throw new InvalidArgumentError(completion === undefined ? 'max_tokens' : 'max_completion_tokens', most, 'must be a positive integer');
}

/** The service refuses blank ones. */
function stopsOf(stop: unknown): readonly unknown[] {
  const stops: readonly unknown[] = Array.isArray(stop) ? stop : stop === undefined ? [] : [stop];
  return stops.filter((each) => typeof each !== 'string' || each !== '');
}

/** The schema of the answer. JSON without a schema is left to the prompt, which must name it. */
function formatOf(format: unknown): JsonSchema | undefined {
  if (format === undefined) return undefined;
  const { type, json_schema: given } = format as { readonly type?: unknown; readonly json_schema?: Partial<JsonSchema> };
  if (type === 'text' || type === 'json_object') return undefined;
  if (type !== 'json_schema') throw new InvalidArgumentError('response_format.type', type, 'must be text, json_object or json_schema');
  const { schema, name, description } = given ?? {};
  if (!isObject(schema)) throw new InvalidArgumentError('response_format.json_schema.schema', schema, 'must be a JSON schema');
  return { schema, name, description };
}

function textFormat({ schema, name, description }: JsonSchema): Fields {
  const jsonSchema = {
    schema: JSON.stringify(closed(schema)),
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
  };
  return { type: 'json_schema', structure: { jsonSchema } };
}

/** Deeper schemas are refused. */
const DEEPEST = 64;
const BRANCHES = ['anyOf', 'allOf', 'oneOf'];
const MAPS = ['properties', '$defs', 'definitions'];

/** The service wants `additionalProperties: false` at every object. */
function closed(schema: unknown, depth = 0): unknown {
  if (!isObject(schema)) return schema;
  if (depth > DEEPEST)
    throw new InvalidArgumentError('response_format.json_schema.schema', schema, `must not be nested deeper than ${DEEPEST} levels`);
  const next = (each: unknown): unknown => closed(each, depth + 1);
  const entries = Object.entries(schema).map(([key, value]): readonly [string, unknown] => {
    if (key === 'items') return [key, next(value)];
    if (BRANCHES.includes(key) && Array.isArray(value)) return [key, value.map(next)];
    if (MAPS.includes(key) && isObject(value))
      return [key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, next(each)]))];
    return [key, value];
  });
  const isOpen = (schema.type === 'object' || 'properties' in schema) && !Object.hasOwn(schema, 'additionalProperties');
  return Object.fromEntries(isOpen ? [...entries, ['additionalProperties', false] as const] : entries);
}

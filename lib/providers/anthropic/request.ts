import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { dropsParams, refused, splitParameters, type ParameterRules } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { conversationOf, lacksThinking } from './conversation.js';
import { hasOpenObject, outputSchema } from './json-schema.js';
import { traitsOf, type ModelTraits } from './models.js';
import { outputConfig, thinkingFor, thinks, type SentThinking } from './thinking.js';
import { ToolNames } from './tool-names.js';
import { isForcing, toolNamesIn, toolsOf, withAnswerTool, type SentTools } from './tools.js';
import { JSON_TOOL } from './blocks.js';

const RULES: ParameterRules = {
  translated: new Set(
    `messages model max_tokens max_completion_tokens stream temperature top_p stop tools tool_choice parallel_tool_calls response_format
    reasoning_effort thinking user metadata service_tier web_search_options`.split(/\s+/),
  ),
  ignored: new Set([
    'stream_options',
    'store',
    'prompt_cache_key',
    'prompt_cache_options',
    'prompt_cache_retention',
    'safety_identifier',
    'client_metadata',
    'betas',
  ]),
};

/** Features of the platform that serves a model. */
export interface TakenByHost {
  /** Whether images and documents may be given by their address. */
  readonly takesUrls: boolean;
  /** Whether system messages may stand between others, where the model takes them. */
  readonly midSystem: boolean;
  /** Whether `service_tier` is known. */
  readonly hasTiers: boolean;
}

/** A chat request in Anthropic's words. */
export interface MessagesRequest {
  readonly body: Fields;
  readonly names: ToolNames;
  /** Features of the request that the header `anthropic-beta` has to name. */
  readonly betas: readonly string[];
}

/** @throws InvalidArgumentError, UnsupportedRequestError naming the parameter */
export function messagesRequest(sent: SentRequest, host: TakenByHost): MessagesRequest {
  const { chat, own } = splitParameters(sent, RULES);
  const traits = traitsOf(sent.baseModel ?? sent.model);
  const names = new ToolNames(toolNamesIn(chat.tools));
  const maxTokens = chat.max_completion_tokens ?? chat.max_tokens ?? sent.maxOutputOf?.(sent.baseModel ?? sent.model) ?? traits.maxOutput;
  const isForced = isForcing(asForcing(chat.tool_choice));
  let thinking = thinkingFor(chat, { sent, traits, maxTokens, isForced });
  // The model would have to continue from thinking that Anthropic cannot verify.
  const isLost = thinking.thinking?.type === 'enabled' && lacksThinking(chat.messages);
  if (isLost) thinking = { ...thinking, thinking: undefined };
  const { takesUrls } = host;
  const midSystem = host.midSystem && traits.midSystem;
  const conversation = conversationOf(chat.messages, { sent, names, takesUrls, midSystem, keepsThinking: !isLost });
  const tools = toolsOf(chat, { sent, names, traits, hasHistory: conversation.hasTools });
  const answer = answerFormat(chat.response_format, { sent, traits, tools, thinking });
  const config = outputConfig(thinking, answer.format, own.output_config);
  const { system, messages } = conversation;
  const body: Record<string, unknown> = {
    model: chat.model,
    messages,
    ...(system.length > 0 && { system }),
    max_tokens: maxTokens,
    ...(sent.request.stream && { stream: true }),
    ...sampling(chat, { sent, traits, thinking }),
    ...answer.tools,
    ...(thinking.thinking !== undefined && { thinking: thinking.thinking }),
    ...otherFields(chat, sent, host),
    ...own,
    ...(config !== undefined && { output_config: config }),
  };
  return { body, names, betas: betasOf(body, conversation.hasFiles) };
}

function asForcing(choice: unknown): Fields {
  return { type: choice === 'required' ? 'any' : isObject(choice) ? 'tool' : 'auto' };
}

/** Inputs shared by several parameters. */
interface Circumstances {
  readonly sent: SentRequest;
  readonly traits: ModelTraits;
  readonly thinking: SentThinking;
}

/** OpenAI's temperatures go up to 2, Anthropic's to 1. */
function sampling({ temperature, top_p: topP }: Fields, { sent, traits, thinking }: Circumstances): Fields {
  const fields: Record<string, unknown> = {};
  const reason = !traits.sampling
    ? `${sent.model} does not support sampling parameters`
    : thinks(thinking, traits)
      ? 'sampling parameters cannot be combined with thinking'
      : undefined;
  if (temperature !== undefined) {
    if (reason === undefined) fields.temperature = typeof temperature === 'number' ? Math.min(Math.max(temperature, 0), 1) : temperature;
    else if (temperature !== 1 && !dropsParams(sent)) throw refused('temperature', sent, reason);
  }
  if (topP !== undefined && traits.sampling) {
    // Newer models reject both; 1 is the default.
    if (topP !== 1 || temperature === undefined) fields.top_p = topP;
  } else if (topP !== undefined && topP !== 1 && !dropsParams(sent)) throw refused('top_p', sent, reason);
  return fields;
}

/** How the answer's schema is asked for. */
interface AnswerFormat {
  readonly tools: SentTools;
  readonly format?: Fields;
}

function answerFormat(given: unknown, { tools, ...circumstances }: Circumstances & { readonly tools: SentTools }): AnswerFormat {
  const { sent, traits, thinking } = circumstances;
  if (given !== undefined && !isObject(given)) throw new InvalidArgumentError('response_format', given, 'must be an object');
  // `json_object` has no equivalent: as with OpenAI, the prompt has to ask for JSON.
  if (given?.type !== 'json_schema') return { tools };
  const { schema } = fieldsOf(given.json_schema);
  if (!isObject(schema)) throw new InvalidArgumentError('response_format.json_schema.schema', schema, 'must be a JSON schema');
  const canForce = traits.forcedTools && !thinks(thinking, traits);
  const hasTools = tools.tools !== undefined;
  // The answer calls another tool.
  if (!traits.structured && isForcing(tools.tool_choice)) return { tools };
  if (traits.structured && !(canForce && !hasTools && hasOpenObject(schema))) {
    return { tools, format: { type: 'json_schema', schema: outputSchema(schema) } };
  }
  if ((schema.type ?? 'object') !== 'object') {
    throw refused('response_format.json_schema.schema', sent, `${sent.model} supports only object schemas`);
  }
  return { tools: withAnswerTool(tools, { name: JSON_TOOL, input_schema: { ...schema, type: 'object' } }, canForce) };
}

const MAIL = /^[^\s@]+@[^\s@]+$/;
const PHONE = /^\+?[\d\s()-]{7,}$/;
const TIERS: Readonly<Record<string, string>> = { auto: 'auto', default: 'standard_only', standard_only: 'standard_only' };

function otherFields({ stop, user, metadata, service_tier: tier }: Fields, sent: SentRequest, host: TakenByHost): Fields {
  const fields: Record<string, unknown> = {};
  if (stop !== undefined) {
    const sequences = stopSequences(stop);
    if (sequences.length > 0) fields.stop_sequences = sequences;
  }
  // Anthropic forbids email addresses and phone numbers here.
  const id = fieldsOf(metadata).user_id ?? user;
  if (typeof id === 'string' && id !== '' && !MAIL.test(id) && !PHONE.test(id)) fields.metadata = { user_id: id };
  if (tier !== undefined && host.hasTiers) {
    if (typeof tier === 'string' && Object.hasOwn(TIERS, tier)) fields.service_tier = TIERS[tier];
    else if (!dropsParams(sent)) throw refused('service_tier', sent, 'only auto, default and standard_only are supported');
  }
  return fields;
}

/** Anthropic refuses blank ones. */
function stopSequences(stop: unknown): string[] {
  const given: unknown = typeof stop === 'string' ? [stop] : stop;
  if (!Array.isArray(given) || !given.every((each) => typeof each === 'string')) {
    throw new InvalidArgumentError('stop', stop, 'must be a string or an array of strings');
  }
  return given.filter((each) => /\S/.test(each));
}

const FIELD_BETAS: Readonly<Record<string, string>> = {
  mcp_servers: 'mcp-client-2025-04-04',
  context_management: 'context-management-2025-06-27',
};
const TOOL_BETAS: Readonly<Record<string, string>> = {
  computer_20241022: 'computer-use-2024-10-22',
  computer_20250124: 'computer-use-2025-01-24',
  computer_20251124: 'computer-use-2025-11-24',
};

function betasOf(body: Fields, hasFiles: boolean): string[] {
  const betas = Object.keys(FIELD_BETAS).filter((field) => body[field] !== undefined);
  const tools = Array.isArray(body.tools) ? (body.tools as readonly Fields[]) : [];
  const ofTools = tools.flatMap(({ type }) => (typeof type === 'string' && Object.hasOwn(TOOL_BETAS, type) ? [TOOL_BETAS[type]] : []));
  return [...betas.map((field) => FIELD_BETAS[field]), ...ofTools, ...(hasFiles ? ['files-api-2025-04-14'] : [])];
}

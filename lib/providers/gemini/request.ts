import { type Fields, fieldsOf, listOf, nonEmptyString } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { dropsParams, isToolForced, OF_OTHER_APIS, refused, splitParameters, type ParameterRules } from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { contentsOf } from './contents.js';
import type { MediaTarget } from './media.js';
import { geminiModel } from './models.js';
import { googleSchema } from './schema.js';
import { thinkingOf } from './thinking.js';
import { toolConfigOf, toolsOf } from './tools.js';

const RULES: ParameterRules = {
  translated: new Set(
    `messages model stream stream_options temperature top_p max_tokens max_completion_tokens stop n seed frequency_penalty presence_penalty logprobs
    top_logprobs tools tool_choice response_format reasoning_effort thinking modalities web_search_options service_tier`.split(/\s+/),
  ),
  // Parallel calls cannot be switched off: only the first call of an answer is returned.
  ignored: new Set(
    `metadata parallel_tool_calls prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier store user ${OF_OTHER_APIS}`.split(
      ' ',
    ),
  ),
};

/** Google's own fields of `generationConfig`, which clients write at the top. */
const CONFIG_FIELDS = new Set(
  `temperature topP topK candidateCount maxOutputTokens stopSequences presencePenalty frequencyPenalty responseMimeType responseSchema
  responseJsonSchema responseFormat responseModalities responseLogprobs logprobs seed speechConfig thinkingConfig imageConfig mediaResolution
  audioTimestamp routingConfig enableEnhancedCivicAnswers`.split(/\s+/),
);
const TOP_FIELDS = new Set(['safetySettings', 'cachedContent', 'labels', 'toolConfig', 'serviceTier']);

/** Writes the body of `:generateContent`. @throws InvalidArgumentError, UnsupportedRequestError */
export function generateContentBody(sent: SentRequest, isVertex: boolean): Fields {
  const { chat, own } = splitParameters(sent, RULES);
  const model = geminiModel(sent.baseModel ?? sent.model);
  const target: MediaTarget = { sent, model, isVertex };
  const { contents, systemInstruction, mediaResolution } = contentsOf(chat.messages, target);
  const { config, top } = ownFields(own, sent);
  const { labels, toolConfig: ownToolConfig, ...more } = top;
  const tools = toolsOf(chat, ownToolConfig, target);
  const toolConfig = { ...toolConfigOf(chat.tool_choice, sent), ...fieldsOf(ownToolConfig) };
  const tier = nonEmptyString(chat.service_tier);
  const generationConfig = { ...configOf(chat, target), ...(mediaResolution !== undefined && { mediaResolution }), ...config };
  const body = {
    contents,
    ...(systemInstruction !== undefined && { systemInstruction }),
    ...(tools.length > 0 && { tools }),
    ...(Object.keys(toolConfig).length > 0 && { toolConfig }),
    ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
    ...(tier !== undefined && tier !== 'auto' && { serviceTier: tier === 'default' ? 'standard' : tier }),
    ...more,
    // They only label the Google Cloud bill.
    ...(isVertex && labels !== undefined && { labels }),
  };
  return more.cachedContent === undefined ? body : withoutCachedFields(body, sent);
}

/** Sampling, format, thinking. */
function configOf(chat: Fields, target: MediaTarget): Fields {
  const { sent, model } = target;
  const { temperature, top_p: topP, seed, n, stop, logprobs, top_logprobs: topLogprobs, modalities } = chat;
  const penalties = [
    ['frequency_penalty', 'frequencyPenalty'],
    ['presence_penalty', 'presencePenalty'],
  ] as const;
  const maxOutputTokens = chat.max_completion_tokens ?? chat.max_tokens;
  const stopSequences = (typeof stop === 'string' ? [stop] : listOf(stop)).filter((text) => text !== '');
  const thinkingConfig = thinkingOf(chat, target);
  return {
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(stopSequences.length > 0 && { stopSequences }),
    ...(n !== undefined && n !== 1 && { candidateCount: n }),
    ...(seed !== undefined && { seed }),
    ...(logprobs === true && { responseLogprobs: true }),
    ...(logprobs === true && topLogprobs !== undefined && { logprobs: topLogprobs }),
    ...Object.fromEntries(
      penalties.filter(([name]) => isSet(name, chat[name], !model.isThree, sent)).map(([name, theirs]) => [theirs, chat[name]]),
    ),
    // Gemini rejects a response schema together with functions.
    ...(!isToolForced(chat) && formatOf(chat.response_format, target)),
    ...(thinkingConfig !== undefined && { thinkingConfig }),
    ...(isMore(modalities) && { responseModalities: modalities.map((each) => String(each).toUpperCase()) }),
  };
}

/** Whether a parameter is sent to a model that may not have it. @throws UnsupportedRequestError */
function isSet(name: string, value: unknown, isKnown: boolean, sent: SentRequest): boolean {
  if (value === undefined || isKnown) return value !== undefined;
  if (value !== 0 && !dropsParams(sent)) throw refused(name, sent);
  return false;
}

/** Whether anything but text is asked for. */
function isMore(modalities: unknown): modalities is readonly unknown[] {
  return Array.isArray(modalities) && modalities.some((each) => each !== 'text');
}

function formatOf(format: unknown, { model, sent }: MediaTarget): Fields | undefined {
  if (format === undefined) return undefined;
  const { type, json_schema: named, response_schema: bare } = fieldsOf(format);
  if (type === 'text') return undefined;
  if (type !== 'json_object' && type !== 'json_schema') {
    if (dropsParams(sent)) return undefined;
    throw refused('response_format.type', sent, 'Gemini supports only text and JSON');
  }
  const responseMimeType = 'application/json';
  const schema = bare ?? fieldsOf(named).schema;
  const path = bare === undefined ? 'response_format.json_schema.schema' : 'response_format.response_schema';
  if (schema === undefined) {
    if (type === 'json_schema') throw new InvalidArgumentError(path, schema, 'must be a JSON schema');
    return { responseMimeType };
  }
  if (model.takesJsonSchema) return { responseMimeType, responseJsonSchema: schema };
  return { responseMimeType, responseSchema: googleSchema(schema, path, { integerEnums: false, ordered: true }) };
}

/** Google's own fields: of the configuration, and of the request. */
function ownFields(own: Fields, sent: SentRequest): { readonly config: Fields; readonly top: Fields } {
  const config: Record<string, unknown> = {};
  const top: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(own)) {
    const theirs = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (theirs === 'contents') throw refused(name, sent, 'the conversation must be in messages');
    if (theirs === 'generationConfig') Object.assign(config, fieldsOf(value));
    else if (CONFIG_FIELDS.has(theirs)) config[theirs] = value;
    else top[TOP_FIELDS.has(theirs) ? theirs : name] = value;
  }
  return { config, top };
}

const IN_CACHE = ['systemInstruction', 'tools', 'toolConfig'];

/** Google refuses what cached content has itself. */
function withoutCachedFields(body: Fields, sent: SentRequest): Fields {
  const twice = IN_CACHE.filter((name) => body[name] !== undefined);
  if (twice.length === 0) return body;
  const reason = `cached content has its own instructions and tools, so the request must not have any (${twice.join(', ')})`;
  if (!dropsParams(sent)) throw refused('cachedContent', sent, reason);
  return Object.fromEntries(Object.entries(body).filter(([name]) => !IN_CACHE.includes(name)));
}

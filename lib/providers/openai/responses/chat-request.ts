import { createHash } from 'node:crypto';
import { checkArray, checkObject, refuseArgument } from '../../../common/options.js';
import type { ChatMessage, ChatPart } from '../chat-types.js';
import { refused, splitParameters, type ParameterRules } from '../../parameters.js';
import type { SentRequest } from '../../protocol.js';
import { responsesModel } from './needs-responses.js';
import { toResponsesParameters } from './parameters.js';

const RULES: ParameterRules = {
  translated: new Set(
    `max_completion_tokens max_tokens messages metadata model parallel_tool_calls prompt_cache_key prompt_cache_retention reasoning_effort
    response_format safety_identifier service_tier store stream temperature tool_choice tools logprobs top_logprobs top_p user verbosity`.split(
      /\s+/,
    ),
  ),
  ignored: new Set(['stream_options']),
};

/**
 * A chat request as one of Responses.
 * @throws InvalidArgumentError for a wrong message; UnsupportedRequestError for a parameter that
 * Responses does not have.
 */
export function responsesFieldsOf(sent: SentRequest): object {
  const { chat, own } = splitParameters(sent, RULES);
  const { messages, logprobs, model, ...parameters } = chat;
  return {
    // Chat stores nothing unless it is asked to.
    store: false,
    ...toResponsesParameters(parameters),
    ...(logprobs === true && { include: ['message.output_text.logprobs'] }),
    model: responsesModel(String(model)),
    input: checkArray('messages', messages, (path, message) => itemsOf(path, message, sent), refuseArgument).flat(),
    ...own,
  };
}

/** The input items of one message: its text, then its calls. */
function itemsOf(path: string, value: unknown, sent: SentRequest): readonly object[] {
  const message = checkObject(path, value, refuseArgument) as unknown as ChatMessage;
  const { role, content, tool_calls: calls } = message;
  switch (role) {
    case 'system':
    case 'developer':
    case 'user':
      return [{ type: 'message', role, content: contentOf(`${path}.content`, content, sent) }];
    case 'tool':
      return [
        { type: 'function_call_output', call_id: shortId(message.tool_call_id), output: contentOf(`${path}.content`, content, sent) },
      ];
    case 'assistant':
      return [...saidItems(path, message), ...callItems(`${path}.tool_calls`, calls)];
    default:
      throw refused(`${path}.role`, sent, 'the Responses API does not support messages with this role');
  }
}

function saidItems(path: string, { content, ...message }: ChatMessage): readonly object[] {
  const { refusal } = message as { readonly refusal?: unknown };
  const texts = typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
  const parts = checkArray(
    `${path}.content`,
    texts,
    (at, value) => {
      const part = checkObject(at, value, refuseArgument);
      return part.type === 'refusal' ? { type: 'refusal', refusal: part.refusal } : { type: 'output_text', text: part.text };
    },
    refuseArgument,
  ).filter((part) => part.text !== '');
  const all = typeof refusal === 'string' && refusal !== '' ? [...parts, { type: 'refusal', refusal }] : parts;
  return all.length === 0 ? [] : [{ type: 'message', role: 'assistant', content: all }];
}

function callItems(path: string, calls: unknown): readonly object[] {
  if (calls === undefined || calls === null) return [];
  return checkArray(
    path,
    calls,
    (at, value) => {
      const { id, function: called } = checkObject(at, value, refuseArgument);
      const { name, arguments: input = '' } = checkObject(`${at}.function`, called, refuseArgument);
      return { type: 'function_call', call_id: shortId(id), name, arguments: input };
    },
    refuseArgument,
  );
}

/** OpenAI refuses longer ids; those of Gemini's calls carry signatures. */
const LONGEST_ID = 64;

function shortId(id: unknown): unknown {
  if (typeof id !== 'string' || id.length <= LONGEST_ID) return id;
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}

function contentOf(path: string, content: unknown, sent: SentRequest): string | readonly object[] {
  if (typeof content === 'string') return content;
  return checkArray(
    path,
    content ?? [],
    (at, part) => partOf(at, checkObject(at, part, refuseArgument) as unknown as ChatPart, sent),
    refuseArgument,
  );
}

function partOf(path: string, { type, text, image_url: image, file }: ChatPart, sent: SentRequest): object {
  switch (type) {
    case 'text':
      return { type: 'input_text', text };
    case 'image_url': {
      const { url, detail = 'auto' } = typeof image === 'string' ? { url: image } : { ...image };
      return { type: 'input_image', image_url: url, detail };
    }
    case 'file': {
      const { file_data: data, file_id: id, filename } = { ...file };
      const source = data !== undefined ? { file_data: data } : /^https?:/.test(String(id)) ? { file_url: id } : { file_id: id };
      return { type: 'input_file', ...source, ...(filename !== undefined && { filename }) };
    }
    default:
      throw refused(path, sent, `the Responses API does not support content of type ${String(type).slice(0, 40)}`);
  }
}

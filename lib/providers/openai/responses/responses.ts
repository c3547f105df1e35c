import { changedBy } from '../../../http/body/raw-field.js';
import type { CountCall, SentRequest, WireCall } from '../../protocol.js';
import { policedFields } from '../../parameters.js';
import type { Forwarded } from '../../forwarded/forwarded.js';
import { forwardedCall } from '../forwarded.js';
import { OPENAI_READER } from '../reader.js';
import { pickedFields, written } from '../request.js';
import { responsesFieldsOf } from './chat-request.js';
import { ResponseToChat } from './chat-stream.js';
import { responsesModel } from './needs-responses.js';
import { toResponsesParameters } from './parameters.js';
import { PassingResponse } from './passing-response.js';
import type { Fields } from '../../../common/objects.js';
import { isSealed } from './items.js';
import { KEPT_ITEMS } from './kept-items.js';

/** A call of `/responses`: the body passes but for the model and this package's own fields. */
export function responsesCall(sent: SentRequest): WireCall {
  const passing = new PassingResponse();
  return {
    path: '/responses',
    body: written(sent, () => passedFields(sent)),
    reader: passing,
    ...(sent.request.stream && { translator: passing }),
  };
}

/** Its usage counted when it was created. */
const NO_USAGE = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };

/** A request about a stored response, whole or as its events. */
export function storedResponseCall(forwarded: Forwarded, sent: SentRequest): WireCall {
  const passing = new PassingResponse(() => NO_USAGE);
  const call = forwardedCall(forwarded, sent, { ...OPENAI_READER, usageIn: () => NO_USAGE });
  return sent.request.stream ? { ...call, reader: passing, translator: passing } : call;
}

/** `InputTokenCountParams` of the SDK: other fields are an error at the endpoint. */
const COUNTED =
  `conversation input instructions model parallel_tool_calls previous_response_id reasoning text tool_choice tools truncation`.split(' ');

/** A request to count the prompt of a response, or of a chat as a response. */
export function inputTokensCall(sent: SentRequest, isChat: boolean): CountCall {
  const fields = (): object => pickedFields(isChat ? responsesFieldsOf(sent) : passedFields(sent), COUNTED);
  return { path: '/responses/input_tokens', body: written(sent, fields), field: 'input_tokens' };
}

/** A chat request, sent to `/responses`. */
export function chatByResponses(sent: SentRequest): WireCall {
  const { include_usage: isAsked } = { ...(sent.body.stream_options as { readonly include_usage?: unknown } | null | undefined) };
  return {
    path: '/responses',
    body: written(sent, () => responsesFieldsOf(sent)),
    reader: OPENAI_READER,
    translator: new ResponseToChat(responsesModel(sent.model), sent.addsUsage || isAsked === true),
  };
}

/** The deployment's defaults and a fallback's changes may be chat's. */
function passedFields(sent: SentRequest): object {
  const { defaults, overrides } = sent;
  const translated = { defaults: defaults && toResponsesParameters(defaults), overrides: overrides && toResponsesParameters(overrides) };
  const fields = policedFields({ ...sent, ...translated, model: responsesModel(sent.model) });
  const input = changedBy(fields.input, (given, textOf) => readableInput(given, sent.provider, textOf));
  return input === fields.input ? fields : { ...fields, input };
}

/** Azure refuses the status in items that its own answers have it in, as in LiteLLM. */
const WITHOUT_STATUS = new Set(['message', 'reasoning']);

/**
 * The input items as the provider can read them: those that a bridge made in an earlier turn are
 * sent whole, without the thinking of other models. Anything else passes.
 */
function readableInput(input: unknown, provider: string, textOf: (text: string) => string): unknown {
  if (!Array.isArray(input)) return input;
  const read = (input as readonly unknown[]).flatMap((item) => readableItem(item, provider, textOf));
  return read.length === input.length && read.every((item, at) => item === input[at]) ? input : read;
}

function readableItem(item: unknown, provider: string, textOf: (text: string) => string): readonly unknown[] {
  if (typeof item !== 'object' || item === null) return [item];
  const { type, id } = item as Fields;
  const kept = (type === 'item_reference' || type === undefined) && typeof id === 'string' ? KEPT_ITEMS.get(textOf(id)) : undefined;
  const whole = (kept ?? item) as Fields;
  const sealed =
    kept === undefined && typeof whole.encrypted_content === 'string' ? textOf(whole.encrypted_content) : whole.encrypted_content;
  if (whole.type === 'reasoning' && isSealed(sealed)) return [];
  if (provider !== 'azure' || !WITHOUT_STATUS.has(String(whole.type)) || whole.status === undefined) return [whole];
  return [Object.fromEntries(Object.entries(whole).filter(([name]) => name !== 'status'))];
}

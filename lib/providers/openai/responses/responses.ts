import { changedBy } from '../../../http/body/raw-field.js';
import type { CountCall, SentRequest, WireCall } from '../../protocol.js';
import { policedFields } from '../../parameters.js';
import { OPENAI_READER } from '../reader.js';
import { pickedFields, written } from '../request.js';
import { responsesFieldsOf } from './chat-request.js';
import { ResponseToChat } from './chat-stream.js';
import { readableInput } from './input-items.js';
import { responsesModel } from './needs-responses.js';
import { toResponsesParameters } from './parameters.js';
import { PassingResponse } from './passing-response.js';

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

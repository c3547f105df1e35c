import type { SentRequest, WireCall } from '../../protocol.js';
import { mergedFields, written } from '../request.js';
import { inResponsesWords } from './parameters.js';
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

/** The deployment's defaults and a fallback's changes may be chat's. */
function passedFields(sent: SentRequest): object {
  const { defaults, overrides } = sent;
  const inWords = { defaults: defaults && inResponsesWords(defaults), overrides: overrides && inResponsesWords(overrides) };
  return mergedFields({ ...sent, ...inWords });
}

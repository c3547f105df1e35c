import type { SentRequest } from '../../lib/llm-client/providers/protocol.js';
import type { ReadRequest } from '../../lib/llm-client/request.js';
import { type ModelRequest } from '../../lib/llm-client/request.js';
import { isOwnField } from '../../lib/llm-client/own-fields.js';

/** A request as a protocol gets it. `facts` replace what a plain deployment has. */
export function sentRequest(body: Readonly<Record<string, unknown>>, facts: Partial<SentRequest> = {}): SentRequest {
  const { model = 'm' } = facts;
  const whole = { model, ...body } as ModelRequest;
  const request = {
    body: whole,
    model,
    stream: body.stream === true,
    addsUsage: false,
    isLarge: false,
    hasTags: false,
    hasOwnFields: Object.keys(body).some(isOwnField),
    options: {},
  } as Partial<ReadRequest> as ReadRequest;
  const plain = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };
  return { request, body: whole, provider: 'gemini', model, ...plain, ...facts };
}

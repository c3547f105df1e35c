import { DEFAULT_BODY_BOUNDS } from '../../lib/http/body/body-bounds.js';
import type { SentRequest } from '../../lib/providers/protocol.js';
import { ApiCallRequest, type RequestLimits } from '../../lib/calls/call-request.js';
import type { CallOptions } from '../../lib/calls/call-options.js';
import type { ModelRequest } from '../../lib/providers/model-request.js';

const LIMITS: RequestLimits = {
  bounds: DEFAULT_BODY_BOUNDS,
  ofCaller: () => ({ timeoutMs: Infinity, numRetries: 0, maxFallbacks: 0 }),
  streamUsage: true,
};

/** A request as a protocol gets it. `facts` replace what a plain deployment has. */
export function sentRequest(
  body: Readonly<Record<string, unknown>>,
  { options = {}, ...facts }: Partial<SentRequest> & { readonly options?: CallOptions } = {},
): SentRequest {
  const whole = { model: facts.model ?? 'm', ...body } as ModelRequest;
  const request = new ApiCallRequest({ operation: 'chat', body: whole }, options, LIMITS);
  const plain = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };
  return { request, body: whole, provider: 'gemini', model: whole.model, ...plain, ...facts };
}

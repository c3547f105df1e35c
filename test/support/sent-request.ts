import { DEFAULT_BODY_BOUNDS } from '../../lib/http/body/body-bounds.js';
import type { SentRequest } from '../../lib/llm-client/providers/protocol.js';
import { ReadRequest, type CallOptions, type ModelRequest } from '../../lib/llm-client/request.js';

const LIMITS = {
  bounds: DEFAULT_BODY_BOUNDS,
  ofCaller: () => ({ timeoutMs: 1, numRetries: 0, maxFallbacks: 0 }),
} as unknown as ConstructorParameters<typeof ReadRequest>[3];

/** What a protocol gets for a client's body. */
export function sentRequest(
  body: Readonly<Record<string, unknown>>,
  facts: Partial<SentRequest> & { readonly options?: CallOptions } = {},
): SentRequest {
  const { options = {}, ...others } = facts;
  const given = body as ModelRequest;
  const request = new ReadRequest(given, options, true, LIMITS);
  const rest = { overrides: undefined, addsUsage: false, defaults: undefined, fixed: undefined, dropParams: false, params: {} };
  return { request, body: given, provider: 'anthropic', model: given.model, ...rest, ...others };
}

import { usdText } from '../../common/nano-usd.js';
import type { CostPart, CostParts } from '../../common/token-cost.js';
import { failedCallOf } from './failed-call.js';
import type { CallFacts } from './call-facts.js';

/** Deployments and groups may have any name; a header holds ASCII only. */
const NO_HEADER_TEXT = /[^\x20-\x7e]/gu;

/** LiteLLM's name for a header of the provider. */
const PROVIDER_REQUEST_ID = 'llm_provider-x-request-id';

/** Parts that a header names; those of 0 have none. */
const COST_HEADERS: readonly (readonly [part: CostPart, name: string])[] = [
  ['cacheRead', 'x-litellm-response-cost-cache-read'],
  ['cacheCreation', 'x-litellm-response-cost-cache-creation'],
  ['reasoning', 'x-litellm-response-cost-reasoning'],
  ['audio', 'x-litellm-response-cost-audio'],
  ['image', 'x-litellm-response-cost-image'],
  ['toolUsage', 'x-litellm-response-cost-tool-usage'],
  ['request', 'x-litellm-response-cost-request'],
  ['other', 'x-litellm-response-cost-other'],
];

/**
 * The headers of an answer, with LiteLLM's names.
 * @param withCostParts Whether they name the parts of its cost, too.
 */
export function factHeaders(call: CallFacts, withCostParts = false): Record<string, string> {
  const { providerRequestId, cost } = call;
  const headers: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'x-litellm-model-id': headerText(call.deploymentId),
    'x-litellm-model-group': headerText(call.group),
    'x-litellm-model-name': headerText(call.model),
    'x-litellm-attempted-retries': String(call.retries),
    'x-litellm-attempted-fallbacks': String(call.fallbacks),
    'x-litellm-response-duration-ms': call.durationMs.toFixed(3),
    'x-litellm-overhead-duration-ms': call.overheadMs.toFixed(3),
  };
  if (cost !== undefined) {
    headers['x-litellm-response-cost'] = usdText(cost.nanoUsd);
    if (withCostParts) addCostParts(cost.parts, headers);
  }
  if (call.guardrails !== undefined) headers['x-litellm-applied-guardrails'] = headerText(call.guardrails.join(','));
  if (providerRequestId !== undefined) headers[PROVIDER_REQUEST_ID] = providerRequestId;
  return headers;
}

/** As LiteLLM's: `-input` without cached tokens, `-output` with the reasoning. */
function addCostParts(parts: CostParts, headers: Record<string, string>): void {
  headers['x-litellm-response-cost-input'] = usdText(parts.input ?? 0);
  headers['x-litellm-response-cost-output'] = usdText((parts.output ?? 0) + (parts.reasoning ?? 0));
  for (const [part, name] of COST_HEADERS) if ((parts[part] ?? 0) > 0) headers[name] = usdText(parts[part] ?? 0);
}

/** Passes the headers of an error's answer to `set`, by LiteLLM's names. */
export function setFailedCall(error: unknown, set: (name: string, value: string) => void): void {
  const { id, deploymentId, group, retries, fallbacks, guardrails = [] } = failedCallOf(error);
  if (id === undefined) return;
  set('x-litellm-call-id', id);
  if (deploymentId !== undefined) set('x-litellm-model-id', headerText(deploymentId));
  if (group !== undefined) set('x-litellm-model-group', headerText(group));
  set('x-litellm-attempted-retries', String(retries));
  set('x-litellm-attempted-fallbacks', String(fallbacks));
  if (guardrails.length > 0) set('x-litellm-applied-guardrails', headerText(guardrails.join(',')));
}

/** Percent-encodes non-ASCII characters, as in URLs: `%E4`. */
export function headerText(name: string): string {
  return name.replace(NO_HEADER_TEXT, percentEncoded);
}

function percentEncoded(character: string): string {
  return Buffer.from(character).toString('hex').replace(/../g, '%$&').toUpperCase();
}

import { FastLiteLLMError } from '../../common/errors.js';
import { ProviderError } from '../../common/provider-error.js';
import { namedBaseModel } from '../../router/deployments/deployment.js';
import type { AttemptTimes } from '../cancellation.js';
import type { Deployment } from '../call-router.js';
import { kindOfCode } from '../../providers/failure-kind.js';
import type { RequestAuthorization } from '../../providers/endpoint/authorization.js';
import type { KnownEndpoint } from '../../providers/endpoint/endpoints.js';
import type { WireCall } from '../../providers/protocol.js';
import type { ProviderExchange } from './provider-exchange.js';
import { lengthOf, sentParts, type ProviderRequest, type RequestBytes } from '../../providers/provider-transport.js';
import { rawHeader } from '../../providers/raw-headers.js';

/** What a request is for: an attempt. */
export interface RequestTarget {
  /** As the provider knows it. */
  readonly model: string;
  readonly times: Pick<AttemptTimes, 'headTimeoutMs' | 'bodyTimeoutMs'>;
}

/** What of a call is sent. */
export type SentCall = Pick<WireCall, 'path' | 'headers' | 'method' | 'isOfAccount' | 'body'>;

/** The request of a call at a deployment's address, with its credentials. */
export function providerRequest(
  target: RequestTarget,
  known: KnownEndpoint,
  call: SentCall,
  exchange: ProviderExchange,
): ProviderRequest | Promise<ProviderRequest> {
  const { authorization } = known.endpoint;
  const { body } = call;
  if (!(body instanceof Promise) && authorization === undefined) return requestWith(target, known, call, body);
  // Aborted in the meantime, `answered` rejects before it is awaited.
  exchange.answered.catch(() => {});
  return (async () => {
    const request = requestWith(target, known, call, await body);
    if (authorization !== undefined) request.headers = [...request.headers, ...(await credentialsFor(request, known, exchange))];
    return request;
  })();
}

/** An exchange that is over does not wait for its body or its credentials. */
export async function inTime(request: Promise<ProviderRequest>, exchange: ProviderExchange): Promise<ProviderRequest> {
  return (await Promise.race([request, exchange.answered])) as ProviderRequest;
}

/** Whether the provider refused the credentials, and there may be others. */
export function renewsAfter({ status, errorBody }: ProviderExchange, authorization: RequestAuthorization | undefined): boolean {
  if (authorization === undefined) return false;
  const isRefused = authorization.refuses?.(status, errorBody) ?? status === 401;
  return isRefused && authorization.renew();
}

/** As LiteLLM, which also reads the series of Azure's models in the name. */
export function baseModelOf(deployment: Deployment): string | undefined {
  const { model } = deployment;
  return namedBaseModel(deployment) ?? (/\/(?:o_series|gpt5_series)\//.test(model) ? model : undefined);
}

function requestWith({ model, times }: RequestTarget, { endpoint }: KnownEndpoint, call: SentCall, body: RequestBytes): ProviderRequest {
  const headers = call.headers === undefined ? (endpoint.headers as string[]) : withHeaders(endpoint.headers, call.headers);
  const isOwnTransport = endpoint.protocol.transport !== undefined;
  const parts = isOwnTransport ? undefined : sentParts(body);
  return {
    origin: endpoint.origin,
    path: endpoint.pathOf(call.path, call.isOfAccount === true ? undefined : model),
    method: call.method ?? 'POST',
    headers: parts === undefined ? headers : [...headers, 'content-length', String(lengthOf(parts))],
    body: isOwnTransport && typeof body === 'object' && !Buffer.isBuffer(body) ? Buffer.concat(body) : body,
    headersTimeout: times.headTimeoutMs,
    bodyTimeout: times.bodyTimeoutMs,
  };
}

/** @throws ProviderError where a token service is out, DeploymentFault if that refuses */
async function credentialsFor(
  request: ProviderRequest,
  { endpoint, errors }: KnownEndpoint,
  exchange: ProviderExchange,
): Promise<readonly string[]> {
  try {
    return (await endpoint.authorization?.headersFor(request)) ?? [];
  } catch (error) {
    if (error instanceof ProviderError || error instanceof FastLiteLLMError || !(error instanceof Error)) throw error;
    const message = `The credential service for ${endpoint.provider} failed.`;
    throw errors.failed(kindOfCode(error) ?? 'server', message, exchange, error);
  }
}

/** Headers of the call replace those of the deployment. */
function withHeaders(headers: readonly string[], own: readonly string[]): string[] {
  const all = [...own];
  for (let at = 0; at < headers.length; at += 2) {
    if (rawHeader(own, headers[at]) === undefined) all.push(headers[at], headers[at + 1]);
  }
  return all;
}

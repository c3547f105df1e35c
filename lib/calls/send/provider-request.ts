import type { Bridge, BridgedAnswer } from '../../apis/bridge.js';
import { bridgeOf } from '../../apis/bridges.js';
import { FastLiteLLMError } from '../../common/errors.js';
import { UnsupportedRequestError } from '../../common/http-errors.js';
import { fieldsOf, type Fields } from '../../common/objects.js';
import { ProviderError } from '../../common/provider-error.js';
import type { Soon } from '../../http/body/json-body.js';
import { fieldsInTurns } from '../../http/body/raw-field.js';
import { requestedOutput, limitedOutput } from '../../http/token-estimate/requested-output.js';
import type { RequestAuthorization } from '../../providers/endpoint/authorization.js';
import type { KnownEndpoint, ProviderEndpoints } from '../../providers/endpoint/endpoints.js';
import { kindOfCode } from '../../providers/failure-kind.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { changesOf } from '../../providers/openai/request.js';
import type { SentRequest, WireCall } from '../../providers/protocol.js';
import {
  lengthOf,
  sentParts,
  type ProviderRequest,
  type ProviderTransport,
  type RequestBytes,
} from '../../providers/provider-transport.js';
import { rawHeader } from '../../providers/raw-headers.js';
import { namedBaseModel } from '../../router/deployments/deployment.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import type { ApiCallRequest } from '../call-request.js';
import type { Attempt } from '../attempt.js';
import type { Deployment } from '../call-router.js';
import type { AttemptTimes } from '../cancellation.js';
import type { ProviderExchange } from './provider-exchange.js';

/** Dependencies of requests to providers. */
export interface ProviderAccess {
  readonly transport: ProviderTransport;
  readonly endpoints: ProviderEndpoints;
  readonly tokenCounter: TokenCounterService;
  readonly maxAnswerBytes: number;
  readonly dropParams: boolean;
  /** Whether the usage at the end of a stream has the cost. */
  readonly streamCost: boolean;
  /** How long a stream waits for a client that has stopped reading. */
  readonly writeTimeoutMs: number;
  /** Most tokens that a model answers with, by the price list; `null`: unknown. */
  readonly maxOutputOf: (model: string) => number | null;
}

/** How a request limits its output if it does not by itself. */
const OUTPUT_FIELD_OF: Readonly<Record<string, string>> = { chat: 'max_completion_tokens', responses: 'max_output_tokens' };

/** State of a request to the deployment. */
export interface SendState {
  readonly addsUsage: boolean;
  /** The answer of a provider that seems not to have the operation. */
  readonly notFound: { readonly error: unknown } | undefined;
}

/** A call, and what puts its answer into the client's API where that is not the provider's. */
interface BridgedCall {
  readonly call: WireCall;
  readonly bridged: BridgedAnswer | undefined;
}

/** The operation as the provider has it, else by chat. */
export function wireCallOf(
  { call: { asked }, model, target, selection, hold }: Attempt,
  known: KnownEndpoint,
  access: Pick<ProviderAccess, 'dropParams' | 'maxOutputOf'>,
  state: SendState,
): Soon<BridgedCall> {
  const { addsUsage, notFound } = state;
  const request = asked as ApiCallRequest;
  const mostOutput = hold?.mostOutput;
  const { endpoint, defaults, fixed } = known;
  const { body, operation } = request;
  const { params, info } = selection.deployment;
  const { max_output_tokens: stated } = info;
  const maxOutputOf = typeof stated === 'number' ? () => stated : access.maxOutputOf;
  const { protocol, provider, headers } = endpoint;
  const overrides =
    mostOutput === undefined
      ? target.overrides
      : { ...target.overrides, ...outputLimit(operation, { ...defaults, ...body, ...target.overrides }, mostOutput) };
  // A single literal: spreading parts took 2 us per call.
  const sent: SentRequest = {
    request,
    body,
    provider,
    model,
    overrides,
    addsUsage: addsUsage && request.addsUsage,
    defaults,
    fixed,
    dropParams: access.dropParams,
    params,
    headers,
    maxOutputOf,
    baseModel: baseModelOf(selection.deployment),
    mode: info.mode,
    supportsReasoning: info.supports_reasoning,
    isAtHome: endpoint.isAtHome,
  };
  const isLacking = notFound !== undefined || known.lacking.has(`${operation} ${model}`);
  const own = isLacking ? undefined : protocol.call(operation, sent);
  if (own !== undefined) return { call: own, bridged: undefined };
  const bridge = bridgeOf(operation);
  if (bridge === undefined || request.json === undefined) return bridgedCall(known, sent, bridge, state);
  // A bridge reads the whole body.
  return fieldsInTurns(request.json).then((fields) => bridgedCall(known, { ...sent, body: fields as ModelRequest }, bridge, state));
}

/** @throws UnsupportedRequestError without a bridge, and for a protocol without chat */
function bridgedCall({ endpoint }: KnownEndpoint, sent: SentRequest, bridge: Bridge | undefined, state: SendState): BridgedCall {
  const { addsUsage, notFound } = state;
  const { body, overrides, provider, model } = sent;
  if (bridge !== undefined) {
    // A fallback's changes use the client's format, like the body.
    const asked = overrides === undefined ? body : { ...body, ...changesOf(overrides) };
    const { stream_options: usage, ...chat } = bridgedRequest(bridge, asked, sent, notFound);
    const bridgedBody: ModelRequest = addsUsage && usage !== undefined ? { ...chat, stream_options: usage } : chat;
    const { hints } = bridge;
    const call = endpoint.protocol.call('chat', { ...sent, body: bridgedBody, overrides: undefined, addsUsage: false, hints });
    if (call !== undefined) return { call, bridged: bridge.answer(asked) };
  }
  const { operation } = sent.request as ApiCallRequest;
  const reason = `${provider} does not support ${operation} for ${model}`;
  throw new UnsupportedRequestError({ provider, reason, remedy: 'use another model' });
}

/** @throws `notFound` if chat cannot take its place */
function bridgedRequest(bridge: Bridge, body: ModelRequest, sent: SentRequest, notFound: SendState['notFound']): ModelRequest {
  try {
    return bridge.request(body, sent);
  } catch (error) {
    throw notFound === undefined ? error : notFound.error;
  }
}

/** The fields that limit the output, as the request names them. */
function outputLimit(operation: string, fields: Fields, tokens: number): Fields {
  const limited = limitedOutput(fields, tokens);
  // Providers ignore fields of other APIs.
  const { isLimited } = requestedOutput(fields, operation);
  if (operation === 'generateContent') return isLimited ? limited : { ...limited, generationConfig: limitedConfig(fields, tokens) };
  return isLimited ? limited : { ...limited, [OUTPUT_FIELD_OF[operation] ?? 'max_tokens']: tokens };
}

/** Google's generation configuration, with an output limit. */
function limitedConfig({ generationConfig, generation_config: other }: Fields, maxOutputTokens: number): Fields {
  return { ...fieldsOf(generationConfig ?? other), maxOutputTokens };
}

/** The attempt that a request belongs to. */
export interface RequestTarget {
  /** The provider's name for the model. */
  readonly model: string;
  readonly times: Pick<AttemptTimes, 'headTimeoutMs' | 'bodyTimeoutMs'>;
}

/** The parts of a call that are sent. */
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
  // If it is aborted in the meantime, `answered` rejects before it is awaited.
  exchange.answered.catch(() => {});
  return (async () => {
    const request = requestWith(target, known, call, await body);
    if (authorization !== undefined) request.headers = [...request.headers, ...(await credentialsFor(request, known, exchange))];
    return request;
  })();
}

/** A finished exchange does not wait for its body or credentials. */
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
  const parts = isOwnTransport || typeof body === 'string' ? undefined : sentParts(body);
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

/** @throws ProviderError if a token service is out, DeploymentFault if that refuses */
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

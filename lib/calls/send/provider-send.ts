import type { BridgedAnswer } from '../../apis/bridge.js';
import { bridgeOf } from '../../apis/bridges.js';
import type { ObservedAttempt } from '../../common/call-observer.js';
import { lazy } from '../../common/lazy.js';
import { ProviderError } from '../../common/provider-error.js';
import { safeContentType } from '../../providers/forwarded/content-types.js';
import type { AnswerReader } from '../../providers/protocol.js';
import type { ProviderRequest, ProviderTransport } from '../../providers/provider-transport.js';
import { rawHeader } from '../../providers/raw-headers.js';
import { JSON_ANSWER, LlmAnswer } from '../answer/llm-answer.js';
import type { ApiCallRequest } from '../call-request.js';
import type { Attempt } from '../attempt.js';
import type { Selection } from '../call-router.js';
import type { AnswerGuards } from './answer-guards.js';
import { LlmBytes } from '../stream/llm-bytes.js';
import { LlmStream } from '../stream/llm-stream.js';
import { isOfNamedObject } from './missing-object.js';
import type * as Mocking from './mocked-answer.js';
import { ProviderExchange } from './provider-exchange.js';
import { baseModelOf, inTime, providerRequest, renewsAfter, wireCallOf, type ProviderAccess, type SendState } from './provider-request.js';
import { ProviderStream, type ReadStream } from './provider-stream.js';

/** A 404 that chat would be answered with, too. */
const NO_MODEL = /model_not_found|DeploymentNotFound/;
/** Clients may name the models of a deployment. */
const MOST_LACKING = 1000;

/** Dependencies for sending attempts. */
export interface ProviderSending {
  readonly access: ProviderAccess;
  /** Learns a provider's limits from its headers; `undefined`: they are not learned. */
  readonly learnLimits: ((selection: Selection, headers: { get(name: string): string | undefined }) => void) | undefined;
  /** `undefined`: no hook takes part in the content of the call. */
  readonly guards?: AnswerGuards;
}

/** Sends an attempt with its provider's protocol, over the connection pool. */
export async function sendToProvider(sending: ProviderSending, attempt: Attempt): Promise<LlmAnswer | LlmStream | LlmBytes> {
  const { access, learnLimits, guards } = sending;
  const request = attempt.call.asked as ApiCallRequest;
  const { deployment, model } = attempt.selection;
  if (request.hasMocks || deployment.params.mock_response !== undefined) {
    const mock = await mocking().mockedAnswer(attempt, request, guards);
    if (mock !== undefined) return mock;
  }
  const known = access.endpoints.of(deployment, model);
  attempt.provider = known.endpoint.provider;
  if (request.forwarded?.isOfAccount !== true) known.endpoint.checkModel(attempt.model);
  // A bridge requests the usage of each stream, because its API always reports it.
  const asksUsage = request.addsUsage || (request.stream && bridgeOf(request.operation) !== undefined);
  let addsUsage = asksUsage && !known.refusesStreamOptions;
  let isRenewed = false;
  let notFound: SendState['notFound'];
  const count = attempt.hasReply
    ? (text: string): number => access.tokenCounter.countTokens(text, baseModelOf(deployment) ?? attempt.model)
    : undefined;
  const onHeaders =
    learnLimits && ((raw: readonly Buffer[]): void => learnLimits(attempt.selection, { get: (name) => rawHeader(raw, name) }));
  for (;;) {
    const made = wireCallOf(attempt, known, access, { addsUsage, notFound });
    const { call, bridged } = made instanceof Promise ? await made : made;
    const exchange = new ProviderExchange({
      known,
      call,
      stream: request.stream,
      maxBytes: access.maxAnswerBytes,
      count,
      source: request.json,
      onHeaders,
    });
    try {
      attempt.begin(exchange);
      const sent = providerRequest(attempt, known, call, exchange);
      const ready = sent instanceof Promise ? await inTime(sent, exchange) : sent;
      attempt.sentAtMs ??= performance.now();
      const transport = known.endpoint.protocol.transport ?? access.transport;
      if (attempt.observed === undefined) transport.dispatch(ready, exchange);
      else dispatchObserved(attempt.observed, transport, ready, exchange);
      await exchange.answered;
    } catch (error) {
      // A token that was revoked before it expired is fetched again, once.
      if (!isRenewed && renewsAfter(exchange, known.endpoint.authorization)) {
        isRenewed = true;
        continue;
      }
      attempt.isLost = isLost(error, exchange, request, attempt);
      // The operation may be available through chat.
      const isBridgeable = bridged === undefined && known.endpoint.protocol.name === 'openai' && bridgeOf(request.operation) !== undefined;
      if (!attempt.isLost && isBridgeable && lacksOperation(exchange)) {
        notFound = { error };
        continue;
      }
      // If chat fails, too, the first answer is the better error.
      if (notFound !== undefined && exchange.status === 404) throw notFound.error;
      attempt.isNotThere = request.forwarded !== undefined && lacksOperation(exchange);
      // The caller did not set `stream_options`, so a provider that rejects them is called again
      // without them.
      if (!addsUsage || !refusesStreamOptions(exchange)) throw error;
      addsUsage = false;
      continue;
    }
    // Certain only now, because an error that quotes the whole request also contains
    // `stream_options`.
    if (asksUsage && !addsUsage) known.refusesStreamOptions = true;
    if (notFound !== undefined && known.lacking.size < MOST_LACKING) known.lacking.add(`${request.operation} ${attempt.model}`);
    if (request.stream) return await streamOf(attempt, exchange, { bridged, ...sending });
    const answer = wholeAnswer(attempt, exchange, call.reader, bridged);
    return guards === undefined ? answer : guards.guardWhole(answer);
  }
}

/** @throws ProviderError for an answer that its bridge cannot read */
function wholeAnswer(attempt: Attempt, exchange: ProviderExchange, reader: AnswerReader, bridged: BridgedAnswer | undefined): LlmAnswer {
  attempt.answered();
  const usage = reader.usageIn(exchange.bytes);
  attempt.report(usage);
  if (usage === undefined) attempt.estimatedUsage = attempt.estimated();
  const answer = exchange.takeBytes();
  const contentType = exchange.isText ? safeContentType(exchange.contentType) : JSON_ANSWER;
  let bytes: Buffer;
  try {
    bytes = bridged === undefined ? answer : bridged.whole(answer);
  } catch (error) {
    throw exchange.unreadable(error);
  }
  return new LlmAnswer(bytes, attempt.usage, attempt.facts(), contentType);
}

function streamOf(
  attempt: Attempt,
  exchange: ProviderExchange,
  { access, guards, bridged }: ProviderSending & { readonly bridged: BridgedAnswer | undefined },
): LlmStream | LlmBytes | Promise<LlmStream> {
  const { addsUsage, forwarded } = attempt.call.asked as ApiCallRequest;
  attempt.firstChunk();
  const writesCost = access.streamCost && !addsUsage && forwarded === undefined;
  const plain: ReadStream = { origin: exchange, hidesUsage: addsUsage, bridged, writesCost };
  const read = guards === undefined ? plain : guards.guardStream(attempt, exchange, plain);
  const source = new ProviderStream(attempt, exchange, { writeTimeoutMs: access.writeTimeoutMs, ...read });
  if (forwarded?.answer === 'bytes') return new LlmBytes(attempt.facts(), safeContentType(exchange.contentType), source);
  const stream = new LlmStream<Record<string, unknown>>(attempt.facts(), source);
  return read.opened === undefined ? stream : read.opened.then(() => stream);
}

/** Apart from `dispatch`, so that calls without telemetry allocate no closure. */
function dispatchObserved(
  observed: ObservedAttempt,
  transport: ProviderTransport,
  sent: ProviderRequest,
  exchange: ProviderExchange,
): void {
  observed.run(() => transport.dispatch(sent, exchange));
}

/** Compatible servers may lack an operation of OpenAI's, or have it for some models only. */
function lacksOperation({ status, errorBody }: ProviderExchange): boolean {
  return status === 405 || status === 501 || (status === 404 && !NO_MODEL.test(errorBody));
}

/** The provider has the operation but not the named object, which chat would not have either. */
function isLost(error: unknown, exchange: ProviderExchange, request: ApiCallRequest, { model }: Attempt): boolean {
  if (exchange.status !== 404 || !lacksOperation(exchange) || !(error instanceof ProviderError)) return false;
  return isOfNamedObject(error, request, model);
}

/** Some providers do not support `stream_options`, and name them in their error. */
function refusesStreamOptions({ status, errorBody }: ProviderExchange): boolean {
  return (status === 400 || status === 422) && errorBody.includes('stream_options');
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- for tests alone
const mocking = lazy(() => require('./mocked-answer.js') as typeof Mocking);

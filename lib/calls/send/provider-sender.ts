import { UnsupportedRequestError } from '../../common/http-errors.js';
import { ProviderError } from '../../common/provider-error.js';
import { lazy } from '../../common/lazy.js';
import type * as Mocking from './mocked-answer.js';
import type { ObservedAttempt } from '../../common/call-observer.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { Soon } from '../../http/body/json-body.js';
import { fieldsInTurns } from '../../http/body/raw-field.js';
import { askedOutput, limitedOutput } from '../../http/token-estimate/asked-output.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import { promptTokensOf } from '../../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { LlmAnswer, JSON_ANSWER } from '../answer/llm-answer.js';
import type { Attempt, Sender } from '../attempt.js';
import type { Selection } from '../call-router.js';
import type { ClosableResponse } from '../cancellation.js';
import type { AskedRequest } from '../asked-call.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { safeContentType } from '../../providers/forwarded/content-types.js';
import { LlmBytes } from '../stream/llm-bytes.js';
import { LlmStream } from '../stream/llm-stream.js';
import type { StreamOrigin, StreamSource } from '../stream/stream-origin.js';
import type { ProviderEndpoint } from '../../providers/endpoint/endpoint.js';
import type { KnownEndpoint, ProviderEndpoints } from '../../providers/endpoint/endpoints.js';
import { bridgeOf } from '../../apis/bridges.js';
import type { Bridge, BridgedAnswer } from '../../apis/bridge.js';
import { changesOf } from '../../providers/openai/request.js';
import type { SentRequest, WireCall } from '../../providers/protocol.js';
import { rawHeader } from '../../providers/raw-headers.js';
import type { WrittenStream } from '../hooks/written-stream.js';
import { isOfNamedObject } from './lost-object.js';
import { ProviderExchange } from './provider-exchange.js';
import { baseModelOf, inTime, providerRequest, renewsAfter } from './provider-request.js';
import type { ProviderRequest, ProviderTransport } from '../../providers/provider-transport.js';

/** What requests to providers go through. */
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
  /** Learns a provider's limits from its headers; `undefined` where they are not learned. */
  readonly learner: () => ((selection: Selection, headers: { get(name: string): string | undefined }) => void) | undefined;
}

/** A 404 that chat would be answered with, too. */
const NO_MODEL = /model_not_found|DeploymentNotFound/;
/** Clients may name the models of a deployment. */
const MOST_LACKING = 1000;

/** How a request limits its output if it does not by itself. */
const OUTPUT_FIELD_OF: Readonly<Record<string, string>> = { chat: 'max_completion_tokens', responses: 'max_output_tokens' };

/** Sends attempts with their provider's protocol, over the connection pool. */
export class ProviderSender implements Sender<LlmAnswer | LlmStream | LlmBytes> {
  constructor(
    private readonly access: ProviderAccess,
    protected request: AskedRequest,
  ) {}

  async send(attempt: Attempt): Promise<LlmAnswer | LlmStream | LlmBytes> {
    const { request, access } = this;
    const { deployment, model } = attempt.selection;
    if (request.hasMocks || deployment.params.mock_response !== undefined) {
      const answer = await mocking().mockedAnswer(attempt, request, request.operation);
      if (answer !== undefined) return this.mockOf(attempt, answer);
    }
    const known = access.endpoints.of(deployment, model);
    attempt.provider = known.endpoint.provider;
    if (request.forwarded?.isOfAccount !== true) known.endpoint.checkModel(attempt.model);
    // A bridge asks for the usage of each stream, which its API always reports.
    const asksUsage = request.addsUsage || (request.stream && bridgeOf(request.operation) !== undefined);
    let addsUsage = asksUsage && !known.refusesStreamOptions;
    let isRenewed = false;
    let notFound: SendState['notFound'];
    const learn = access.learner();
    const count = attempt.hasReply
      ? (text: string): number => access.tokenCounter.countTokens(text, baseModelOf(deployment) ?? attempt.model)
      : undefined;
    const onHeaders = learn && ((raw: readonly Buffer[]): void => learn(attempt.selection, { get: (name) => rawHeader(raw, name) }));
    for (;;) {
      const made = this.callFor(attempt, known, { addsUsage, notFound });
      const { call, bridged, isBridgeable } = made instanceof Promise ? await made : made;
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
        this.dispatch(attempt, known.endpoint, sent instanceof Promise ? await inTime(sent, exchange) : sent, exchange);
        await exchange.answered;
      } catch (error) {
        // A token that was revoked before its time is fetched again, once.
        if (!isRenewed && renewsAfter(exchange, known.endpoint.authorization)) {
          isRenewed = true;
          continue;
        }
        attempt.isLost = isLost(error, exchange, request, attempt);
        if (!attempt.isLost && isBridgeable && lacksOperation(exchange)) {
          notFound = { error };
          continue;
        }
        // By chat neither: then the first answer says what was not found.
        if (notFound !== undefined && exchange.status === 404) throw notFound.error;
        attempt.isNotThere = request.forwarded !== undefined && lacksOperation(exchange);
        // The caller did not ask for `stream_options`: a provider that refuses them is asked again
        // without.
        if (!addsUsage || !refusesStreamOptions(exchange)) throw error;
        addsUsage = false;
        continue;
      }
      // Certain only now: an error that repeats the whole request names them, too.
      if (asksUsage && !addsUsage) known.refusesStreamOptions = true;
      if (notFound !== undefined && known.lacking.size < MOST_LACKING) known.lacking.add(`${request.operation} ${attempt.model}`);
      return request.stream ? this.streamOf(attempt, exchange, bridged) : this.answerOf(attempt, exchange, bridged);
    }
  }

  countPrompt(overrides: Readonly<Record<string, unknown>>): number | Promise<number> {
    const { request, access } = this;
    // What the program states of its input holds, whatever a fallback changes.
    const stated = request.options.routing?.inputTokens;
    if (stated !== undefined) return stated;
    const { tokenCounter: counter } = access;
    return promptTokensOf({ ...request.body, ...changesOf(overrides) }, { counter, isLarge: request.isLarge });
  }

  /** The operation as the provider has it, else by chat. */
  private callFor({ model, target, selection, mostOutput }: Attempt, known: KnownEndpoint, state: SendState): Soon<BridgeableCall> {
    const { addsUsage, notFound } = state;
    const { request } = this;
    const { endpoint, defaults, fixed } = known;
    const { body, operation } = request;
    const { params, info } = selection.deployment;
    const { dropParams } = this.access;
    const { max_output_tokens: stated } = selection.deployment.info;
    const maxOutputOf = typeof stated === 'number' ? () => stated : this.access.maxOutputOf;
    const { protocol, provider, headers } = endpoint;
    const overrides =
      mostOutput === undefined
        ? target.overrides
        : { ...target.overrides, ...this.outputLimit({ ...defaults, ...body, ...target.overrides }, mostOutput) };
    // One literal: spread from parts, it took 2 us of each call.
    const sent: SentRequest = {
      request,
      body,
      provider,
      model,
      overrides,
      addsUsage: addsUsage && request.addsUsage,
      defaults,
      fixed,
      dropParams,
      params,
      headers,
      maxOutputOf,
      baseModel: baseModelOf(selection.deployment),
      mode: info.mode,
      supportsReasoning: info.supports_reasoning,
      isAtHome: endpoint.isAtHome,
    };
    const bridge = bridgeOf(operation);
    const lacks = bridge !== undefined && (notFound !== undefined || known.lacking.has(`${operation} ${model}`));
    const own = lacks ? undefined : protocol.call(operation, sent);
    const isBridgeable = bridge !== undefined && protocol.name === 'openai';
    if (own !== undefined) return { call: own, bridged: undefined, isBridgeable };
    if (bridge === undefined || request.json === undefined) return this.bridgedCall(known, sent, bridge, state);
    // A bridge reads the whole body.
    return fieldsInTurns(request.json).then((fields) => this.bridgedCall(known, { ...sent, body: fields as ModelRequest }, bridge, state));
  }

  /** @throws UnsupportedRequestError without a bridge, and for a protocol without chat */
  private bridgedCall({ endpoint }: KnownEndpoint, sent: SentRequest, bridge: Bridge | undefined, state: SendState): BridgeableCall {
    const { addsUsage, notFound } = state;
    const { body, overrides, provider, model } = sent;
    if (bridge !== undefined) {
      // A fallback's changes are in the client's words, as the body is.
      const asked = overrides === undefined ? body : { ...body, ...changesOf(overrides) };
      const { stream_options: usage, ...chat } = bridgedRequest(bridge, asked, sent, notFound);
      const bridgedBody: ModelRequest = addsUsage && usage !== undefined ? { ...chat, stream_options: usage } : chat;
      const { hints } = bridge;
      const call = endpoint.protocol.call('chat', { ...sent, body: bridgedBody, overrides: undefined, addsUsage: false, hints });
      if (call !== undefined) return { call, bridged: bridge.answer(asked), isBridgeable: false };
    }
    const reason = `${provider} does not offer ${this.request.operation} for ${model}`;
    throw new UnsupportedRequestError({ provider, reason, mend: 'use another model' });
  }

  /** The fields that limit the output, as the request names them. */
  private outputLimit(fields: Readonly<Record<string, unknown>>, tokens: number): Readonly<Record<string, unknown>> {
    const limited = limitedOutput(fields, tokens);
    // Providers ignore the names of other APIs.
    const { operation } = this.request;
    const { isLimited } = askedOutput(fields, operation);
    return isLimited ? limited : { ...limited, [OUTPUT_FIELD_OF[operation] ?? 'max_tokens']: tokens };
  }

  private dispatch(attempt: Attempt, { protocol }: ProviderEndpoint, sent: ProviderRequest, exchange: ProviderExchange): void {
    const transport = protocol.transport ?? this.access.transport;
    attempt.sending();
    if (attempt.observed === undefined) transport.dispatch(sent, exchange);
    else dispatchObserved(attempt.observed, transport, sent, exchange);
  }

  protected mockOf(attempt: Attempt, mock: LlmAnswer | WrittenStream): LlmAnswer | LlmStream | Promise<LlmAnswer | LlmStream> {
    attempt.mocked();
    return mock instanceof LlmAnswer ? mock : new LlmStream(mock.call, mock);
  }

  protected answerOf(attempt: Attempt, exchange: ProviderExchange, bridged: BridgedAnswer | undefined): LlmAnswer | Promise<LlmAnswer> {
    attempt.answered();
    const usage = exchange.usageIn(exchange.bytes);
    attempt.report(usage);
    if (usage === undefined) attempt.estimatedUsage = attempt.estimated();
    const bytes = exchange.takeBytes();
    const contentType = exchange.isText ? safeContentType(exchange.contentType) : JSON_ANSWER;
    return new LlmAnswer(bridged === undefined ? bytes : wholeOf(bridged, bytes, exchange), attempt.usage, attempt.facts(), contentType);
  }

  protected streamOf(attempt: Attempt, exchange: ProviderExchange, bridged: BridgedAnswer | undefined): LlmStream | LlmBytes {
    attempt.firstChunk();
    const read = this.readStream(attempt, exchange, bridged);
    const source = new ProviderStream(attempt, exchange, { ...read, writeTimeoutMs: this.access.writeTimeoutMs });
    if (this.request.forwarded?.answer === 'bytes') return new LlmBytes(attempt.facts(), safeContentType(exchange.contentType), source);
    return new LlmStream<Record<string, unknown>>(attempt.facts(), source);
  }

  protected readStream(_attempt: Attempt, exchange: ProviderExchange, bridged: BridgedAnswer | undefined): ReadStream {
    const { addsUsage, forwarded } = this.request;
    const writesCost = this.access.streamCost && !addsUsage && forwarded === undefined;
    return { origin: exchange, hidesUsage: addsUsage, bridged, writesCost };
  }
}

/** How a stream is read. */
export interface ReadStream {
  readonly origin: StreamOrigin & { whenOver(listener: (error: Error | undefined) => void): void };
  readonly hidesUsage: boolean;
  readonly bridged: BridgedAnswer | undefined;
  /** Whether the usage that the client gets has the cost. */
  readonly writesCost: boolean;
}

/** What a request to the deployment has shown so far. */
interface SendState {
  readonly addsUsage: boolean;
  /** The answer of a provider that seems not to have the operation. */
  readonly notFound: { readonly error: unknown } | undefined;
}

/** @throws `notFound` where chat cannot take its place */
function bridgedRequest(bridge: Bridge, body: ModelRequest, sent: SentRequest, notFound: SendState['notFound']): ModelRequest {
  try {
    return bridge.request(body, sent);
  } catch (error) {
    throw notFound === undefined ? error : notFound.error;
  }
}

/** A call, and what puts its answer into the client's API where that is not the provider's. */
interface BridgeableCall {
  readonly call: WireCall;
  readonly bridged: BridgedAnswer | undefined;
  /** Whether chat can serve the operation where the provider turns out not to have it. */
  readonly isBridgeable: boolean;
}

/** @throws ProviderError for an answer that is not of chat */
function wholeOf(bridged: BridgedAnswer, chat: Buffer, exchange: ProviderExchange): Buffer {
  try {
    return bridged.whole(chat);
  } catch (error) {
    throw exchange.unreadable(error);
  }
}

/** A stream in progress: its end is the end of its attempt and of its call. */
class ProviderStream implements StreamSource {
  readonly exchange: StreamOrigin;
  readonly hidesUsage: boolean;
  readonly bridged: BridgedAnswer | undefined;
  readonly writesCost: boolean;
  readonly writeTimeoutMs: number;
  usage: AnswerUsage | undefined = undefined;

  constructor(
    private readonly attempt: Attempt,
    private readonly provider: ProviderExchange,
    { origin, hidesUsage, bridged, writesCost, writeTimeoutMs }: ReadStream & { readonly writeTimeoutMs: number },
  ) {
    this.exchange = origin;
    this.hidesUsage = hidesUsage;
    this.writesCost = writesCost;
    this.writeTimeoutMs = writeTimeoutMs;
    this.bridged = bridged;
    origin.whenOver((error) => this.ended(error));
  }

  get response(): ClosableResponse | undefined {
    return this.attempt.call.cancellation.response;
  }

  get cost(): AnswerCost | undefined {
    return this.attempt.answerCost;
  }

  costSoFar(): AnswerCost | undefined {
    const usage = this.usage ?? this.provider.usageSoFar();
    return usage && this.attempt.costOf(usage);
  }

  leave(): void {
    this.attempt.call.cancellation.cancel(new Error('the stream was not read to its end'));
  }

  private ended(error: Error | undefined): void {
    const { attempt, provider } = this;
    const { usage, error: stated } = provider.ending();
    attempt.report(usage);
    if (usage === undefined) attempt.estimatedUsage = attempt.estimated();
    const failure = error ?? stated;
    if (failure === undefined) attempt.succeed();
    else attempt.breakOff(failure);
    this.usage = attempt.usage ?? (failure === undefined ? undefined : attempt.estimatedUsage);
  }
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
function isLost(error: unknown, exchange: ProviderExchange, request: AskedRequest, { model }: Attempt): boolean {
  if (exchange.status !== 404 || !lacksOperation(exchange) || !(error instanceof ProviderError)) return false;
  return isOfNamedObject(error, request, model);
}

/** Some providers do not know `stream_options`, and name them in their error. */
function refusesStreamOptions({ status, errorBody }: ProviderExchange): boolean {
  return (status === 400 || status === 422) && errorBody.includes('stream_options');
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- for tests alone
const mocking = lazy(() => require('./mocked-answer.js') as typeof Mocking);

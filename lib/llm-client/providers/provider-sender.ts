import type { ObservedAttempt } from '../../common/call-observer.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import { promptTokensOf, promptTokensOfAsync } from '../../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { Attempt, Sender } from '../call/attempt.js';
import type { ClosableResponse } from '../call/cancellation.js';
import type { ReadRequest } from '../request.js';
import { LlmStream, type StreamSource } from '../stream/llm-stream.js';
import type { KnownEndpoint, ProviderEndpoints } from './endpoints.js';
import { changesOf } from './openai/request.js';
import { ProviderExchange, type ProviderRequest, type ProviderTransport } from './provider-exchange.js';

/** Operations of providers, and their paths. */
const OPERATIONS = { chat: '/chat/completions', embeddings: '/embeddings' } as const;
export type Operation = keyof typeof OPERATIONS;

/** What requests to providers go through. */
export interface ProviderAccess {
  readonly transport: ProviderTransport;
  readonly endpoints: ProviderEndpoints;
  readonly tokenCounter: TokenCounterService;
  readonly maxAnswerBytes: number;
}

/** undici's word for it. */
const NO_LIMIT = 0;

/** Sends attempts by the protocol of their provider, over the connection pool. */
export class ProviderSender implements Sender<LlmAnswer | LlmStream> {
  constructor(
    private readonly access: ProviderAccess,
    private readonly operation: Operation,
    private readonly request: ReadRequest,
  ) {}

  async send(attempt: Attempt): Promise<LlmAnswer | LlmStream> {
    const { request, access } = this;
    const { deployment, model } = attempt.selection;
    const known = access.endpoints.of(deployment, model);
    attempt.provider = known.endpoint.provider;
    let addsUsage = request.addsUsage && !known.refusesStreamOptions;
    for (;;) {
      const exchange = new ProviderExchange({ known, stream: request.stream, maxBytes: access.maxAnswerBytes });
      try {
        attempt.begin(exchange);
        const written = this.bodyFor(attempt, known, addsUsage);
        // Aborted while a large body is written, `answered` rejects before it is awaited.
        if (typeof written !== 'string') exchange.answered.catch(() => {});
        const sent = this.requestFor(attempt, known, typeof written === 'string' ? written : await written);
        this.dispatch(attempt, sent, exchange);
        await exchange.answered;
      } catch (error) {
        // The caller did not ask for `stream_options`: a provider that refuses them is asked again
        // without.
        if (!addsUsage || !refusesStreamOptions(exchange)) throw error;
        addsUsage = false;
        continue;
      }
      // Certain only now: an error that repeats the whole request names them, too.
      if (request.addsUsage && !addsUsage) known.refusesStreamOptions = true;
      return request.stream ? this.streamOf(attempt, exchange) : this.answerOf(attempt, exchange, known);
    }
  }

  countPrompt(overrides: Readonly<Record<string, unknown>>): number | Promise<number> {
    const { request, access } = this;
    // What the program states of its input holds, whatever a fallback changes.
    const stated = request.options.routing?.inputTokens;
    if (stated !== undefined) return stated;
    const count = request.isLarge ? promptTokensOfAsync : promptTokensOf;
    return count({ ...request.body, ...changesOf(overrides) }, access.tokenCounter);
  }

  private bodyFor({ model, target }: Attempt, { endpoint, defaults, fixed }: KnownEndpoint, addsUsage: boolean): string | Promise<Buffer> {
    const { request } = this;
    return endpoint.protocol.bodyOf({ request, model, overrides: target.overrides, addsUsage, defaults, fixed });
  }

  private dispatch(attempt: Attempt, sent: ProviderRequest, exchange: ProviderExchange): void {
    const { transport } = this.access;
    attempt.sending();
    if (attempt.observed === undefined) transport.dispatch(sent, exchange);
    else dispatchObserved(attempt.observed, transport, sent, exchange);
  }

  private requestFor({ model, times }: Attempt, { endpoint }: KnownEndpoint, body: string | Buffer): ProviderRequest {
    return {
      origin: endpoint.origin,
      path: endpoint.pathOf(OPERATIONS[this.operation], model),
      method: 'POST',
      headers: endpoint.headers as string[],
      body,
      headersTimeout: times.isHeadSet ? NO_LIMIT : undefined,
      bodyTimeout: times.isBodySet ? NO_LIMIT : undefined,
    };
  }

  private answerOf(attempt: Attempt, exchange: ProviderExchange, { endpoint }: KnownEndpoint): LlmAnswer {
    attempt.answered();
    attempt.estimatedUsage = attempt.estimate(this.operation === 'embeddings' ? 0 : exchange.receivedTokens);
    const bytes = exchange.takeBytes();
    attempt.usage = endpoint.protocol.usageIn(bytes);
    return new LlmAnswer(bytes, attempt.usage, attempt.facts());
  }

  private streamOf(attempt: Attempt, exchange: ProviderExchange): LlmStream {
    attempt.firstChunk();
    return new LlmStream(attempt.facts(), new ProviderStream(attempt, exchange, this.request.addsUsage));
  }
}

/** A stream in progress: its end is the end of its attempt and of its call. */
class ProviderStream implements StreamSource {
  usage: AnswerUsage | undefined = undefined;

  constructor(
    private readonly attempt: Attempt,
    readonly exchange: ProviderExchange,
    readonly hidesUsage: boolean,
  ) {
    exchange.whenOver((error) => this.ended(error));
  }

  get response(): ClosableResponse | undefined {
    return this.attempt.call.cancellation.response;
  }

  leave(): void {
    this.attempt.call.cancellation.cancel(new Error('the stream was not read to its end'));
  }

  private ended(error: Error | undefined): void {
    const { attempt, exchange } = this;
    const { usage, error: stated } = exchange.ending();
    attempt.usage = usage;
    attempt.estimatedUsage = attempt.estimate(exchange.receivedTokens);
    const failure = error ?? stated;
    if (failure === undefined) attempt.succeed();
    else attempt.breakOff(failure);
    this.usage = usage ?? (failure === undefined ? undefined : attempt.estimatedUsage);
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

/** Some providers do not know `stream_options`, and name them in their error. */
function refusesStreamOptions({ status, errorBody }: ProviderExchange): boolean {
  return (status === 400 || status === 422) && errorBody.includes('stream_options');
}

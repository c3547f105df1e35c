import type { CallObserver } from '../common/call-observer.js';
import type { Capability, CapabilityHealth, HealthOf, MetricSample } from '../common/capability.js';
import { checkFunction, checkObject, checkString, refuseArgument } from '../common/options.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';
import { steadyNow } from '../common/steady-now.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { RouterService } from '../router/router.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import { FarTimers } from './call/attempt-timer.js';
import { CallCancellation } from './call/cancellation.js';
import type { RouterPick, RoutingContext } from './call/call-router.js';
import { CallSpending } from './call/spending.js';
import type { LlmAnswer } from './answer/llm-answer.js';
import { CallPlan, LlmCall, type CallSurroundings, type CallTarget } from './call/llm-call.js';
import { callSamples } from './metrics.js';
import type { ResolvedLlmClientOptions } from './llm-client.options.js';
import { checkCallOptions, ReadRequest, type CallOptions, type ModelRequest, type RequestLimits } from './request.js';
import { attemptTimes, callerBounds, limitsOf, RequestChains } from './routing.js';
import type { ExecuteOptions, Send } from './send.js';
import type { LlmStream } from './stream/llm-stream.js';
import { OpenAttempt } from './call/attempt-reporter.js';
import { CallCounts, OpenCall, OpenCallFacts, type CallAudience } from './call/call-reporter.js';
import { askProvider, ProviderQuestion } from './call/provider-attempt.js';
import { ProviderEndpoints, type KnownEndpoint } from './providers/endpoints.js';
import type { ProviderTransport } from './providers/transport.js';
import { RequestContext } from '../http/request-context.js';
import { RetryBudget } from './call/retry-budget.js';
import { executeSend, streamSend } from './call/custom-attempt.js';
import { promptTokensOf, promptTokensOfAsync } from '../http/token-estimate/token-estimate.js';

/** What the client takes from its surroundings. */
export interface LlmClientContext {
  readonly recorder?: CallRecorder;
  readonly observer?: CallObserver;
  /** Milliseconds, of a clock that never steps. Default `steadyNow`. */
  readonly now?: () => number;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Where the keys of well-known providers are looked up. Default `process.env`. */
  readonly env?: Environment;
}

type Overrides = Readonly<Record<string, unknown>>;

/** One attempt of a call, whoever sends it. */
type Attempt<R> = (attempt: OpenAttempt, number: number, target: CallTarget, leftMs: number) => Promise<R>;

/** A call that is about to begin. */
interface AskedCall<R> {
  readonly facts: OpenCallFacts;
  readonly options: CallOptions;
  readonly attempt: Attempt<R>;
  /** Tokens of the prompt as a fallback changes it. */
  readonly countPrompt: (overrides: Overrides) => number | undefined | Promise<number>;
  readonly startedAtMs: number;
}

/**
 * Calls models through the router: picks a deployment, sends, and on failure retries, falls back or gives up as the router's settings say.
 *
 * Every pick is given back and every failure told to the router, whatever happens. What is thrown in the end is the first group's failure as it came: a
 * `ProviderError` of the built-in sending, or what a `send` of the caller's has thrown; `RequestCancelledError` when the caller has gone.
 *
 * @example
 * const answer = await client.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] });
 * answer.json().choices[0].message.content;
 */
export class LlmClient implements Capability {
  readonly capability = 'llm_client';

  private readonly counts = new CallCounts();
  private readonly spending: CallSpending;
  private readonly firstChunks: CallSeries;
  private readonly endpoints: ProviderEndpoints;
  private readonly farTimers = new FarTimers();
  private readonly surroundings: CallSurroundings;
  private readonly audiences = new Map<string, CallAudience>();
  private readonly recorder: CallRecorder;
  private readonly observer: CallObserver | undefined;
  private readonly now: () => number;
  private readonly requestLimits: RequestLimits;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly router: RouterService,
    private readonly transport: ProviderTransport,
    private readonly tokenCounter: TokenCounterService,
    private readonly options: ResolvedLlmClientOptions,
    { recorder = SILENT_RECORDER, observer, now = steadyNow, random = Math.random, env = process.env }: LlmClientContext = {},
  ) {
    this.recorder = recorder;
    this.requestLimits = { bounds: options.bounds, ofCaller: () => callerBounds(router, options) };
    this.endpoints = new ProviderEndpoints(env);
    this.firstChunks = recorder.series(this.capability, 'first_chunk');
    this.spending = new CallSpending((model) => tokenCounter.estimateCost(0, 0, model));
    this.observer = observer;
    this.now = now;
    const retryBudget = new RetryBudget(options.retryRatio, options.retriesPerSecond, now());
    this.surroundings = { router, retryBudget, now, random };
  }

  /**
   * A chat completion: the whole answer, or with `stream: true` a stream, when its first chunk is there. `body` is OpenAI's; what the provider answers is
   * handed on unchanged.
   * @throws InvalidArgumentError where `body` has no model, or a field that steers the call is wrong.
   */
  chat(body: ModelRequest & { readonly stream: true }, options?: CallOptions): Promise<LlmStream>;
  chat(body: ModelRequest & { readonly stream?: false | null }, options?: CallOptions): Promise<LlmAnswer>;
  chat(body: ModelRequest, options?: CallOptions): Promise<LlmAnswer | LlmStream>;
  chat(body: ModelRequest, options: CallOptions = {}): Promise<LlmAnswer | LlmStream> {
    return this.ask('chat', '/chat/completions', body, options, this.options.streamUsage);
  }

  /** Embeddings: `body` is OpenAI's. */
  embeddings(body: ModelRequest, options: CallOptions = {}): Promise<LlmAnswer> {
    return this.ask('embeddings', '/embeddings', body, options, false) as Promise<LlmAnswer>;
  }

  /**
   * Calls `model` by whatever client `send` uses: an SDK, the AI SDK, `fetch`. Its own retries have to be off (`maxRetries: 0`), or those of both multiply.
   * Usage is read from the result's `usage`.
   *
   * @example
   * const completion = await client.execute('gpt-4o', ({ params }, { model, signal }) =>
   *   new OpenAI({ baseURL: params.api_base, apiKey: params.api_key, maxRetries: 0 }).chat.completions.create({ model, messages }, { signal }),
   * );
   */
  async execute<T>(model: string, send: Send<T>, options: ExecuteOptions = {}): Promise<T> {
    return this.send(model, send, options, false, executeSend);
  }

  /** The same for a `send` that gives chunks. Resolves when the first one is there; after it no other provider is asked. Leaving the loop early ends the stream. */
  async stream<C>(model: string, send: Send<AsyncIterable<C>>, options: ExecuteOptions = {}): Promise<AsyncIterable<C>> {
    return this.send(model, send, options, true, streamSend<C>);
  }

  /** Calls that are not over: of streams, those that are still read. */
  get callsUnderWay(): number {
    return this.counts.inFlight;
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    return callSamples(this.counts, this.spending, this.surroundings.retryBudget);
  }

  /** It has no engine of its own, and is as well as the router. */
  health(of?: HealthOf): CapabilityHealth {
    const { status, engine, reason } = of === undefined ? this.router.health() : of(this.router);
    return { status, engine, ...(reason !== undefined && { reason }), inFlight: this.counts.inFlight };
  }

  /** Not `async`, nor what calls it: each step of that kind is a promise and a turn of the queue more for every request. */
  private ask(
    operation: string,
    path: string,
    body: ModelRequest,
    given: CallOptions,
    streamUsage: boolean,
  ): Promise<LlmAnswer | LlmStream> {
    try {
      const asked = operation === 'embeddings' ? { ...body, stream: undefined } : body;
      return this.askFor(operation, path, new ReadRequest(asked, given, streamUsage, this.requestLimits));
    } catch (error) {
      return rejected(error);
    }
  }

  private askFor(operation: string, path: string, request: ReadRequest): Promise<LlmAnswer | LlmStream> {
    const { body, options } = request;
    const asker = options.request ?? undefined;
    const memory = asker === undefined ? undefined : RequestContext.of(asker);
    const known = options.routing?.inputTokens;
    if (!request.isLarge) return this.sendCounted(operation, path, request, known ?? promptTokensOf(body, this.tokenCounter, memory));
    const counted = known === undefined ? promptTokensOfAsync(body, this.tokenCounter, memory) : Promise.resolve(known);
    return counted.then((tokens) => this.sendCounted(operation, path, request, tokens));
  }

  private sendCounted(operation: string, path: string, request: ReadRequest, promptTokens: number): Promise<LlmAnswer | LlmStream> {
    const { model, stream, maxTokens, options } = request;
    const facts = new OpenCallFacts(operation, model, stream, maxTokens, promptTokens, options.request ?? undefined);
    const ask: Attempt<LlmAnswer | LlmStream> = (attempt, _number, target, leftMs) => {
      const { deployment } = attempt.pick;
      const known = this.endpointOf(attempt);
      const times = attemptTimes(deployment, this.router, this.options, options, stream, leftMs);
      const { maxAnswerBytes } = this.options;
      return askProvider(
        this.transport,
        attempt,
        new ProviderQuestion(path, request, target, known, times, this.farTimers, maxAnswerBytes),
      );
    };
    // What the program says of its input stands, whatever a fallback changes.
    const countPrompt = (overrides: Overrides): number | Promise<number> => {
      const known = options.routing?.inputTokens;
      if (known !== undefined) return known;
      const count = request.isLarge ? promptTokensOfAsync : promptTokensOf;
      return count(request.changedBy(overrides), this.tokenCounter);
    };
    return this.run({ facts, options, attempt: ask, countPrompt, startedAtMs: request.startedAtMs });
  }

  private endpointOf(attempt: OpenAttempt): KnownEndpoint {
    const { deployment, model } = attempt.pick;
    try {
      return this.endpoints.of(deployment, model);
    } catch (error) {
      throw attempt.refused(error, undefined);
    }
  }

  private send<T, R>(
    model: string,
    send: Send<T>,
    options: ExecuteOptions,
    stream: boolean,
    by: (attempt: OpenAttempt, question: Parameters<typeof executeSend<T>>[1]) => Promise<R>,
  ): Promise<R> {
    checkString('model', model, refuseArgument);
    checkFunction('send', send, refuseArgument);
    checkObject('options', options, refuseArgument);
    checkCallOptions(options);
    const { operation = 'chat', request, routing } = options;
    checkString('options.operation', operation, refuseArgument);
    const facts = new OpenCallFacts(operation, model, stream, routing?.maxTokens, routing?.inputTokens, request ?? undefined);
    const attempt: Attempt<R> = (opened, number, target, leftMs) => {
      const times = attemptTimes(opened.pick.deployment, this.router, this.options, options, stream, leftMs);
      return by(opened, { send, target, number, options, times });
    };
    return this.run({ facts, options, attempt, countPrompt: () => routing?.inputTokens, startedAtMs: performance.now() });
  }

  private run<R>({ facts, options, attempt, countPrompt, startedAtMs }: AskedCall<R>): Promise<R> {
    const { router, now } = this;
    const { signal } = options;
    const response = options.response ?? undefined;
    const cancellation = new CallCancellation(signal, response !== undefined && 'raw' in response ? response.raw : response);
    const open = new OpenCall(facts, cancellation, this.audienceOf(facts.operation));
    open.startedAtMs = startedAtMs;
    const limits = limitsOf(router, this.options, options, now());
    this.surroundings.retryBudget.deposit();
    this.spending.prepare(facts.model);
    const { model, stream, promptTokens: inputTokens, maxTokens } = facts;
    const context: RoutingContext = { inputTokens, maxTokens, stream, ...options.routing };
    const send = (pick: RouterPick, number: number, target: CallTarget): Promise<R> => {
      const opened = new OpenAttempt(open, pick, router, number);
      opened.promptTokens = target.inputTokens ?? opened.promptTokens;
      return attempt(opened, number, target, limits.deadlineAtMs - now());
    };
    const plan = new CallPlan(model, context, limits, cancellation, new RequestChains(router, options), send, countPrompt);
    return open.run(new LlmCall<R>(this.surroundings, plan));
  }

  private audienceOf(operation: string): CallAudience {
    let audience = this.audiences.get(operation);
    if (audience === undefined) {
      const { counts, spending, firstChunks, observer } = this;
      audience = { counts, spending, series: this.recorder.series(this.capability, operation), firstChunks, observer };
      this.audiences.set(operation, audience);
    }
    return audience;
  }
}

async function rejected(error: unknown): Promise<never> {
  throw error;
}

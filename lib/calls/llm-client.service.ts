import type { Fields } from '../common/objects.js';
import type { CallObserver } from '../common/call-observer.js';
import type { CallRecordListener, CallRecordChoice } from '../common/call-record.js';
import type { LogSink } from '../common/log-sink.js';
import type { Capability, CapabilityHealth, HealthOf, MetricSample } from '../common/capability.js';
import { InvalidArgumentError } from '../common/errors.js';
import { CallDeniedError } from '../common/http-errors.js';
import { lazy } from '../common/lazy.js';
import { checkFunction, checkObject, refuseArgument } from '../common/options.js';
import { SILENT_RECORDER, type CallRecorder } from '../common/recorder.js';
import { steadyNow } from '../common/clock.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { JsonReader } from '../http/body/json-reader.js';
import { isJsonSource, StreamedJson, type JsonSource } from '../http/body/json-reader.js';
import { jsonBodyOf } from '../http/body/body-object.js';
import { checkBodyBounds, type ResolvedBodyBounds } from '../http/body/body-bounds.js';
import { RequestContext } from '../http/request-context.js';
import { promptTokensOf } from '../http/token-estimate/token-estimate.js';
import type { AppCost } from '../http/app-costs.js';
import type { Deployment } from '../router/deployments/deployment.js';
import type { RouterService } from '../router/router.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { LlmAnswer } from './answer/llm-answer.js';
import type * as Attempts from './attempt.js';
import type { SendAttempt } from './attempt.js';
import {
  ApiCallRequest,
  CustomCallRequest,
  type OperationBody,
  type CallRequest,
  type PromptReader,
  type RequestLimits,
} from './call-request.js';
import { Call, type CallGuards } from './call.js';
import { CallCancellation } from './cancellation.js';
import type { Next } from './layers/layer.js';
import type * as Composing from './layers/compose.js';
import type { ClientContext } from './layers/compose.js';
import { CallSettlement } from './call-settlement.js';
import { RetryBudget } from './layers/retries.js';
import { ClientSpend, type SpendingHistory } from './client-spend.js';
import { callerBounds, type ResolvedLlmClientOptions } from './llm-client.options.js';
import type * as Forwarding from './forwarded/forward-requests.js';
import {
  FORWARDED_PATHS,
  type AccountOperation,
  type Forwarded,
  type ForwardedOperation,
  type ForwardedPath,
} from '../providers/forwarded/forwarded.js';
import type { CallHookOptions, ModelCallHook } from './hooks/call-hook.js';
import { CallHooks } from './hooks/call-hooks.js';
import type * as Guarding from './hooks/content-guards.js';
import type * as Recording from './recording/call-records.js';
import type { CallRecords } from './recording/call-records.js';
import type { RunningCall } from './hooks/running-call.js';
import { callSamples, exactCountSamples } from './call-metrics.js';
import {
  countedOperationOf,
  localBody,
  type ContentTokens,
  type MessageTokens,
  type ResponseTokens,
  countPromptTokens,
} from '../apis/counted-request.js';
import type * as ExactCounting from './counting/exact-counts.js';
import type { ExactTokens, ProviderCount } from './counting/exact-counts.js';
import type * as Endpoints from '../providers/endpoint/endpoints.js';
import type { ProviderTransport } from '../providers/provider-transport.js';
import type { CountedOperation, Operation } from '../providers/protocol.js';
import { sendByFunction, streamByFunction, type ExecuteOptions, type Send } from './send/custom-send.js';
import type { ProviderAccess } from './send/provider-request.js';
import type * as Sending from './send/provider-send.js';
import type * as Queueing from '../queue/call-queue.js';
import type { QueueStatus } from '../queue/queue-metrics.js';
import { queueSamples } from '../queue/queue-metrics.js';
import type { CallOptions } from './call-options.js';
import type { ModelRequest } from '../providers/model-request.js';
import type { LlmBytes } from './stream/llm-bytes.js';
import type { LlmStream } from './stream/llm-stream.js';
import type { ChatCompletion, ChatCompletionChunk } from '../apis/wire/chat.js';
import type { AccountRequest, ForwardedForm, ForwardedRequest, ImageList, ModerationList, RerankedList } from '../apis/wire/forwarded.js';
import type { EmbeddingList, TextCompletion } from '../apis/wire/completions.js';
import type { GenerateContentRequest, GeneratedContent } from '../apis/wire/generate-content.js';
import type { Message, MessageEvent } from '../apis/wire/messages.js';
import type { ChatRequest, CompletionRequest, EmbeddingRequest, MessagesRequest, ResponsesRequest } from '../apis/wire/requests.js';
import type { ResponsesAnswer, ResponsesEvent } from '../apis/wire/responses.js';

type Streamed = { readonly stream: true };
type Whole = { readonly stream?: false | null };
type Answered<Json, Event> = LlmAnswer<Json> | LlmStream<Event>;
type AnyAnswer = LlmAnswer | LlmStream | LlmBytes;

/**
 * The options of a token count: those of `CallOptions` that decide which deployments can be used.
 */
export type TokenCountContext = Pick<CallOptions, 'signal' | 'request' | 'routing' | 'mayCall'>;

/** How calls are made in one version of the configuration. A call keeps the one it begins with. */
interface CallPath {
  readonly CallView: typeof Attempts.CallView;
  readonly client: ClientContext;
  readonly requestLimits: RequestLimits;
  readonly layers: Next;
  /** Those of calls in whose content hooks take part, once there is one. */
  guarded: Next | undefined;
  readonly sendToProvider: typeof Sending.sendToProvider;
  readonly sending: Sending.ProviderSending;
}

/** State of a client at one moment. */
export interface LlmClientStatus {
  /** Calls in flight, including waiting ones, and streams that have not been read to their end. */
  readonly callsInFlight: number;
  /** `null` without `llmClient.queue`. */
  readonly queue: QueueStatus | null;
}

/** Dependencies of the client. */
export interface LlmClientContext {
  readonly recorder?: CallRecorder;
  readonly observer?: CallObserver;
  /** For failures of hooks and observers. Default: none is logged. */
  readonly log?: LogSink;
  /** Milliseconds, of a clock that never steps. Default `steadyNow`. */
  readonly now?: () => number;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Where the keys of well-known providers are looked up. Default `process.env`. */
  readonly env?: Environment;
  /** Ids of deployments that only connect to public and allowed addresses. Default: none. */
  readonly guarded?: ReadonlySet<string>;
  readonly json: JsonReader;
  /** Tells the costs that `reportUsage` states for calls made elsewhere. */
  readonly onAppCost?: (listener: (cost: AppCost) => void) => void;
}

/**
 * Calls models through the router: selects a deployment and sends the request. On failure it
 * retries, falls back or gives up according to the router's settings (`calls/layers/compose.ts`).
 *
 * Throws the first model group's failure unchanged: a `ProviderError`, or the error that the
 * caller's `send` threw; `RequestCancelledError` if the caller disconnected.
 *
 * @example
 * const answer = await client.chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] });
 * const { content } = answer.json().choices[0].message;
 *
 */
export class LlmClient implements Capability {
  readonly capability = 'llm_client';

  /** Each path adds its router and options: kept here, they would keep the first version alive. */
  private readonly client: Omit<ClientContext, 'router' | 'options'>;
  private readonly providers: () => ProviderAccess;
  private readonly counting: PromptReader;
  private options: ResolvedLlmClientOptions;
  private access: ProviderAccess | undefined = undefined;
  private readonly json: JsonReader;
  private readonly log: LogSink;
  /** `undefined`: none was ever added. */
  private hooks: CallHooks | undefined = undefined;
  /** `undefined`: no listener was ever added. */
  private records: CallRecords | undefined = undefined;
  /** Bounds of the lists in a body. @internal */
  readonly bodyBounds: ResolvedBodyBounds;
  /** For the router's present configuration. */
  private path: CallPath | undefined = undefined;
  private exactCountsMade: ExactCounting.ExactCounts | undefined = undefined;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly router: RouterService,
    transport: ProviderTransport,
    private readonly tokenCounter: TokenCounterService,
    options: ResolvedLlmClientOptions,
    context: LlmClientContext,
  ) {
    this.options = options;
    const { recorder = SILENT_RECORDER, observer, log = SILENT_LOG, now = steadyNow, random = Math.random, env = process.env } = context;
    const { json } = context;
    this.json = json;
    this.log = log;
    this.bodyBounds = options.bounds;
    this.counting = { counter: tokenCounter, json };
    const spend = new ClientSpend((model) => tokenCounter.estimateCost(0, 0, model), { hasTeams: options.costByTeam, now });
    context.onAppCost?.((cost) => spend.addAppCost(cost));
    const learnPrompt = tokenCounter.learnPrompt.bind(tokenCounter);
    const settlement = new CallSettlement({ router, spend, recorder, observer, log, learnPrompt });
    const maxOutputOf = (model: string): number | null => tokenCounter.limitsOf(model).maxOutputTokens;
    const waiting = options.queue && {
      queue: new (queueing().CallQueue)(options.queue, { now, component: 'llm_client', recorder }),
      options: options.queue,
      now,
    };
    this.client = {
      settlement,
      retryBudget: new RetryBudget(options.retryRatio, options.retriesPerSecond, now()),
      now,
      random,
      maxOutputOf,
      longestAnswerOf: (model) => maxOutputOf(model) ?? tokenCounter.limitsOf(model).contextWindow,
      countPrompt: (body, isLarge) => promptTokensOf(body, { counter: tokenCounter, isLarge }),
      waiting,
      inFlightByKey: new Map(),
    };
    if (waiting !== undefined) {
      settlement.queue = waiting.queue;
      router.whenFreed(() => waiting.queue.wake());
    }
    this.providers = lazy(() => ({
      transport,
      endpoints: new (providerEndpoints().ProviderEndpoints)(env, context.guarded),
      tokenCounter,
      maxAnswerBytes: options.maxAnswerBytes,
      dropParams: options.dropParams,
      streamCost: options.streamCost,
      writeTimeoutMs: options.writeTimeoutMs,
      maxOutputOf,
    }));
    router.whenChanged(() => (this.path = undefined));
    if (router.deployments().length > 0) this.prepare();
  }

  /**
   * Applies changed settings of the configuration file to calls that begin from now on:
   * `dropParams`, `streamCost` and `mockTesting`. All other options are kept.
   * @param env The environment, if it has changed: the source of keys for well-known providers.
   * @internal
   */
  useSettings({ dropParams, streamCost, mockTesting }: ResolvedLlmClientOptions, env?: Environment): void {
    this.options = { ...this.options, dropParams, streamCost, mockTesting };
    const known = this.access ?? this.providers();
    const endpoints = env === undefined ? known.endpoints : new (providerEndpoints().ProviderEndpoints)(env);
    this.access = { ...known, endpoints, dropParams, streamCost };
    this.path = undefined;
  }

  /**
   * Returns the origin of a deployment, and whether its requests have credentials; `undefined` if
   * it cannot be called, or if it calls any provider.
   * @internal
   */
  addressOf(deployment: Deployment): { readonly origin: string; readonly isAuthorized: boolean } | undefined {
    try {
      const { endpoint } = this.providers().endpoints.of(deployment, deployment.model);
      return { origin: new URL(endpoint.origin).origin, isAuthorized: endpoint.isAuthorized };
    } catch {
      return undefined;
    }
  }

  /** Loads the code at startup that the first call would otherwise wait for. */
  private prepare(): void {
    this.providers();
    providerSending();
    composing();
  }

  /**
   * Requests a chat completion. Resolves with the answer, or with `stream: true` when the first
   * chunk has arrived. `body` is OpenAI's, as an object, or as JSON in a `Buffer` or a stream of
   * bytes, which is not parsed if the provider accepts it unchanged; the answer is returned
   * unchanged.
   * @throws InvalidArgumentError for a body without a model, or an invalid field that controls the
   * call.
   */
  chat(body: ChatRequest & Streamed, options?: CallOptions): Promise<LlmStream<ChatCompletionChunk>>;
  chat(body: ChatRequest & Whole, options?: CallOptions): Promise<LlmAnswer<ChatCompletion>>;
  chat(body: ChatRequest | JsonSource, options?: CallOptions): Promise<LlmAnswer<ChatCompletion> | LlmStream<ChatCompletionChunk>>;
  chat(body: ChatRequest | JsonSource, options: CallOptions = {}): Promise<Answered<ChatCompletion, ChatCompletionChunk>> {
    return this.ask('chat', body, options) as Promise<Answered<ChatCompletion, ChatCompletionChunk>>;
  }

  /** Requests embeddings: `body` is OpenAI's. */
  embeddings(body: EmbeddingRequest | JsonSource, options: CallOptions = {}): Promise<LlmAnswer<EmbeddingList>> {
    return this.ask('embeddings', body, options) as Promise<LlmAnswer<EmbeddingList>>;
  }

  /**
   * Requests a response of OpenAI's Responses API. Providers without that API are called through
   * chat; a field that chat cannot express is rejected with an `InvalidArgumentError` that names
   * it.
   */
  responses(body: ResponsesRequest & Streamed, options?: CallOptions): Promise<LlmStream<ResponsesEvent>>;
  responses(body: ResponsesRequest & Whole, options?: CallOptions): Promise<LlmAnswer<ResponsesAnswer>>;
  responses(body: ResponsesRequest | JsonSource, options?: CallOptions): Promise<LlmAnswer<ResponsesAnswer> | LlmStream<ResponsesEvent>>;
  responses(body: ResponsesRequest | JsonSource, options: CallOptions = {}): Promise<Answered<ResponsesAnswer, ResponsesEvent>> {
    return this.ask('responses', body, options) as Promise<Answered<ResponsesAnswer, ResponsesEvent>>;
  }

  /**
   * Counts the input tokens of a response, as OpenAI's `input_tokens` does. Calls no provider
   * unless `options.exact` is set; then it counts as `countTokensExact` does.
   * @throws InvalidArgumentError naming an invalid field of the body.
   */
  async countResponseTokens(body: object, options: TokenCountContext & { readonly exact?: boolean } = {}): Promise<ResponseTokens> {
    return { object: 'response.input_tokens', input_tokens: await this.countPrompt('responses', body, options) };
  }

  /**
   * Requests a message of Anthropic's Messages API. Providers without that API are called through
   * chat.
   */
  messages(body: MessagesRequest & Streamed, options?: CallOptions): Promise<LlmStream<MessageEvent>>;
  messages(body: MessagesRequest & Whole, options?: CallOptions): Promise<LlmAnswer<Message>>;
  messages(body: MessagesRequest | JsonSource, options?: CallOptions): Promise<LlmAnswer<Message> | LlmStream<MessageEvent>>;
  messages(body: MessagesRequest | JsonSource, options: CallOptions = {}): Promise<Answered<Message, MessageEvent>> {
    return this.ask('messages', body, options) as Promise<Answered<Message, MessageEvent>>;
  }

  /**
   * Counts the input tokens of a message, as Anthropic's `count_tokens` does. Calls no provider
   * unless `options.exact` is set; then it counts as `countTokensExact` does.
   * @throws InvalidArgumentError naming an invalid field of the body.
   */
  async countMessageTokens(body: object, options: TokenCountContext & { readonly exact?: boolean } = {}): Promise<MessageTokens> {
    return { input_tokens: await this.countPrompt('messages', body, options) };
  }

  /**
   * Counts the prompt of a request with the counting endpoint of its provider: Anthropic (also on
   * Vertex AI and Azure), Gemini and Vertex AI, Claude on Bedrock, OpenAI. Tries the deployments of
   * the model group in turn, with their own keys. If none of them counts within the limits of
   * `llmClient.exactCounts`, the token counter does; `source` and `reason` report this. Nothing is
   * charged, and failures start no cooldown. Requests that an `onRequest` hook might change are
   * counted locally.
   * @param body of chat, Messages or Responses
   * @throws InvalidArgumentError naming an invalid field of the body; ModelNotAllowedError by
   * `options.mayCall`; RequestCancelledError
   * @example
   * const { promptTokens, source } = await client.countTokensExact({ model, messages });
   */
  async countTokensExact(body: ChatRequest | MessagesRequest | ResponsesRequest, options: TokenCountContext = {}): Promise<ExactTokens> {
    const asked = checkObject('body', body, refuseArgument) as ModelRequest;
    const operation = countedOperationOf(asked);
    const local = localBody(asked, operation);
    const count = await this.countAtProvider(operation, asked, options);
    if ('tokens' in count) {
      const { tokens, source, deploymentId } = count;
      return { promptTokens: tokens, source, approximate: false, deploymentId };
    }
    const { promptTokens, approximate, bound } = await this.tokenCounter.countRequestAsync(local);
    return { promptTokens, source: 'local', approximate, reason: count.reason, ...(bound !== undefined && { bound }) };
  }

  /**
   * Requests content from Google's `:generateContent`; with `stream: true`, the events of
   * `:streamGenerateContent`. Gemini models get the body unchanged, without `model` and `stream`.
   * Others are called through chat.
   */
  generateContent(body: GenerateContentRequest & Streamed, options?: CallOptions): Promise<LlmStream<GeneratedContent>>;
  generateContent(body: GenerateContentRequest & Whole, options?: CallOptions): Promise<LlmAnswer<GeneratedContent>>;
  generateContent(
    body: GenerateContentRequest | JsonSource,
    options?: CallOptions,
  ): Promise<LlmAnswer<GeneratedContent> | LlmStream<GeneratedContent>>;
  generateContent(
    body: GenerateContentRequest | JsonSource,
    options: CallOptions = {},
  ): Promise<Answered<GeneratedContent, GeneratedContent>> {
    return this.ask('generateContent', body, options) as Promise<Answered<GeneratedContent, GeneratedContent>>;
  }

  /**
   * Counts the tokens of Google's contents, as `:countTokens` does. Calls no provider unless
   * `options.exact` is set; then it counts as `countTokensExact` does.
   * @throws InvalidArgumentError naming an invalid field of the body.
   */
  async countContentTokens(body: object, options: TokenCountContext & { readonly exact?: boolean } = {}): Promise<ContentTokens> {
    return { totalTokens: await this.countPrompt('generateContent', body, options) };
  }

  /** Requests a completion of OpenAI's older API. Providers without it are called through chat. */
  completions(body: CompletionRequest & Streamed, options?: CallOptions): Promise<LlmStream<TextCompletion>>;
  completions(body: CompletionRequest & Whole, options?: CallOptions): Promise<LlmAnswer<TextCompletion>>;
  completions(body: CompletionRequest | JsonSource, options?: CallOptions): Promise<LlmAnswer<TextCompletion> | LlmStream<TextCompletion>>;
  completions(body: CompletionRequest | JsonSource, options: CallOptions = {}): Promise<Answered<TextCompletion, TextCompletion>> {
    return this.ask('completions', body, options) as Promise<Answered<TextCompletion, TextCompletion>>;
  }

  /** Requests images from OpenAI's API; with `stream: true`, their events. */
  images(body: ForwardedRequest & Streamed, options?: CallOptions): Promise<LlmStream>;
  images(body: ForwardedRequest & Whole, options?: CallOptions): Promise<LlmAnswer<ImageList>>;
  images(body: ForwardedRequest, options?: CallOptions): Promise<Answered<ImageList, Fields>>;
  images(body: ForwardedRequest, options?: CallOptions): Promise<Answered<ImageList, Fields>> {
    return this.forward('images', '/images/generations', body, options) as Promise<Answered<ImageList, Fields>>;
  }

  /** Requests edits of images. `form` is OpenAI's; some providers accept JSON. */
  imageEdits(form: ForwardedForm | ForwardedRequest, options?: CallOptions): Promise<Answered<ImageList, Fields>> {
    return this.forward('images', '/images/edits', form, options) as Promise<Answered<ImageList, Fields>>;
  }

  /** Requests variations of an image. */
  imageVariations(form: ForwardedForm, options?: CallOptions): Promise<Answered<ImageList, Fields>> {
    return this.forward('images', '/images/variations', form, options) as Promise<Answered<ImageList, Fields>>;
  }

  /** Requests speech from OpenAI's API; returns the audio as it arrives. */
  speech(body: ForwardedRequest, options?: CallOptions): Promise<LlmBytes> {
    return this.forward('audio', '/audio/speech', body, options) as Promise<LlmBytes>;
  }

  /** Requests a transcript: JSON, or text, depending on the form's `response_format`. */
  transcriptions(form: ForwardedForm, options?: CallOptions): Promise<Answered<Fields, Fields>> {
    return this.forward('audio', '/audio/transcriptions', form, options) as Promise<Answered<Fields, Fields>>;
  }

  /** Requests a transcript in English. */
  translations(form: ForwardedForm, options?: CallOptions): Promise<Answered<Fields, Fields>> {
    return this.forward('audio', '/audio/translations', form, options) as Promise<Answered<Fields, Fields>>;
  }

  /** Requests moderations from OpenAI's API. */
  moderations(body: ForwardedRequest, options?: CallOptions): Promise<LlmAnswer<ModerationList>> {
    return this.forward('moderations', '/moderations', body, options) as Promise<LlmAnswer<ModerationList>>;
  }

  /** Ranks documents by relevance, with providers that have a `/rerank` route. */
  rerank(body: ForwardedRequest, options?: CallOptions): Promise<LlmAnswer<RerankedList>> {
    return this.forward('rerank', '/rerank', body, options) as Promise<LlmAnswer<RerankedList>>;
  }

  /**
   * Manages files in a provider's account. `/…/content` returns bytes, every other path JSON.
   * @throws NoDeploymentError for an unknown model group.
   */
  files(request: AccountRequest, options?: CallOptions): Promise<LlmAnswer | LlmBytes> {
    return this.askAccount('files', request, options) as Promise<LlmAnswer | LlmBytes>;
  }

  /**
   * Manages batches in a provider's account.
   * @throws NoDeploymentError for an unknown model group; UnsupportedRequestError for a new batch
   * whose `request` has a budget, because providers never report its cost.
   */
  batches(request: AccountRequest, options?: CallOptions): Promise<LlmAnswer> {
    return this.askAccount('batches', request, options) as Promise<LlmAnswer>;
  }

  /**
   * Manages Anthropic's batches of messages in a provider's account. `/…/results` returns bytes.
   * The models of their requests are model groups of that account.
   * @throws as `batches`
   */
  messageBatches(request: AccountRequest, options?: CallOptions): Promise<LlmAnswer | LlmBytes> {
    return this.askAccount('message_batches', request, options) as Promise<LlmAnswer | LlmBytes>;
  }

  /**
   * Reads, cancels or deletes a response that a provider of OpenAI's Responses API has stored, and
   * lists its input items: `path` is `/<id>`, `/<id>/cancel` or `/<id>/input_items`. The usage of a
   * response is counted when it is created.
   * @throws NoDeploymentError for an unknown model group.
   */
  storedResponses(request: AccountRequest, options?: CallOptions): Promise<LlmAnswer | LlmStream> {
    return this.askAccount('stored_responses', request, options) as Promise<LlmAnswer | LlmStream>;
  }

  /** Compacts a conversation, with providers that have `/responses/compact`. */
  compactResponse(body: ForwardedRequest, options?: CallOptions): Promise<LlmAnswer> {
    return this.forward('compact_response', '/responses/compact', body, options) as Promise<LlmAnswer>;
  }

  /**
   * Calls `model` with your own client in `send`: an SDK, the AI SDK or `fetch`. Disable that
   * client's retries (`maxRetries: 0`); otherwise the two kinds of retries multiply. The usage is
   * read from the result's `usage`.
   *
   * @example
   * const completion = await client.execute('gpt-4o', ({ params }, { model, signal }) =>
   *   new OpenAI({ baseURL: params.api_base, apiKey: params.api_key, maxRetries: 0 }).chat.completions.create({ model, messages }, { signal }),
   * );
   */
  async execute<T>(model: string, send: Send<T>, options: ExecuteOptions = {}): Promise<T> {
    const asked = new CustomCallRequest(model, send, options, false);
    return this.runCustom(asked, (attempt) => sendByFunction(send, options, attempt), this.hooks?.running(asked, { model }));
  }

  /**
   * Like `execute`, for a `send` that returns chunks. Resolves when the first chunk arrives; after
   * that, no other deployment is tried. Leaving the loop early ends the stream.
   */
  async stream<C>(model: string, send: Send<AsyncIterable<C>>, options: ExecuteOptions = {}): Promise<AsyncIterable<C>> {
    const asked = new CustomCallRequest(model, send, options, true);
    const hooks = this.hooks?.running(asked, { model });
    const observe = (chunk: C): void => hooks?.observe('onEvent', (hook) => hook.onEvent?.(hooks.view, chunk as Fields));
    const onChunk = hooks === undefined || hooks.with('onEvent').length === 0 ? undefined : observe;
    return this.runCustom(asked, (attempt) => streamByFunction(send, { ...options, onChunk }, attempt), hooks);
  }

  /**
   * Adds an observer for calls that begin from now on. Returns a function that removes it.
   * @throws InvalidArgumentError for an observer without `started`.
   */
  observe(observer: CallObserver): () => void {
    const { started } = checkObject('observer', observer, refuseArgument);
    checkFunction('observer.started', started, refuseArgument);
    return this.client.settlement.observers.add(observer);
  }

  /**
   * Adds a listener for calls that begin from now on: it receives the record of each call when the
   * call is over, including streams and abandoned answers. Its errors are logged once. Returns a
   * function that removes it.
   * @throws InvalidArgumentError if it is not a function.
   */
  onRecord(listener: CallRecordListener, options?: CallRecordChoice): () => void {
    checkFunction('listener', listener, refuseArgument);
    return (this.records ??= this.openRecords()).add(listener, options);
  }

  /**
   * Adds a hook for calls that begin from now on. Returns a function that removes it.
   * `FastLiteLLMModule` adds providers with `@CallHook()`, and those of the option `hooks`.
   *
   * @param options Default: those of its class's `@CallHook()`.
   * @throws InvalidConfigurationError for an object without any method of a hook, or an invalid
   * option.
   */
  addHook(hook: ModelCallHook, options?: CallHookOptions): () => void {
    return (this.hooks ??= new CallHooks(this.log)).add(hook, options);
  }

  /** Number of calls in flight, including streams that have not been read to their end. */
  get callsInFlight(): number {
    return this.client.settlement.counts.inFlight;
  }

  /**
   * Number of unsettled calls: those in flight, and abandoned answers that are being drained.
   * @internal
   */
  get unsettledCalls(): number {
    return this.callsInFlight + this.client.settlement.draining.size;
  }

  /**
   * Settles abandoned answers with the part that has arrived.
   * @internal
   */
  endDrains(): void {
    for (const attempt of [...this.client.settlement.draining]) attempt.drain?.end();
  }

  /** Returns the number of calls in flight and of waiting calls. */
  status(): LlmClientStatus {
    return { callsInFlight: this.callsInFlight, queue: this.client.waiting?.queue.status() ?? null };
  }

  /** Returns the cost of each model group in this process over the last six hours. */
  spendingHistory(): SpendingHistory {
    return this.client.settlement.spend.byGroup.history();
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const { settlement, retryBudget, waiting } = this.client;
    const samples = callSamples(settlement.counts, settlement.spend, retryBudget);
    return [
      ...samples,
      ...(waiting === undefined ? [] : queueSamples(waiting.queue, QUEUE)),
      ...exactCountSamples(this.exactCountsMade?.figures),
      ...(this.hooks?.metrics() ?? []),
    ];
  }

  /** Returns the router's health, because the client has no engine of its own. */
  health(of?: HealthOf): CapabilityHealth {
    const { status, engine, reason } = of === undefined ? this.router.health() : of(this.router);
    return { status, engine, ...(reason !== undefined && { reason }), inFlight: this.callsInFlight };
  }

  /**
   * Not `async`: to return the promise of the layers from it would cost each call three turns of
   * the microtask queue.
   */
  private ask(operation: Operation, given: Fields | JsonSource, options: CallOptions, forwarded?: Forwarded): Promise<AnyAnswer> {
    try {
      if (isJsonSource(given))
        return this.readSource(given, options).then((read) => this.ask(operation, read as Fields, options, forwarded));
      const isStreamless = operation === 'embeddings' && (given as Fields | undefined)?.stream !== undefined;
      // A body without a model is rejected while it is read.
      const body = (isStreamless ? { ...given, stream: undefined } : given) as ModelRequest;
      const json = jsonBodyOf(body);
      if (!(json instanceof Promise)) return this.begin({ operation, body, json, forwarded }, options);
      return json.then((written) => this.begin({ operation, body, json: written, forwarded }, options));
    } catch (error) {
      const refusal = error as Error;
      return Promise.reject(refusal);
    }
  }

  /** Reads the JSON of a program. That of a stream is waited for until the call is cancelled. */
  private async readSource(source: JsonSource, options: CallOptions): Promise<unknown> {
    if (source instanceof Uint8Array) return this.json.readOwn(source);
    const stream = new StreamedJson(source);
    const cancellation = new CallCancellation(options);
    try {
      return await this.json.readOwn(await cancellation.until(stream.whole()));
    } catch (error) {
      stream.stop();
      throw error;
    } finally {
      cancellation.dispose();
    }
  }

  private begin(body: OperationBody, options: CallOptions): Promise<AnyAnswer> {
    const path = (this.path ??= this.newPath());
    const { sendToProvider, sending } = path;
    const asked = new ApiCallRequest(body, options, path.requestLimits);
    const hooks = this.hooks?.running(asked, body.body);
    if (asked.hasOwnFields && hooks?.hasGuardrails !== true) checkNoGuardrails('guardrails', body.body.guardrails);
    // Hooks of the app can enforce the guardrails of keys and teams.
    const principal = hooks?.takesPartInContent === true ? undefined : asked.context?.principal;
    if (principal?.metadata.guardrails !== undefined) checkNoGuardrails("The API key's metadata.guardrails", principal.metadata.guardrails);
    if (principal?.teamMetadata?.guardrails !== undefined)
      checkNoGuardrails("The team's metadata.guardrails", principal.teamMetadata.guardrails);
    // The call begins before its hooks run, so that its end is always reported.
    if (hooks?.takesPartInContent === true) {
      const { maxAnswerBytes } = this.options;
      const guards = new (guarding().ContentGuards)(asked, hooks, { maxAnswerBytes, counting: this.counting });
      return this.run(asked, sendToProvider.bind(undefined, { ...sending, guards }), path, hooks, guards);
    }
    const send = sendToProvider.bind(undefined, sending);
    const counting = asked.countPrompt(this.counting);
    return counting === undefined ? this.run(asked, send, path, hooks) : counting.then(() => this.run(asked, send, path, hooks));
  }

  private get exactCounts(): ExactCounting.ExactCounts {
    const { options, client } = this;
    return (this.exactCountsMade ??= new (exactCounting().ExactCounts)(
      () => this.access ?? this.providers(),
      options.exactCounts,
      client.now,
    ));
  }

  /** The provider's count if `exact` is set and it has one, otherwise the token counter's. */
  private async countPrompt(
    operation: CountedOperation,
    body: object,
    options: TokenCountContext & { readonly exact?: boolean },
  ): Promise<number> {
    const fields = checkObject('body', body, refuseArgument);
    checkBodyBounds(fields, this.bodyBounds);
    const count = options.exact === true ? await this.countAtProvider(operation, body, options) : undefined;
    return count !== undefined && 'tokens' in count ? count.tokens : countPromptTokens(fields, operation, this.tokenCounter);
  }

  /** Gets the token count of a prompt from the provider, and corrects the estimates with it. */
  private async countAtProvider(operation: CountedOperation, body: object, given: TokenCountContext): Promise<ProviderCount> {
    const { signal, request: incoming, routing, mayCall } = given;
    const options = { signal, request: incoming, routing, mayCall };
    const { requestLimits } = (this.path ??= this.newPath());
    const request = new ApiCallRequest({ body: body as ModelRequest, operation }, options, requestLimits);
    // Nothing that a hook can change or deny may leave the process before the hook has run.
    if (this.hooks?.of(operation).some((hook) => hook.has('onRequest')) === true) return this.exactCounts.countsLocally('hooks');
    const cancellation = new CallCancellation({ signal });
    try {
      const candidates = this.router.candidates(request.model, request.options.routing);
      const count = await cancellation.until(this.exactCounts.count({ operation, request, candidates }));
      if ('tokens' in count && count.source === 'provider' && !request.isLarge)
        this.learn(localBody(request.body, operation), count.tokens);
      return count;
    } finally {
      cancellation.dispose();
    }
  }

  private learn(body: Fields, promptTokens: number): void {
    try {
      this.tokenCounter.countRequest(body);
      this.tokenCounter.learnPrompt(body, promptTokens);
    } catch (error) {
      // The provider also counts fields that the token counter ignores.
      if (!(error instanceof InvalidArgumentError)) throw error;
    }
  }

  private async forward(
    operation: ForwardedOperation,
    path: ForwardedPath,
    body: ForwardedRequest | ForwardedForm,
    options: CallOptions = {},
  ): Promise<AnyAnswer> {
    const { fields, forwarded } = await forwarding().modelCall({ method: 'POST', path, answer: FORWARDED_PATHS[path] }, body);
    return this.ask(operation, fields, options, forwarded);
  }

  private async askAccount(operation: AccountOperation, request: AccountRequest, options: CallOptions = {}): Promise<AnyAnswer> {
    const { mayCall, request: incoming } = options;
    const { fields, forwarded } = await forwarding().accountCall(operation, request, {
      deploymentsOf: (group) => {
        const name = this.router.knownName(group);
        return this.router.deployments().filter((each) => each.isSelectable && (each.modelName === name || each.id === name));
      },
      mayCall,
      holdsMoney: incoming !== undefined && RequestContext.of(incoming).hold.holdsMoney,
    });
    // A request that creates a file or batch is not repeated.
    const retries = forwarded.method === 'POST' ? { numRetries: 0 } : undefined;
    // The group was checked before; the call names the deployment.
    return this.ask(operation, fields, { ...options, mayCall: undefined, disableFallbacks: true, ...retries }, forwarded);
  }

  private runCustom<R>(asked: CustomCallRequest, send: SendAttempt<R>, hooks: RunningCall | undefined): Promise<R> {
    const path = (this.path ??= this.newPath());
    return this.run(asked, send, path, hooks, hooks && { prepare: () => guarding().refuseUnread(hooks) });
  }

  private openRecords(): CallRecords {
    const { observers } = this.client.settlement;
    return new (recording().CallRecords)(observers, this.log, (hook) => this.addHook(hook, { order: Number.MAX_SAFE_INTEGER }));
  }

  private run<R>(asked: CallRequest, send: SendAttempt<R>, path: CallPath, hooks?: RunningCall, guards?: CallGuards): Promise<R> {
    const call = new Call(asked, path.client, guards);
    if (hooks !== undefined) {
      call.observed = hooks;
      call.id = hooks.view.id;
      // A listener for bodies has a hook.
      if (this.records?.bodies !== undefined) send = this.records.bodies.capturing(send);
    }
    const layers = guards === undefined ? path.layers : (path.guarded ??= composing().composeCall(path.client, { hasHooks: true }));
    return layers(new path.CallView(call, send)) as Promise<R>;
  }

  private newPath(): CallPath {
    const { router: service, options, access = this.providers() } = this;
    const router = service.view();
    const client = { ...this.client, router, options };
    const learnLimits = router.settings.learnLimits ? service.learnLimits.bind(service) : undefined;
    const { bounds, mockTesting, streamUsage, callerLimits } = options;
    return {
      CallView: attempts().CallView,
      client,
      requestLimits: { bounds, mockTesting, streamUsage, ofCaller: () => callerBounds(callerLimits, router.settings) },
      layers: composing().composeCall(client, { hasHooks: false }),
      guarded: undefined,
      sendToProvider: providerSending().sendToProvider,
      sending: { access, learnLimits },
    };
  }
}

/**
 * A request that selects guardrails must not run without them.
 * @throws CallDeniedError (400)
 */
function checkNoGuardrails(where: string, selected: unknown): void {
  const isSet = Array.isArray(selected) ? selected.length > 0 : selected !== undefined && selected !== null;
  if (isSet) throw new CallDeniedError(`${where}: no guardrails are configured.`, 'guardrail_not_found');
}

const QUEUE = { prefix: 'llm_client_queue', what: 'Calls', waitsFor: 'a deployment' };
const SILENT_LOG: LogSink = { log: () => {}, warn: () => {}, error: () => {} };

/* eslint-disable @typescript-eslint/no-require-imports -- each is loaded when it is first used */
const attempts = lazy(() => require('./attempt.js') as typeof Attempts);
const composing = lazy(() => require('./layers/compose.js') as typeof Composing);
const providerEndpoints = lazy(() => require('../providers/endpoint/endpoints.js') as typeof Endpoints);
const providerSending = lazy(() => require('./send/provider-send.js') as typeof Sending);
const queueing = lazy(() => require('../queue/call-queue.js') as typeof Queueing);
const exactCounting = lazy(() => require('./counting/exact-counts.js') as typeof ExactCounting);
const forwarding = lazy(() => require('./forwarded/forward-requests.js') as typeof Forwarding);
const guarding = lazy(() => require('./hooks/content-guards.js') as typeof Guarding);
const recording = lazy(() => require('./recording/call-records.js') as typeof Recording);
/* eslint-enable */

import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { defaultLog, type LogSink } from '../common/log-sink.js';
import { InvalidArgumentError } from '../common/errors.js';
import { checkInteger, checkNumber, checkObject, checkPositiveInteger, refuseArgument } from '../common/options.js';
import { measure } from '../common/recorder.js';
import type { SharedRedis } from '../common/redis/client.js';
import type { StateFile } from '../common/state-file.js';
import { type EngineChoice, engineHealth, faultOf } from '../engine/engine-choice.js';
import { checkedEncoding } from './engine/engine-provider.js';
import { selfTestOf } from './engine/self-test.js';
import { openEstimatesFile } from './estimates/estimates-file.js';
import type * as Sharing from './estimates/shared-estimates.js';
import { PromptCorrections } from './estimates/prompt-corrections.js';
import { TokenEstimates, type EstimateSummary } from './estimates/token-estimates.js';
import { countMessages, type ChatMessage } from './prompt/messages.js';
import { limitsOfRoute, type FindRoute } from './model-routes.js';
import type { CountingModel } from './counting-model.js';
import { ModelTable } from './model-table.js';
import type { PricedUsage, SourcedPrices, UsageDetails } from '../common/token-cost.js';
import type { ModelLimits, ModelPrice } from './pricing/pricing.js';
import { RequestCounter, type PromptEstimate } from './prompt/request-counter.js';
import type { LongTexts } from './prompt/prompt-context.js';
import type { RequestTokens } from './prompt/requests.js';
import {
  countSegments,
  countSegmentsUpTo,
  countSegmentsUpToAsync,
  encodeSegments,
  segmentsInTurns,
  segmentsOf,
  splitTexts,
  splitTextsInTurns,
} from './bpe/special-tokens.js';
import {
  checkLimit,
  checkTexts,
  checkTokenIds,
  optionsOf,
  planCount,
  textError,
  type CountMessagesOptions,
  type CountOptions,
  type CountPlan,
  type LimitPlan,
  type TrimMessagesOptions,
} from './arguments.js';
import type { TokenCounterEngine } from './engine/engine.js';
import type { ResolvedTokenCounterOptions } from './token-counter.options.js';
import { trimToFit } from './prompt/trim.js';
import { TokenizerLibrary } from './tokenizers/tokenizer-library.js';
import type { ResolvedTokenizer } from './tokenizers/tokenizer-sources.js';
import { truncateSegments } from './truncate.js';
import type { EngineSeries } from '../engine/engine-recorder.js';

/** How the prompts of a model are counted. */
/** How the prompts of a model are counted. */
export interface ModelCount extends Partial<EstimateSummary> {
  /** As requests name it. */
  readonly model: string;
  /** The encoding or tokenizer that counts. */
  readonly encoding: string;
  readonly isExact: boolean;
  readonly answers: number;
  /** The model of its deployments, where it is a model group. */
  readonly countedAs?: string;
  /** Setting that would make the count exact. */
  readonly exactWith?: string;
}

const DEFAULT_TRIM_RATIO = 0.75;
const MIN_TRIM_RATIO = 0.001;
const NO_DETAILS: UsageDetails = {};

/**
 * Counts, encodes and truncates texts and chats, and estimates their cost.
 *
 * Every method throws `InvalidArgumentError` for an invalid argument; `TEXT_TOO_LONG` for a text
 * above `tokenCounter.maxTextLength`.
 *
 * @example
 * counter.countTokens('Hello world', 'gpt-4o'); // 2
 * counter.countMessages([{ role: 'user', content: 'Hello, how are you?' }], { model:
 * 'gpt-3.5-turbo' }); // 13
 */
export class TokenCounterService implements Capability {
  readonly capability = 'token_counting';
  private readonly models: ModelTable;
  private readonly tokenizers: TokenizerLibrary;
  /** Families whose counts were reported as estimates. */
  private readonly estimated = new Set<string>();
  private readonly mixedGroups = new Set<string>();
  private readonly groupLimits = new WeakMap<CountingModel, ModelLimits>();
  private readonly counts: EngineSeries;
  private readonly maxTextLength: number;
  private readonly requests: RequestCounter;
  private readonly corrections: PromptCorrections | undefined;
  private readonly estimatesFile: StateFile | undefined;
  private sharedEstimates: Sharing.SharedEstimates | undefined = undefined;
  private calls = 0;
  private tokens = 0;
  /** Adds to the metrics; a field, so that others can call it. */
  private readonly counted = (tokens: number): number => {
    this.calls++;
    this.tokens += tokens;
    return tokens;
  };

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<TokenCounterEngine>,
    private readonly options: ResolvedTokenCounterOptions,
    /** For batches, which have a feature flag of their own. */
    private readonly batchChoice: EngineChoice<TokenCounterEngine> = choice,
    private readonly logger: LogSink = defaultLog(),
  ) {
    this.counts = choice.series('count');
    this.tokenizers = new TokenizerLibrary({
      cacheFolder: options.tokenizerCache,
      isNative: () => this.choice.activeEngine === this.choice.native,
      logger,
      prepare: (tokenizer, file) => this.choice.activeEngine.prepare(tokenizer, file),
      loaded: () => this.models.clear(),
    });
    this.models = new ModelTable({
      defaultModel: options.defaultModel,
      tokenizers: this.tokenizers,
      opened: (model, group) => this.reportEstimate(model, group),
    });
    this.maxTextLength = options.maxTextLength;
    const { models, maxTextLength } = this;
    if (options.estimates !== false) {
      this.corrections = new PromptCorrections(new TokenEstimates());
      const { file } = options.estimates;
      const option = 'tokenCounter.estimates.file';
      if (file !== undefined) this.estimatesFile = openEstimatesFile(this.corrections.estimates, file, { option, log: logger });
    }
    const { corrections, counted } = this;
    this.requests = new RequestCounter({ models, choice, batchChoice, maxTextLength, corrections, counted });
    for (const source of options.tokenizers) this.tokenizers.add(source);
    for (const encoding of options.preload) this.choice.run('load', undefined, (engine) => engine.load(encoding));
  }

  /**
   * Resolves when all `tokenCounter.tokenizers` are loaded; until then their models are estimated.
   * The Nest module waits for it at boot.
   * @throws InvalidConfigurationError naming the tokenizer that cannot be used, and why.
   */
  ready(): Promise<void> {
    return this.tokenizers.ready();
  }

  /** Loads the tokenizer of a deployment. @internal */
  addTokenizer(source: ResolvedTokenizer): void {
    this.tokenizers.add(source);
  }

  /**
   * Counts prompts for the names in `route` by the models of their deployments, and also texts for
   * names that are not models.
   * @internal
   */
  useRoutes(route: FindRoute): void {
    this.models.useRoutes(route);
  }

  /** Called when the deployments of the routes have changed. @internal */
  routesChanged(): void {
    this.models.clear();
  }

  /** Counts the tokens of a text. Lone surrogates count as U+FFFD. */
  countTokens(text: string, options?: string | CountOptions | null): number {
    if (typeof text !== 'string' || text.length > this.maxTextLength) throw textError('text', text, this.maxTextLength);
    if (typeof options === 'object' && options !== null) return this.countPlanned(text, planCount(options, this.models));
    const model = this.models.get(options);
    const engine = this.choice.always;
    if (engine === null || this.counts[engine.engine].sampled()) return this.counted(this.countMeasured(engine, text, model));
    let count: number;
    try {
      count = engine.count(text, model.handle(engine));
    } catch (error) {
      count = this.recoverCount(error, engine, text, model);
    }
    this.calls++;
    this.tokens += count;
    return count;
  }

  /** Counts each text, on all cores with the native engine; blocks the calling thread. */
  countTokensBatch(texts: readonly string[], options?: string | CountOptions | null): number[] {
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    checkTexts(texts, this.maxTextLength);
    const split = splitTexts(texts, model.encoding, allowedSpecial);
    const count = (engine: TokenCounterEngine): Uint32Array => engine.countBatch(split.texts, model.handle(engine, allowedSpecial));
    return this.countedAll(split.total(this.batchChoice.run('count_batch', requestId, count)));
  }

  /** Like `countTokensBatch`, without blocking the event loop. Copies the array. */
  async countTokensBatchAsync(texts: readonly string[], options?: string | CountOptions | null): Promise<number[]> {
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    checkTexts(texts, this.maxTextLength);
    const split = await splitTextsInTurns([...texts], model.encoding, allowedSpecial);
    const count = async (engine: TokenCounterEngine): Promise<Uint32Array> =>
      engine.countBatchAsync(split.texts, model.handle(engine, allowedSpecial));
    return this.countedAll(split.total(await this.batchChoice.runAsync('count_batch', requestId, count)));
  }

  /**
   * Counts the prompt tokens of a chat: 3 for each message, 1 for each name, 3 to prime the reply,
   * all texts, tools by LiteLLM's rule, images by their provider's rule.
   * @throws InvalidArgumentError naming the field (`messages[2].content[1].type`).
   */
  countMessages(messages: readonly ChatMessage[], options: CountMessagesOptions | string | null = {}): number {
    const { model, tools, toolChoice, template, requestId } = optionsOf<CountMessagesOptions>(options);
    const found = this.models.ofPrompts.get(model);
    return this.counted(
      this.choice.run('count_messages', requestId, (engine) => {
        const context = this.requests.context(found, engine);
        return this.requests.expected(countMessages(messages, context, { tools, toolChoice, template }), found, context);
      }),
    );
  }

  /** Counts the prompt tokens of a request body: chat, Responses, embeddings or completions. */
  countRequest(body: object, options?: { readonly requestId?: string } | null): RequestTokens {
    return this.requests.count(body, options?.requestId);
  }

  /**
   * Like `countRequest`, without blocking the event loop. Do not change the body in the meantime.
   */
  countRequestAsync(body: object, options?: { readonly requestId?: string } | null): Promise<RequestTokens> {
    return this.requests.countAsync(body, options?.requestId);
  }

  /**
   * Counts a prompt for a limit; text without a counting rule is estimated at 0.25 tokens per byte.
   */
  estimatePrompt(body: Readonly<Record<string, unknown>>): number {
    return this.requests.estimate(body);
  }

  /** Like `estimatePrompt`, without blocking the event loop. Stops above `limit` tokens. */
  estimatePromptAsync(body: Readonly<Record<string, unknown>>, limit: number): Promise<PromptEstimate> {
    return this.requests.estimateAsync(body, limit);
  }

  /**
   * Like `estimatePrompt` for a body whose long texts are bytes; `undefined` if the parsed body is
   * needed.
   * @internal
   */
  estimateLongPrompt(body: Readonly<Record<string, unknown>>, texts: LongTexts): number | undefined {
    return this.requests.estimateLong(body, texts);
  }

  /** The same without blocking the event loop. Stops above `limit` tokens. @internal */
  estimateLongPromptAsync(body: Readonly<Record<string, unknown>>, texts: LongTexts, limit: number): Promise<PromptEstimate | undefined> {
    return this.requests.estimateLongAsync(body, texts, limit);
  }

  /**
   * Corrects the estimates for a model without a public tokenizer, with the prompt tokens that a
   * provider has reported for this body, which must be the same object that was counted.
   * `LlmClient` and `reportUsage` do this for their calls.
   */
  reportPromptTokens(body: object, promptTokens: number): void {
    checkObject('body', body, refuseArgument);
    this.corrections?.learn(body, checkInteger('promptTokens', promptTokens, { min: 0 }, refuseArgument));
  }

  /** The same for an unchecked figure. @internal */
  learnPrompt(body: object, promptTokens: number): void {
    if (this.corrections?.hasMeasured === true) this.corrections.learn(body, promptTokens);
  }

  /**
   * Returns the counted models, those with the most answers first, for the dashboard.
   * @internal
   */
  modelCounts(most: number): ModelCount[] {
    const counts = this.models.named().map(([asked, model]): ModelCount => {
      const { name, encodingName: encoding, exactWith, facts } = model;
      const summary = model.isCorrected ? this.corrections?.estimates.summaryOf(name) : undefined;
      return {
        model: asked,
        encoding,
        isExact: !facts.approximate,
        answers: 0,
        ...summary,
        ...(name !== asked && { countedAs: name }),
        ...(exactWith !== undefined && { exactWith }),
      };
    });
    return counts.sort((a, b) => b.answers - a.answers).slice(0, most);
  }

  /**
   * Shares corrections with other processes over a connection that stays open until `close`.
   * @internal
   */
  shareEstimates(redis: SharedRedis): void {
    if (this.corrections === undefined) return;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only apps with Redis load it
    const { SharedEstimates } = require('./estimates/shared-estimates.js') as typeof Sharing;
    this.sharedEstimates = new SharedEstimates(this.corrections.estimates, redis);
  }

  /** Saves the corrections to `tokenCounter.estimates.file` and for other processes. */
  async close(): Promise<void> {
    await Promise.all([this.estimatesFile?.close(), this.sharedEstimates?.close()]);
  }

  /** Encodes a text to token ids. */
  encode(text: string, options?: string | CountOptions | null): Uint32Array {
    this.checkText(text);
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    const segments = segmentsOf(text, model.encoding, allowedSpecial);
    const encode = (engine: TokenCounterEngine): Uint32Array =>
      encodeSegments(segments, (part) => engine.encode(part, model.handle(engine, allowedSpecial)));
    return this.choice.run('encode', requestId, encode, text.length);
  }

  /** Decodes token ids, special tokens included. Invalid UTF-8 becomes U+FFFD. */
  decode(ids: readonly number[] | Uint32Array, options?: string | CountOptions | null): string {
    const { model, requestId } = planCount(options, this.models);
    const checked = checkTokenIds(ids);
    const bytes = this.choice.run('decode', requestId, (engine) => engine.decode(checked, model.handle(engine)));
    // Not a TextDecoder: it drops a byte order mark.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }

  /**
   * Returns the token count if it is at most `limit`, otherwise `false`. Stops soon after the
   * limit.
   */
  isWithinTokenLimit(text: string, limit: number, options?: string | CountOptions | null): number | false {
    const { most, model, allowedSpecial, requestId } = this.planLimit('limit', text, limit, options);
    const segments = segmentsOf(text, model.encoding, allowedSpecial);
    const countUpTo = (engine: TokenCounterEngine): number =>
      countSegmentsUpTo(segments, most, (part, left) => engine.countUpTo(part, model.handle(engine, allowedSpecial), left));
    const count = this.choice.run('count_up_to', requestId, countUpTo, text.length);
    return count <= most ? count : false;
  }

  /**
   * Like `isWithinTokenLimit`, without blocking the event loop: on a thread of the addon, or in
   * short steps with the TypeScript engine. Use it for texts above some tens of KB; for shorter
   * ones, passing the text to the thread costs more than counting.
   */
  async isWithinTokenLimitAsync(text: string, limit: number, options?: string | CountOptions | null): Promise<number | false> {
    const { most, model, allowedSpecial, requestId } = this.planLimit('limit', text, limit, options);
    const segments = await segmentsInTurns(text, model.encoding, allowedSpecial);
    const countUpTo = (engine: TokenCounterEngine): Promise<number> =>
      countSegmentsUpToAsync(segments, most, {
        now: (part, left) => engine.countUpTo(part, model.handle(engine, allowedSpecial), left),
        inTurns: (part, left) => engine.countUpToAsync(part, model.handle(engine, allowedSpecial), left),
      });
    const count = await this.choice.runAsync('count_up_to', requestId, countUpTo, text.length);
    return count <= most ? count : false;
  }

  /**
   * Returns the longest prefix of `text`, cut between tokens, that has at most `maxTokens` tokens.
   */
  truncate(text: string, maxTokens: number, options?: string | CountOptions | null): string {
    const { most, model, allowedSpecial, requestId } = this.planLimit('maxTokens', text, maxTokens, options);
    const segments = segmentsOf(text, model.encoding, allowedSpecial);
    const truncate = (engine: TokenCounterEngine): string => truncateSegments({ text, segments, allowedSpecial }, most, engine, model);
    return this.choice.run('truncate', requestId, truncate, text.length);
  }

  /**
   * Trims messages to `maxTokens`: keeps the system message, trailing tool messages and the newest
   * of the others. Returns a new array; the given messages are not changed. Without `maxTokens`,
   * the limit is a share of the model's context window; with an unknown window all messages are
   * kept.
   */
  trimMessages<M extends ChatMessage>(messages: readonly M[], options: TrimMessagesOptions | string | null = {}): M[] {
    if (!Array.isArray(messages)) throw new InvalidArgumentError('messages', messages, 'must be an array of messages');
    const { model: name, maxTokens, trimRatio, requestId } = optionsOf<TrimMessagesOptions>(options);
    const model = this.models.ofPrompts.get(name);
    const most = maxTokens === undefined ? this.inputShare(name, trimRatio) : checkPositiveInteger('maxTokens', maxTokens, refuseArgument);
    if (most === null) return [...(messages as readonly M[])];
    return this.choice.run('trim_messages', requestId, (engine) => trimToFit<M>(messages, most, this.requests.context(model, engine)));
  }

  /**
   * Estimates the cost in USD; `null` if no price is known. `inputTokens` include cached tokens
   * (Anthropic's own figure does not: add them). Pass tokens with their own prices in
   * `usageDetails`.
   */
  estimateCost(inputTokens: number, outputTokens: number, model?: string | null, usageDetails?: UsageDetails | null): number | null {
    return this.estimateCostParts(inputTokens, outputTokens, model, usageDetails)?.usd ?? null;
  }

  /** Estimates the cost by part, with the source of the prices. */
  estimateCostParts(
    inputTokens: number,
    outputTokens: number,
    model?: string | null,
    usageDetails?: UsageDetails | null,
  ): PricedUsage | null {
    const details = checkObject('usageDetails', usageDetails ?? NO_DETAILS, refuseArgument);
    return this.options.pricing.priced(inputTokens, outputTokens, this.nameOf(model), details);
  }

  /** Returns the prices of a model, to be looked up once per request. @internal */
  pricesOf(model?: string): readonly SourcedPrices[] {
    return this.options.pricing.pricesOf(model ?? this.options.defaultModel);
  }

  /**
   * Returns the prices of a model in USD per million tokens, and their source; `null` if none is
   * known.
   */
  getModelPrice(model?: string | null): ModelPrice | null {
    return this.options.pricing.priceOf(this.nameOf(model));
  }

  /**
   * Returns the limits of a model, `null` if unknown, and their sources. Output limits come only
   * from `tokenCounter.pricing`. A model group that is not also the name of a model has the
   * smallest limits of its deployments.
   */
  getModelLimits(model?: string | null): ModelLimits {
    const name = this.nameOf(model);
    const own = this.limitsOf(name);
    if (own.contextWindow !== null || own.maxOutputTokens !== null) return own;
    // Forgotten with the model, when deployments change.
    const counted = this.models.ofPrompts.get(name);
    let limits = this.groupLimits.get(counted);
    if (limits === undefined) {
      const route = this.models.routeOf(name);
      limits = route === undefined ? own : limitsOfRoute(route, (each) => this.limitsOf(each));
      this.groupLimits.set(counted, limits);
    }
    return limits;
  }

  /** The same for the model of a deployment, whose name is not a model group's. @internal */
  limitsOf(model: string): ModelLimits {
    return this.options.pricing.limits(model);
  }

  /** Returns whether the text fits the model's input limit; `true` if the limit is unknown. */
  validateInput(text: string, model?: string | null): boolean {
    this.checkText(text);
    const { contextWindow } = this.getModelLimits(model);
    return contextWindow === null || this.isWithinTokenLimit(text, contextWindow, model) !== false;
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    return [
      { name: 'token_counting_calls_total', help: 'Texts, chats and requests counted.', type: 'counter', value: this.calls },
      { name: 'token_counting_tokens_total', help: 'Tokens counted.', type: 'counter', value: this.tokens },
      ...(this.corrections?.estimates.metrics() ?? []),
      ...(this.sharedEstimates?.metrics() ?? []),
    ];
  }

  /**
   * Runs the self-test of the active engine. `degraded`: the native engine is off after errors, or
   * fails while TypeScript passes.
   */
  health(): CapabilityHealth {
    const { encodingName: encoding } = this.models.get(undefined);
    const selfTest = selfTestOf(checkedEncoding(this.options));
    const health = engineHealth(this.choice, selfTest);
    const isAnswered = health.engine === 'native' && health.status === 'down' && faultOf(selfTest, this.choice.typescript) === undefined;
    const unwritten = this.estimatesFile?.failure;
    if (unwritten !== undefined && health.status === 'ok')
      return { ...health, status: 'degraded', reason: `cannot write tokenCounter.estimates.file (${unwritten})`, encoding };
    return { ...health, status: isAnswered ? 'degraded' : health.status, encoding };
  }

  /** Once for each family, and for each model group with different tokenizers. */
  private reportEstimate({ name, facts: { family }, exactWith }: CountingModel, group: string | undefined): void {
    if (group !== undefined) {
      if (this.mixedGroups.has(group)) return;
      this.mixedGroups.add(group);
      this.logger.log(
        `Token counter: counts for the model group ${group} are estimated with the tokenizer of ${name} (its deployments use different tokenizers)`,
      );
      return;
    }
    if (family === undefined || exactWith === undefined || this.estimated.has(family.name)) return;
    this.estimated.add(family.name);
    this.logger.log(`Token counter: counts for ${name} are estimates (no tokenizer for ${family.name}); set ${exactWith}`);
  }

  private countPlanned(text: string, { model, allowedSpecial, requestId }: CountPlan): number {
    const segments = segmentsOf(text, model.encoding, allowedSpecial);
    const count = (engine: TokenCounterEngine): number =>
      countSegments(segments, (part) => engine.count(part, model.handle(engine, allowedSpecial)));
    return this.counted(this.choice.run('count', requestId, count, text.length));
  }

  /** `engine` is `null` when the rollout decides by request. */
  private countMeasured(engine: TokenCounterEngine | null, text: string, model: CountingModel): number {
    const count = (either: TokenCounterEngine): number => either.count(text, model.handle(either));
    if (engine === null) return this.choice.run('count', undefined, count, text.length);
    const attempt = (): number => {
      try {
        return count(engine);
      } catch (error) {
        return this.choice.recover(error, engine, count);
      }
    };
    return measure(this.counts[engine.engine], attempt, text.length, Number);
  }

  private recoverCount(error: unknown, engine: TokenCounterEngine, text: string, model: CountingModel): number {
    return this.choice.recover(error, engine, (other) => other.count(text, model.handle(other)));
  }

  private checkText(text: unknown): void {
    if (typeof text !== 'string' || text.length > this.maxTextLength) throw textError('text', text, this.maxTextLength);
  }

  private planLimit(path: string, text: string, limit: number, options: string | CountOptions | null | undefined): LimitPlan {
    this.checkText(text);
    const most = checkLimit(path, limit);
    return { most, ...planCount(options, this.models) };
  }

  private nameOf(model: string | null | undefined): string {
    const name: unknown = model ?? this.options.defaultModel;
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    return name;
  }

  private inputShare(model: string | null | undefined, trimRatio: number = DEFAULT_TRIM_RATIO): number | null {
    const ratio = checkNumber('trimRatio', trimRatio, { min: MIN_TRIM_RATIO, max: 1 }, refuseArgument);
    const { contextWindow } = this.getModelLimits(model);
    return contextWindow === null ? null : Math.floor(contextWindow * ratio);
  }

  private countedAll(counts: Uint32Array): number[] {
    this.calls += counts.length;
    for (const count of counts) this.tokens += count;
    return [...counts];
  }
}

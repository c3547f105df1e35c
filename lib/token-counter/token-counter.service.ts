import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { InvalidArgumentError } from '../common/errors.js';
import { checkNumber, checkObject, checkPositiveInteger, refuseArgument } from '../common/options.js';
import { measure, type CallRecorder } from '../common/recorder.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import { EngineCalls } from '../engine/engine-calls.js';
import type { EngineSeries } from '../engine/engine-series.js';
import type { CountingModel } from './counting-model.js';
import { faultOf } from './engine/self-test.js';
import { countMessages, type ChatMessage } from './prompt/messages.js';
import { ModelTable } from './model-table.js';
import type { UsageDetails } from '../common/token-cost.js';
import type { ModelLimits } from './pricing/pricing.js';
import { RequestCounter, type PromptEstimate } from './prompt/request-counter.js';
import type { RequestTokens } from './prompt/requests.js';
import {
  countSegments,
  countSegmentsUpTo,
  countSegmentsUpToAsync,
  averageLength,
  encodeSegments,
  segmentsOf,
  splitTexts,
} from './bpe/special-text.js';
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
import { truncateSegments } from './truncate.js';

const DEFAULT_TRIM_RATIO = 0.75;
const MIN_TRIM_RATIO = 0.001;
const NO_DETAILS: UsageDetails = {};

/**
 * Counts, encodes and cuts texts and chats, and says what they cost.
 * Every method throws `InvalidArgumentError` on an argument that can never work; `TEXT_TOO_LONG` for a text above `tokenCounter.maxTextLength`.
 *
 * @example
 * counter.countTokens('Hello world', 'gpt-4o'); // 2
 * counter.countMessages([{ role: 'user', content: 'Hello, how are you?' }], { model: 'gpt-3.5-turbo' }); // 13
 */
export class TokenCounterService implements Capability {
  readonly capability = 'token_counting';
  private readonly models: ModelTable;
  private readonly engines: EngineCalls<TokenCounterEngine>;
  private readonly counts: EngineSeries;
  private readonly maxTextLength: number;
  private readonly requests: RequestCounter;
  private calls = 0;
  private tokens = 0;

  /** @internal Made by `FastLiteLLM`. */
  constructor(
    private readonly choice: EngineChoice<TokenCounterEngine>,
    private readonly options: ResolvedTokenCounterOptions,
    /** For batches, where they have a flag of their own. */
    private readonly batchChoice: EngineChoice<TokenCounterEngine> = choice,
    recorder?: CallRecorder,
  ) {
    this.engines = new EngineCalls(choice, this.capability, recorder);
    this.counts = this.engines.series('count');
    this.models = new ModelTable(options.defaultModel);
    this.maxTextLength = options.maxTextLength;
    const { models, engines, maxTextLength } = this;
    this.requests = new RequestCounter({ models, engines, batchChoice, maxTextLength, counted: (tokens) => this.counted(tokens) });
    for (const encoding of options.preload) this.engines.run('load', undefined, (engine) => engine.load(encoding));
  }

  /** Tokens of a text. Lone surrogates count as U+FFFD. */
  countTokens(text: string, options?: string | CountOptions | null): number {
    if (typeof text !== 'string' || text.length > this.maxTextLength) throw textError('text', text, this.maxTextLength);
    if (typeof options === 'object' && options !== null) return this.countPlanned(text, planCount(options, this.models));
    const model = this.models.get(options);
    const engine = this.choice.alwaysFor(text.length);
    if (engine === null || this.counts.of(engine).sampled()) return this.counted(this.countMeasured(engine, text, model));
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

  /** Tokens of each text, on all cores where the engine can; the thread waits. */
  countTokensBatch(texts: readonly string[], options?: string | CountOptions | null): number[] {
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    checkTexts(texts, this.maxTextLength);
    const split = splitTexts(texts, model.facts.encoding, allowedSpecial);
    const count = (engine: TokenCounterEngine): Uint32Array => engine.countBatch(split.texts, model.handle(engine));
    return this.countedAll(split.total(this.batchChoice.run('count_batch', requestId, count, averageLength(split.texts))));
  }

  /** The same without holding up the event loop. The texts are those of the moment of the call. */
  async countTokensBatchAsync(texts: readonly string[], options?: string | CountOptions | null): Promise<number[]> {
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    checkTexts(texts, this.maxTextLength);
    const split = splitTexts([...texts], model.facts.encoding, allowedSpecial);
    const count = async (engine: TokenCounterEngine): Promise<Uint32Array> => engine.countBatchAsync(split.texts, model.handle(engine));
    return this.countedAll(split.total(await this.batchChoice.runAsync('count_batch', requestId, count, averageLength(split.texts))));
  }

  /**
   * Prompt tokens of a chat: 3 per message, 1 per name, 3 to prime the reply, all texts, tools by OpenAI's cookbook rule, images by their provider's.
   * @throws InvalidArgumentError naming the place (`messages[2].content[1].type`).
   */
  countMessages(messages: readonly ChatMessage[], options: CountMessagesOptions | string | null = {}): number {
    const { model, tools, toolChoice, requestId } = optionsOf<CountMessagesOptions>(options);
    const found = this.models.get(model);
    return this.counted(
      this.engines.run('count_messages', requestId, (engine) =>
        countMessages(messages, tools, toolChoice, this.requests.context(found, engine)),
      ),
    );
  }

  /** Prompt tokens of a whole OpenAI-style request body: chat, Responses, embeddings or completions. */
  countRequest(body: object, options?: { readonly requestId?: string } | null): RequestTokens {
    return this.requests.count(body, options?.requestId);
  }

  /** The same without holding up the event loop, for bodies of any length. The body must not change until then. */
  countRequestAsync(body: object, options?: { readonly requestId?: string } | null): Promise<RequestTokens> {
    return this.requests.countAsync(body, options?.requestId);
  }

  /** Prompt tokens for a limit: text that `countRequest` refuses or passes over counts a quarter of a token a byte at least. */
  estimatePrompt(body: Readonly<Record<string, unknown>>): number {
    return this.requests.estimate(body);
  }

  /** The same without holding up the event loop; counting stops above `limit`. */
  estimatePromptAsync(body: Readonly<Record<string, unknown>>, limit: number): Promise<PromptEstimate> {
    return this.requests.estimateAsync(body, limit);
  }

  /** The token ids of a text. */
  encode(text: string, options?: string | CountOptions | null): Uint32Array {
    this.checkText(text);
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    const segments = segmentsOf(text, model.facts.encoding, allowedSpecial);
    const encode = (engine: TokenCounterEngine): Uint32Array =>
      encodeSegments(segments, (part) => engine.encode(part, model.handle(engine)));
    return this.engines.run('encode', requestId, encode, text.length);
  }

  /** The text of token ids, special tokens included; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[] | Uint32Array, options?: string | CountOptions | null): string {
    const { model, requestId } = planCount(options, this.models);
    const checked = checkTokenIds(ids);
    const bytes = this.engines.run('decode', requestId, (engine) => engine.decode(checked, model.handle(engine)));
    // Not a TextDecoder: it would swallow a byte order mark.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }

  /** The number of tokens if it is not above `limit`, otherwise `false`; stops counting soon after the limit is passed. */
  isWithinTokenLimit(text: string, limit: number, options?: string | CountOptions | null): number | false {
    const { most, model, segments, requestId } = this.planLimit('limit', text, limit, options);
    const countUpTo = (engine: TokenCounterEngine): number =>
      countSegmentsUpTo(segments, most, (part, left) => engine.countUpTo(part, model.handle(engine), left));
    const count = this.engines.run('count_up_to', requestId, countUpTo, text.length);
    return count <= most ? count : false;
  }

  /**
   * The same without holding up the event loop, whatever the text: on a thread of the addon, in TypeScript in short turns. For texts of more
   * than some tens of KB; with shorter ones handing over takes longer than counting.
   */
  async isWithinTokenLimitAsync(text: string, limit: number, options?: string | CountOptions | null): Promise<number | false> {
    const { most, model, segments, requestId } = this.planLimit('limit', text, limit, options);
    const countUpTo = (engine: TokenCounterEngine): Promise<number> =>
      countSegmentsUpToAsync(segments, most, (part, left) => engine.countUpToAsync(part, model.handle(engine), left));
    const count = await this.choice.runAsync('count_up_to', requestId, countUpTo, text.length);
    return count <= most ? count : false;
  }

  /** The start of `text`, cut at a token, that has at most `maxTokens` tokens. */
  truncate(text: string, maxTokens: number, options?: string | CountOptions | null): string {
    const { most, model, segments, requestId } = this.planLimit('maxTokens', text, maxTokens, options);
    const truncate = (engine: TokenCounterEngine): string => truncateSegments(text, segments, most, engine, model.handle(engine));
    return this.engines.run('truncate', requestId, truncate, text.length);
  }

  /**
   * The messages, cut down to `maxTokens`: the system message and trailing tool messages stay, the newest of the others are kept. A new
   * array; the given one and its messages are not changed. All of them without `maxTokens` and with a model whose limit is not known.
   */
  trimMessages<M extends ChatMessage>(messages: readonly M[], options: TrimMessagesOptions | string | null = {}): M[] {
    if (!Array.isArray(messages)) throw new InvalidArgumentError('messages', messages, 'must be an array of messages');
    const { model: name, maxTokens, trimRatio, requestId } = optionsOf<TrimMessagesOptions>(options);
    const model = this.models.get(name);
    const most = maxTokens === undefined ? this.inputShare(name, trimRatio) : checkPositiveInteger('maxTokens', maxTokens, refuseArgument);
    if (most === null) return [...(messages as readonly M[])];
    return this.engines.run('trim_messages', requestId, (engine) => trimToFit<M>(messages, most, this.requests.context(model, engine)));
  }

  /**
   * USD, or `null` where no price is known. `inputTokens` include cached ones (Anthropic's own figure does not: add them). Tokens with
   * prices of their own go into `usageDetails`. Floating point: compare with a tolerance.
   */
  estimateCost(inputTokens: number, outputTokens: number, model?: string | null, usageDetails?: UsageDetails | null): number | null {
    const details = checkObject('usageDetails', usageDetails ?? NO_DETAILS, refuseArgument);
    return this.options.pricing.estimateCost(inputTokens, outputTokens, this.nameOf(model), details);
  }

  /** What a model takes and gives at most; `null` where no source knows it. Output limits come from `tokenCounter.pricing` alone. */
  getModelLimits(model?: string | null): ModelLimits {
    return this.options.pricing.limits(this.nameOf(model));
  }

  /** Whether the text fits the model's input limit. A limit that is not known refuses nothing. */
  validateInput(text: string, model?: string | null): boolean {
    this.checkText(text);
    const { contextWindow } = this.getModelLimits(model);
    return contextWindow === null || this.isWithinTokenLimit(text, contextWindow, model) !== false;
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    return [
      { name: 'token_counting_calls_total', help: 'Texts, chats and requests counted.', type: 'counter', value: this.calls },
      { name: 'token_counting_tokens_total', help: 'Tokens counted.', type: 'counter', value: this.tokens },
    ];
  }

  /** Asks the engine in charge for a count that is known. `degraded`: native errors keep native off, or native is wrong and TypeScript right. */
  health(): CapabilityHealth {
    const { active: engine, reason, native, typescript } = this.choice;
    const { encoding } = this.models.get(undefined).facts;
    const fault = faultOf(engine === 'native' && native !== null ? native : typescript, encoding);
    if (fault === undefined) return { status: this.choice.impaired ? 'degraded' : 'ok', engine, reason, encoding };
    const isDegraded = engine === 'native' && faultOf(typescript, encoding) === undefined;
    return { status: isDegraded ? 'degraded' : 'down', engine, reason: `the ${engine} engine ${fault}`, encoding };
  }

  private countPlanned(text: string, { model, allowedSpecial, requestId }: CountPlan): number {
    const segments = segmentsOf(text, model.facts.encoding, allowedSpecial);
    const count = (engine: TokenCounterEngine): number => countSegments(segments, (part) => engine.count(part, model.handle(engine)));
    return this.counted(this.engines.run('count', requestId, count, text.length));
  }

  /** `engine`: `null` where it depends on the request. */
  private countMeasured(engine: TokenCounterEngine | null, text: string, model: CountingModel): number {
    const count = (either: TokenCounterEngine): number => either.count(text, model.handle(either));
    if (engine === null) return this.choice.run('count', undefined, count, text.length);
    return measure(this.counts.of(engine), () => this.engines.attempt(engine, count), text.length, Number);
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
    const { model, allowedSpecial, requestId } = planCount(options, this.models);
    return { most, model, segments: segmentsOf(text, model.facts.encoding, allowedSpecial), requestId };
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

  private counted(tokens: number): number {
    this.calls++;
    this.tokens += tokens;
    return tokens;
  }

  private countedAll(counts: Uint32Array): number[] {
    this.calls += counts.length;
    for (const count of counts) this.tokens += count;
    return [...counts];
  }
}

import { InvalidArgumentError } from '../../common/errors.js';
import { checkObject, refuseArgument } from '../../common/options.js';
import type { EngineChoice } from '../../engine/engine-choice.js';
import type { CountingModel } from '../counting-model.js';
import type { ModelTable } from '../model-table.js';
import { ContentSample } from '../estimates/content-class.js';
import type { PromptCorrections } from '../estimates/prompt-corrections.js';
import { countSegments, segmentsOf } from '../bpe/special-tokens.js';
import { ChatTemplate } from './chat-template.js';
import { CollectedTexts } from './collected-texts.js';
import { TOKENS_PER_BYTE, type LongTexts, type PromptContext } from './prompt-context.js';
import { PromptReads } from './prompt-reads.js';
import { countRequestBody, countRequestBodyInTurns, type RequestTokens } from './requests.js';
import { textSteps } from '../text-steps.js';
import { textError } from '../arguments.js';
import type { SliceCounts, TokenCounterEngine } from '../engine/engine.js';

type Body = Readonly<Record<string, unknown>>;

/** As engines take limits: no text has more tokens. */
const LARGEST_LIMIT = 0xffffffff;
/** Counted once per model, because each message has one. */
const ROLES: ReadonlySet<string> = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function', 'model']);
const LONGEST_ROLE = 9;

/** Estimated tokens of a prompt. */
export interface PromptEstimate {
  /** Tokens counted. */
  readonly counted: number;
  /** `counted` plus at least a quarter token for each byte of text that was not counted. */
  readonly tokens: number;
}

interface CountedTexts {
  readonly counted: number;
  /** UTF-16 code units of texts that are not counted. */
  readonly unitsLeft: number;
  readonly isExact: boolean;
}

/** The parts of the service that counting a request needs. */
export interface RequestCounterContext {
  readonly models: ModelTable;
  readonly choice: EngineChoice<TokenCounterEngine>;
  readonly batchChoice: EngineChoice<TokenCounterEngine>;
  readonly maxTextLength: number;
  /** `undefined`: counts are not corrected. */
  readonly corrections: PromptCorrections | undefined;
  /** Adds the tokens of a count to the metrics; returns them. */
  readonly counted: (tokens: number) => number;
}

/** Counts the prompts of request bodies: at once, or off the main thread for large ones. */
export class RequestCounter {
  constructor(private readonly shared: RequestCounterContext) {}

  count(body: object, requestId: string | undefined): RequestTokens {
    const request = checkObject('body', body, refuseArgument);
    const model = this.shared.models.ofPrompts.get(request.model as string | undefined);
    const answer = this.shared.choice.run('count_request', requestId, (engine): RequestTokens => {
      const context = this.context(model, engine);
      return this.answer(countRequestBody(request, context), model, context, body);
    });
    this.shared.counted(answer.promptTokens);
    return answer;
  }

  async countAsync(body: object, requestId: string | undefined): Promise<RequestTokens> {
    const request = checkObject('body', body, refuseArgument);
    const model = this.shared.models.ofPrompts.get(request.model as string | undefined);
    const { context, texts, tokens } = await this.collect(request, model, undefined);
    const { counted, isExact } = await this.countTexts(texts, model, Infinity, requestId);
    if (!isExact) context.assumed = true;
    const answer = this.answer(tokens + counted, model, context, body);
    this.shared.counted(answer.promptTokens);
    return answer;
  }

  /** Counts for limits: everything in the body that can be part of the prompt. */
  estimate(body: Body): number {
    const model = this.shared.models.ofPrompts.get(body.model as string | undefined);
    const { choice, counted } = this.shared;
    const estimate = choice.run('count_request', undefined, (engine): number => {
      const context = this.context(model, engine, new PromptReads());
      const tokens = countRequestBody(body, context);
      return context.sample === undefined ? tokens : this.bound(tokens, model, context, body);
    });
    return counted(estimate);
  }

  /** Like `estimate`, off the main thread. Above `limit` tokens, estimates the rest. */
  async estimateAsync(body: Body, limit: number): Promise<PromptEstimate> {
    const model = this.shared.models.ofPrompts.get(body.model as string | undefined);
    const { context, texts, tokens } = await this.collect(body, model, () => {});
    const { counted, unitsLeft } = await this.countTexts(texts, model, this.localLimit(limit, model, context) - tokens, undefined);
    const certain = this.shared.counted(this.bound(tokens + counted, model, context, unitsLeft === 0 ? body : undefined));
    return { counted: certain, tokens: certain + Math.ceil(unitsLeft * TOKENS_PER_BYTE) };
  }

  /**
   * The same for a body whose long texts are bytes; `undefined` if it cannot be counted, so that
   * the caller estimates the parsed body.
   */
  estimateLong(body: Body, texts: LongTexts): number | undefined {
    const model = this.shared.models.ofPrompts.get(body.model as string | undefined);
    const collected = new CollectedTexts(texts, this.shared.maxTextLength);
    let estimate: number | undefined;
    try {
      estimate = this.shared.choice.run('count_request', undefined, (engine): number => {
        collected.clear();
        const context = this.context(model, engine, new PromptReads(() => collected.clear()), collected);
        const tokens = countRequestBody(body, context);
        if (collected.places.length === 0) return this.bound(tokens, model, context, body);
        if (context.sample !== undefined) collected.addTo(context.sample);
        const { counts } = engine.countSlices(texts.bytes, collected.toCount(), model.handle(engine), LARGEST_LIMIT);
        return this.bound(tokens + sumOf(counts), model, context, body);
      });
    } catch (error) {
      estimate = uncountable(error);
    }
    return estimate === undefined ? undefined : this.shared.counted(estimate);
  }

  /** The same off the main thread. Above `limit` tokens, estimates the rest. */
  async estimateLongAsync(body: Body, texts: LongTexts, limit: number): Promise<PromptEstimate | undefined> {
    const model = this.shared.models.ofPrompts.get(body.model as string | undefined);
    const long = new CollectedTexts(texts, this.shared.maxTextLength);
    const found = await this.collect(body, model, () => long.clear(), long).catch(uncountable);
    if (found === undefined) return undefined;
    const { context } = found;
    if (context.sample !== undefined) long.addTo(context.sample);
    const most = this.localLimit(limit, model, context);
    const short = await this.countTexts(found.texts, model, most - found.tokens, undefined);
    let tokens = found.tokens + short.counted;
    let { unitsLeft } = short;
    if (long.places.length > 0) {
      const slices = tokens > most ? undefined : await this.countSlices(long, model, most - tokens);
      if (slices !== undefined) tokens += sumOf(slices.counts);
      unitsLeft += long.unitsAfter(slices?.counted);
    }
    const isWhole = tokens <= most;
    const certain = this.shared.counted(this.bound(tokens, model, context, isWhole ? body : undefined));
    const estimated = certain + Math.ceil(unitsLeft * TOKENS_PER_BYTE);
    return { counted: certain, tokens: estimated };
  }

  /** The context of one count on an engine. */
  context(model: CountingModel, engine: TokenCounterEngine, reads?: PromptReads, long?: CollectedTexts): PromptContext {
    const { maxTextLength } = this.shared;
    const handle = model.handle(engine);
    const exactUnits = typeof model.encoding === 'string' ? Infinity : engine.exactUnits(handle);
    const { roleTokens } = model;
    const context = this.contextWith(model, reads, long, (text) => {
      if (text.length > maxTextLength) throw textError('text', text, maxTextLength);
      if (text.length > exactUnits) context.assumed = true;
      context.sample?.add(text);
      const known = text.length > LONGEST_ROLE ? undefined : roleTokens.get(text);
      if (known !== undefined) return known;
      const tokens = engine.count(text, handle);
      if (ROLES.has(text)) roleTokens.set(text, tokens);
      return tokens;
    });
    return context;
  }

  /** A context that counts a text by `count`; with a sample for models with corrected counts. */
  private contextWith(
    model: CountingModel,
    reads: PromptReads | undefined,
    long: CollectedTexts | undefined,
    count: (text: string) => number,
  ): PromptContext {
    const { facts, chatTemplate } = model;
    const rendered = chatTemplate !== undefined && long === undefined ? rendering(chatTemplate, model, count) : undefined;
    const sample = facts.approximate && this.shared.corrections !== undefined ? new ContentSample() : undefined;
    return { model: facts, count, rendered, long, reads, assumed: false, mediaTokens: 0, sample };
  }

  /** The tokens that the provider is expected to report for a counted context. */
  expected(tokens: number, model: CountingModel, context: PromptContext): number {
    return this.shared.corrections?.correct(tokens, model, context).expected ?? tokens;
  }

  private answer(tokens: number, model: CountingModel, context: PromptContext, body: object): RequestTokens {
    const { corrections } = this.shared;
    const { facts, encodingName: encoding, exactWith } = model;
    const corrected = context.sample === undefined ? undefined : corrections?.correct(tokens, model, context);
    if (corrected !== undefined) corrections?.remember(body, tokens, model, context);
    return {
      promptTokens: corrected?.expected ?? tokens,
      approximate: facts.approximate || context.assumed,
      encoding,
      ...(corrected !== undefined && { bound: corrected.bound }),
      ...(exactWith !== undefined && { exactWith }),
    };
  }

  /**
   * Returns the tokens that a limit reserves for a context; `counted` is the body if all of it was
   * counted.
   */
  private bound(tokens: number, model: CountingModel, context: PromptContext, counted: object | undefined): number {
    const { corrections } = this.shared;
    if (corrections === undefined || context.sample === undefined) return tokens;
    if (counted === undefined) return corrections.partBound(tokens, model, context);
    corrections.remember(counted, tokens, model, context);
    return corrections.correct(tokens, model, context).bound;
  }

  private localLimit(limit: number, model: CountingModel, context: PromptContext): number {
    return this.shared.corrections?.localLimit(limit, model, context) ?? limit;
  }

  /**
   * Walks the body like a count, but collects the texts instead of counting them.
   * @param cleared for limits: called where the walk begins again
   */
  private async collect(
    body: Body,
    model: CountingModel,
    cleared: (() => void) | undefined,
    long?: CollectedTexts,
  ): Promise<{ readonly context: PromptContext; readonly texts: readonly string[]; readonly tokens: number }> {
    const { maxTextLength } = this.shared;
    const texts: string[] = [];
    const restart = (): void => {
      texts.length = 0;
      cleared?.();
    };
    const context = this.contextWith(model, cleared && new PromptReads(restart), long, (text) => {
      if (text.length > maxTextLength) throw textError('text', text, maxTextLength);
      context.sample?.add(text);
      if (text !== '') texts.push(text);
      return 0;
    });
    return { context, texts, tokens: await countRequestBodyInTurns(body, context) };
  }

  private countSlices(long: CollectedTexts, model: CountingModel, limit: number): Promise<SliceCounts> {
    const { bytes, isOwn } = long.texts;
    const slices = { bytes, isOwn, texts: long.toCount() };
    const most = Math.min(Math.max(0, Math.floor(limit)), LARGEST_LIMIT);
    const count = async (engine: TokenCounterEngine): Promise<SliceCounts> => engine.countSlicesAsync(slices, model.handle(engine), most);
    return this.shared.batchChoice.runAsync('count_request', undefined, count);
  }

  private countTexts(texts: readonly string[], model: CountingModel, limit: number, requestId: string | undefined): Promise<CountedTexts> {
    let units = 0;
    for (const text of texts) units += text.length;
    const count = async (engine: TokenCounterEngine): Promise<CountedTexts> => {
      const handle = model.handle(engine);
      const exactUnits = typeof model.encoding === 'string' ? Infinity : engine.exactUnits(handle);
      let counted = 0;
      let unitsLeft = units;
      for (const step of textSteps(texts)) {
        if (step.length === 1) counted += await engine.countUpToAsync(step[0], handle, Math.max(0, limit - counted));
        else for (const tokens of await engine.countBatchAsync(step, handle)) counted += tokens;
        // The engine stops somewhere inside a text that exceeds the limit.
        if (counted > limit) break;
        for (const text of step) unitsLeft -= text.length;
      }
      return { counted, unitsLeft, isExact: texts.every(({ length }) => length <= exactUnits) };
    };
    return this.shared.batchChoice.runAsync('count_request', requestId, count);
  }
}

/** How the chat template counts, if the package that renders it is installed. */
function rendering(chatTemplate: ChatTemplate, { encoding }: CountingModel, count: (text: string) => number): PromptContext['rendered'] {
  if (!ChatTemplate.isAvailable()) return undefined;
  return (messages, tools) => {
    const { text } = chatTemplate.render(messages, tools);
    return text === undefined ? undefined : countSegments(segmentsOf(text, encoding, 'all'), count);
  };
}

/** For a body that breaks a rule, so that the error can show its texts. */
function uncountable(error: unknown): undefined {
  if (!(error instanceof InvalidArgumentError)) throw error;
}

function sumOf(counts: Uint32Array): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

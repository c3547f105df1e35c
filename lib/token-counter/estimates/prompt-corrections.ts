import type { CountingModel } from '../model-table.js';
import type { PromptContext } from '../prompt/prompt-context.js';
import type { PromptMeasurement, TokenEstimates } from './token-estimates.js';

/** A prompt's tokens by local rules, and what they stand for at the provider. */
export interface CorrectedTokens {
  readonly expected: number;
  /** 95 of 100 such prompts stay below. */
  readonly bound: number;
}

/** Corrects counted prompts, and learns from what providers report about them. */
export class PromptCorrections {
  /** By the body that was counted. */
  private readonly measured = new WeakMap<object, PromptMeasurement>();

  constructor(readonly estimates: TokenEstimates) {}

  /** The provider's tokens for `tokens` of a context; the same where the tokenizer is known. */
  correct(tokens: number, model: CountingModel, context: PromptContext): CorrectedTokens {
    if (context.sample === undefined) return { expected: tokens, bound: tokens };
    const { expected, bound } = this.factorsOf(model, context.sample.contentClass);
    const text = Math.max(0, tokens - context.mediaTokens);
    return {
      expected: Math.ceil(text * expected) + context.mediaTokens,
      bound: Math.ceil(text * bound) + context.mediaTokens,
    };
  }

  /** The local tokens whose bound is `limit`. */
  localLimit(limit: number, model: CountingModel, context: PromptContext): number {
    if (context.sample === undefined || limit === Infinity) return limit;
    const { bound } = this.factorsOf(model, context.sample.contentClass);
    return (limit - context.mediaTokens) / bound + context.mediaTokens;
  }

  /** Remembers how a body was counted, until a provider reports its tokens. */
  remember(body: object, tokens: number, model: CountingModel, { sample, mediaTokens, assumed }: PromptContext): void {
    // The share of media and of what only the provider has is not known.
    if (sample === undefined || mediaTokens > 0 || assumed) return;
    const { contentClass } = sample;
    this.measured.set(body, { model: model.name, encoding: model.facts.encoding, contentClass, tokens });
  }

  /** A provider has reported the prompt tokens of a body. Each body teaches once. */
  learn(body: object, reported: number): void {
    const measurement = this.measured.get(body);
    if (measurement === undefined) return;
    this.measured.delete(body);
    this.estimates.observe(measurement, reported);
  }

  private factorsOf({ name, facts }: CountingModel, contentClass: PromptMeasurement['contentClass']) {
    return this.estimates.factors({ model: name, encoding: facts.encoding, contentClass });
  }
}

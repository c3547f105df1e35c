import type { CountingModel } from '../counting-model.js';
import type { PromptContext } from '../prompt/prompt-context.js';
import { publishedFactors, type EstimateFactors } from './correction.js';
import type { ContentSample } from './content-class.js';
import type { PromptMeasurement, TokenEstimates } from './token-estimates.js';

/** A prompt's tokens by local rules, and their number at the provider. */
export interface CorrectedTokens {
  readonly expected: number;
  /** 95 of 100 such prompts stay below. */
  readonly bound: number;
}

/** Corrects counted prompts, and learns from the usage that providers report for them. */
export class PromptCorrections {
  /** Whether a prompt was ever estimated: exact counts have nothing to learn. */
  hasMeasured = false;
  /** By the body that was counted. */
  private readonly measured = new WeakMap<object, PromptMeasurement>();

  constructor(readonly estimates: TokenEstimates) {}

  /** The provider's tokens for all `tokens` of a context; the same where the tokenizer is known. */
  correct(tokens: number, model: CountingModel, context: PromptContext): CorrectedTokens {
    const { sample, mediaTokens } = context;
    if (sample === undefined) return { expected: tokens, bound: tokens };
    const text = Math.max(0, tokens - mediaTokens);
    const { expected, bound } = this.factorsOf(model, sample, text);
    return { expected: Math.ceil(text * expected) + mediaTokens, bound: Math.ceil(text * bound) + mediaTokens };
  }

  /** The bound of a part of the tokens of a context; the same part has the same `localLimit`. */
  partBound(tokens: number, model: CountingModel, { sample, mediaTokens }: PromptContext): number {
    if (sample === undefined) return tokens;
    return Math.ceil(Math.max(0, tokens - mediaTokens) * this.factorsOf(model, sample, sample.roughTokens).bound) + mediaTokens;
  }

  /** The local tokens of a part whose bound is `limit`. */
  localLimit(limit: number, model: CountingModel, { sample, mediaTokens }: PromptContext): number {
    if (sample === undefined || limit === Infinity) return limit;
    return (limit - mediaTokens) / this.factorsOf(model, sample, sample.roughTokens).bound + mediaTokens;
  }

  /** Remembers how a body was counted, until a provider reports its tokens. */
  remember(body: object, tokens: number, model: CountingModel, { sample, mediaTokens, assumed }: PromptContext): void {
    // The answer can come from a deployment with another tokenizer.
    if (model.isMixed) return;
    // The share of media and of content stored at the provider is unknown.
    if (sample === undefined || mediaTokens > 0 || assumed || tokens <= 0) return;
    this.hasMeasured = true;
    this.measured.set(body, measurement(model, sample, tokens));
  }

  /** A provider has reported the prompt tokens of a body. Each body teaches once. */
  learn(body: object, reported: number): void {
    const measured = this.measured.get(body);
    if (measured === undefined) return;
    this.measured.delete(body);
    this.estimates.observe(measured, reported);
  }

  private factorsOf(model: CountingModel, sample: ContentSample, tokens: number): EstimateFactors {
    // The tokenizer is known, but not whether it is that of the deployment.
    if (!model.isCorrected) return publishedFactors(1);
    return this.estimates.factors(measurement(model, sample, Math.max(1, tokens)));
  }
}

function measurement({ name }: CountingModel, sample: ContentSample, tokens: number): PromptMeasurement {
  return { model: name, contentClass: sample.contentClass, tokens, features: sample.features(tokens) };
}

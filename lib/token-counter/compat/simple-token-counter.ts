import { checkPositiveInteger, refuseArgument } from '../../common/options.js';
import type { UsageDetails } from '../../common/token-cost.js';
import type { ModelLimits } from '../pricing/pricing.js';
import type { TokenCounterService } from '../token-counter.service.js';

/** Default input limit of `SimpleTokenCounter`, in tokens. */
export const DEFAULT_MODEL_MAX_TOKENS = 4096;

/**
 * fast-litellm's `SimpleTokenCounter`: token counting in one small object, without Nest.
 *
 * @example
 * const counter = new SimpleTokenCounter(4096);
 * counter.countTokens('Hello world', 'gpt-4'); // 2
 */
export class SimpleTokenCounter {
  /** Most tokens that `validateInput` accepts. */
  readonly modelMaxTokens: number;

  /**
   * @param counter Returns the token counter; called with each use, so that it is built lazily.
   */
  constructor(
    modelMaxTokens: number,
    private readonly counter: () => TokenCounterService,
  ) {
    this.modelMaxTokens = checkPositiveInteger('modelMaxTokens', modelMaxTokens, refuseArgument);
  }

  /** Tokens of a text. */
  countTokens(text: string, model?: string): number {
    return this.counter().countTokens(text, model);
  }

  /** Tokens of each text. */
  countTokensBatch(texts: readonly string[], model?: string): number[] {
    return this.counter().countTokensBatch(texts, model);
  }

  /** USD, or `null` for a model without a known price. */
  estimateCost(inputTokens: number, outputTokens: number, model?: string, usageDetails?: UsageDetails | null): number | null {
    return this.counter().estimateCost(inputTokens, outputTokens, model, usageDetails);
  }

  /** Context window and output limit of a model, `null` if unknown. */
  getModelLimits(model?: string): ModelLimits {
    return this.counter().getModelLimits(model);
  }

  /** Whether the text has at most `modelMaxTokens` tokens. */
  validateInput(text: string, model?: string): boolean {
    return this.counter().isWithinTokenLimit(text, this.modelMaxTokens, model) !== false;
  }
}

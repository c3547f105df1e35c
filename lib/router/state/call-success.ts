import { InvalidArgumentError } from '../../common/errors.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** Usage of a call. */
export interface CallUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Those of these tokens that have their own prices, as integers. */
  readonly usageDetails?: UsageDetails;
}

export function tokensIn({ promptTokens = 0, completionTokens = 0 }: CallUsage): number {
  return promptTokens + completionTokens;
}

/** A successful call. */
export interface CallSuccess extends CallUsage {
  /** From sending the request to the end of the answer. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs?: number;
  /**
   * Cost, for budgets only. Default: by the prices of the deployment, else of the model that was
   * called.
   */
  readonly costUsd?: number;
}

const FIGURES = ['latencyMs', 'timeToFirstTokenMs', 'promptTokens', 'completionTokens'] as const;

/**
 * Strings would be concatenated instead of added.
 * @throws InvalidArgumentError naming the figure.
 */
export function checkFigures(outcome: Partial<CallSuccess>): void {
  for (const name of FIGURES) {
    const value: unknown = outcome[name];
    if (value !== undefined && typeof value !== 'number') throw new InvalidArgumentError(name, value, 'must be a number');
  }
}

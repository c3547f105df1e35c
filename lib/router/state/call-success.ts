import { InvalidArgumentError } from '../../common/errors.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** Usage of a call. */
export interface CallUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** The part of these tokens that has its own prices, as integers. */
  readonly usageDetails?: UsageDetails;
}

export function tokensIn({ promptTokens = 0, completionTokens = 0 }: CallUsage): number {
  return promptTokens + completionTokens;
}

/** A successful call. */
export interface CallSuccess extends CallUsage {
  /** Time from sending the request to the end of the answer. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs?: number;
  /**
   * Cost, used only for budgets. Default: by the prices of the deployment, otherwise those of the
   * called model.
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

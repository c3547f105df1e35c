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

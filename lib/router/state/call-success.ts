import { InvalidArgumentError } from '../../common/errors.js';
import type { UsageDetails } from '../../common/token-cost.js';

/** What was used when the caller went away. */
export interface CallUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Of these tokens, those that have prices of their own: integers. */
  readonly usageDetails?: UsageDetails;
}

export function tokensIn({ promptTokens = 0, completionTokens = 0 }: CallUsage): number {
  return promptTokens + completionTokens;
}

/** How a call came out well. */
export interface CallSuccess extends CallUsage {
  /** From sending it to the end of the answer. */
  readonly latencyMs: number;
  readonly timeToFirstTokenMs?: number;
  /** What it cost. Default: by the prices of the deployment, else of the model that was called. Counts for budgets alone. */
  readonly costUsd?: number;
}

/** Before anything is given back: texts would be strung together instead of added up. @throws InvalidArgumentError naming the figure. */
export function checkFigures(outcome: Partial<CallSuccess>): void {
  const { latencyMs, timeToFirstTokenMs, promptTokens, completionTokens } = outcome;
  if (isFigure(latencyMs) && isFigure(timeToFirstTokenMs) && isFigure(promptTokens) && isFigure(completionTokens)) return;
  for (const [name, value] of Object.entries({ latencyMs, timeToFirstTokenMs, promptTokens, completionTokens })) {
    if (!isFigure(value)) throw new InvalidArgumentError(name, value, 'must be a number');
  }
}

function isFigure(value: unknown): boolean {
  return value === undefined || typeof value === 'number';
}

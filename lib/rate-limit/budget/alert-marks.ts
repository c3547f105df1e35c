/** Change of the spend in one budget's window by a settlement. */
export interface SpendingStep {
  readonly beforeNanoUsd: number;
  readonly spentNanoUsd: number;
  readonly limitNanoUsd: number;
}

/** Whether spending has reached a share of the budget: in a window it only grows, so once. */
export function crosses(mark: number, { beforeNanoUsd, spentNanoUsd, limitNanoUsd }: SpendingStep): boolean {
  const atNanoUsd = mark * limitNanoUsd;
  return beforeNanoUsd < atNanoUsd && spentNanoUsd >= atNanoUsd;
}

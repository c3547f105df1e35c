import type { Selection } from './call-router.js';
import type { AnswerUsage } from '../../http/answer-usage.js';

/** What all calls of a client have used, as their providers reported it or by an estimate, and what that costs. */
export class CallSpending {
  inputTokens = 0;
  outputTokens = 0;
  costUsd = 0;
  /** Calls whose price is not known: they are not in `costUsd`. */
  unpricedCalls = 0;
  /** Of the figures above, what no provider reported: prompts of attempts without an answer, and streams that broke. */
  readonly estimated = { inputTokens: 0, outputTokens: 0, costUsd: 0 };
  private isPrepared = false;

  /** @param openPrices Opens the price list; its answer does not matter. */
  constructor(private readonly openPrices: (model: string) => unknown) {}

  /** The first time, opens the price list: while the first provider is at work, not between its answer and the client. */
  prepare(model: string): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    setImmediate(() => this.openPrices(model)).unref();
  }

  /** @param selection of the deployment that was called */
  add({ deployment, model }: Selection, { promptTokens, completionTokens, details }: AnswerUsage, isEstimated = false): void {
    const input = Math.round(promptTokens);
    const output = Math.round(completionTokens);
    const costUsd = deployment.costUsd(input, output, model, details);
    if (costUsd === undefined) this.unpricedCalls++;
    for (const sums of isEstimated ? [this, this.estimated] : [this]) {
      sums.inputTokens += input;
      sums.outputTokens += output;
      sums.costUsd += costUsd ?? 0;
    }
  }
}

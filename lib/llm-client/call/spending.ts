import type { Selection } from './call-router.js';
import { GroupCosts } from './group-costs.js';
import type { AnswerUsage } from '../../http/answer-usage.js';

/** Tokens and cost of all calls of a client, as reported by providers or estimated. */
export class CallSpending {
  inputTokens = 0;
  outputTokens = 0;
  costUsd = 0;
  /** Calls without a known price: `costUsd` does not include them. */
  unpricedCalls = 0;
  /** The estimated part of these figures: prompts without an answer, and broken streams. */
  readonly estimated = { inputTokens: 0, outputTokens: 0, costUsd: 0 };
  readonly byGroup: GroupCosts;
  private isPrepared = false;

  /** @param openPrices Loads the price list. */
  constructor(
    private readonly openPrices: (model: string) => unknown,
    costByTeam = false,
  ) {
    this.byGroup = new GroupCosts(costByTeam);
  }

  /** Loads the price list once, while the first provider works on its answer. */
  prepare(model: string): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    setImmediate(() => this.openPrices(model)).unref();
  }

  /** Adds these tokens. Returns their cost in USD; `undefined`: without a known price. */
  add({ deployment, model }: Selection, { promptTokens, completionTokens, details }: AnswerUsage, isEstimated = false): number | undefined {
    const input = Math.round(promptTokens);
    const output = Math.round(completionTokens);
    const costUsd = deployment.costUsd(input, output, model, details);
    if (costUsd === undefined) this.unpricedCalls++;
    for (const sums of isEstimated ? [this, this.estimated] : [this]) {
      sums.inputTokens += input;
      sums.outputTokens += output;
      sums.costUsd += costUsd ?? 0;
    }
    return costUsd;
  }
}

import type { Deployment, RouterPick } from './call-router.js';
import type { AnswerUsage } from './usage-scan.js';

/** USD, or `null` where the price is not known. */
export type PriceOf = (inputTokens: number, outputTokens: number, model: string) => number | null;

/** What all calls of a client have used, as their providers reported it, and what that costs. */
export class CallSpending {
  inputTokens = 0;
  outputTokens = 0;
  costUsd = 0;
  /** Calls whose price is not known: they are not in `costUsd`. */
  unpricedCalls = 0;
  private isPrepared = false;

  constructor(private readonly priceOf: PriceOf) {}

  /** The first time, opens the price list: while the first provider is at work, not between its answer and the client. */
  prepare(model: string): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    setImmediate(() => this.priceOf(0, 0, model)).unref();
  }

  /** @param pick of the deployment that answered: prices of its own go before the model's */
  add({ deployment, model }: RouterPick, { promptTokens, completionTokens }: AnswerUsage): void {
    const input = Math.round(promptTokens);
    const output = Math.round(completionTokens);
    this.inputTokens += input;
    this.outputTokens += output;
    const costUsd = ownCost(deployment, input, output) ?? this.priceOf(input, output, model);
    if (costUsd === null) this.unpricedCalls++;
    else this.costUsd += costUsd;
  }
}

/** By `input_cost_per_token` and `output_cost_per_token`; a side that is not set is free, as in LiteLLM. */
function ownCost({ params, info }: Deployment, inputTokens: number, outputTokens: number): number | null {
  const input = rate(params.input_cost_per_token ?? info.input_cost_per_token);
  const output = rate(params.output_cost_per_token ?? info.output_cost_per_token);
  if (input === undefined && output === undefined) return null;
  return inputTokens * (input ?? 0) + outputTokens * (output ?? 0);
}

function rate(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

import { addNanoUsd, usdOf } from '../common/nano-usd.js';
import type { AnswerUsage } from '../http/answer-usage.js';
import type { AppCost } from '../http/app-costs.js';
import type { AnswerCost } from './answer/answer-cost.js';
import { GroupCosts, type GroupCostsSettings } from './group-costs.js';
import { ReportedCosts } from './reported-costs.js';

/** Models of the app's costs that are counted separately, and their longest name. */
const MOST_MODELS = 50;
const LONGEST_MODEL = 256;

/** Sums of tokens and money. */
class SpendSums {
  inputTokens = 0;
  outputTokens = 0;
  private nanoUsd = 0;

  get costUsd(): number {
    return usdOf(this.nanoUsd);
  }

  add(inputTokens: number, outputTokens: number, nanoUsd: number): void {
    this.inputTokens += inputTokens;
    this.outputTokens += outputTokens;
    this.nanoUsd = addNanoUsd(this.nanoUsd, nanoUsd);
  }
}

/** Spend of a client: tokens and cost of all calls, as reported by providers or estimated. */
export class ClientSpend extends SpendSums {
  /** Calls without a known price: `costUsd` does not include them. */
  unpricedCalls = 0;
  /** The estimated part of these figures: prompts without an answer, and broken streams. */
  readonly estimated = new SpendSums();
  readonly byGroup: GroupCosts;
  /** Costs that providers report. */
  readonly reportedCosts = new ReportedCosts();
  /** Cost of calls made elsewhere, which the app reports (`reportUsage`). */
  private appNanoUsd = 0;
  private readonly appModels = new Set<string>();
  private isPrepared = false;

  /** @param openPrices Loads the price list. */
  constructor(
    private readonly openPrices: (model: string) => unknown,
    settings: GroupCostsSettings = {},
  ) {
    super();
    this.byGroup = new GroupCosts(settings);
  }

  /** Loads the price list once, while the first provider works on its answer. */
  prepare(model: string): void {
    if (this.isPrepared) return;
    this.isPrepared = true;
    setImmediate(() => this.openPrices(model)).unref();
  }

  /** The part of `costUsd` that the app has reported. */
  get appUsd(): number {
    return usdOf(this.appNanoUsd);
  }

  /** Adds a cost that the app reports for calls made elsewhere. */
  addAppCost({ model = '', team, nanoUsd }: AppCost): void {
    this.add(0, 0, nanoUsd);
    this.appNanoUsd = addNanoUsd(this.appNanoUsd, nanoUsd);
    // Clients name these models: they must not take the place of the groups.
    const isShown = model.length <= LONGEST_MODEL && (this.appModels.has(model) || this.appModels.size < MOST_MODELS);
    if (isShown) this.appModels.add(model);
    this.byGroup.add({ group: isShown ? model : 'other', provider: 'reported', team }, nanoUsd);
  }

  /** Adds the tokens of an attempt and their cost; `undefined`: without a known price. */
  spend({ promptTokens, completionTokens }: AnswerUsage, cost: AnswerCost | undefined, isEstimated = false): void {
    const input = Math.round(promptTokens);
    const output = Math.round(completionTokens);
    if (cost === undefined) this.unpricedCalls++;
    this.add(input, output, cost?.nanoUsd ?? 0);
    if (isEstimated) this.estimated.add(input, output, cost?.nanoUsd ?? 0);
  }
}

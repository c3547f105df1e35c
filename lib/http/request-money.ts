import type { AnswerUsage } from './answer-usage.js';

/** Nano-USD that a usage costs; `undefined` where no price is known. */
export type PriceOf = (usage: AnswerUsage) => number | undefined;

/** What one request has cost so far, in nano-USD, and what its calls in flight may still cost. */
export class RequestMoney {
  /** As the program said it. */
  reported: number | undefined = undefined;
  /** By the usage that was reported. */
  priced: number | undefined = undefined;
  /** Of calls that have ended. */
  spent: number | undefined = undefined;
  /** Held for calls in flight. */
  covered = 0;
  /** The expected cost of these calls. */
  expected = 0;
  /** Prices of the request's model, for usage that comes without a cost. */
  priceOf: PriceOf | undefined = undefined;

  /**
   * What the request has cost: calls know the prices of their deployments, and a report may cover
   * some of them.
   */
  get used(): number | undefined {
    const { reported, spent, priced } = this;
    const counted = spent ?? priced;
    return reported === undefined ? counted : Math.max(reported, counted ?? 0);
  }

  /** Usage was reported, with its cost or without. */
  report(usage: AnswerUsage | undefined, nanoUsd: number | undefined): void {
    this.reported = nanoUsd ?? this.reported;
    this.priced = (usage && this.priceOf?.(usage)) ?? this.priced;
  }

  /** A call has ended. */
  pay(cost: CallCost): void {
    this.spent = (this.spent ?? 0) + cost.nanoUsd;
    this.covered -= cost.coveredNanoUsd;
    this.expected -= cost.expectedNanoUsd ?? 0;
  }

  /** The request is settled; its context may live on. */
  clear(): void {
    this.reported = this.priced = this.spent = undefined;
  }
}

/** Tells once what a request has cost, where no budget counts it. */
export class SpendingTally {
  readonly money = new RequestMoney();
  private isTold = false;

  constructor(
    private readonly spend: (nanoUsd: number) => void,
    priceOf: PriceOf | undefined,
  ) {
    this.money.priceOf = priceOf;
  }

  /** The request is over. Where its cost is not known yet, a later report tells it. */
  settle(): void {
    const { used } = this.money;
    if (used === undefined || this.isTold) return;
    this.isTold = true;
    if (used > 0) this.spend(used);
  }
}

/** Money of one call that has ended. */
export interface CallCost {
  readonly nanoUsd: number;
  /** What `cover` held for it. */
  readonly coveredNanoUsd: number;
  /** The expected part of it. */
  readonly expectedNanoUsd?: number;
}

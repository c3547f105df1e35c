import { addNanoUsd } from '../../common/nano-usd.js';
import type { BudgetLimit, BudgetWindow } from './budget-limits.js';
import type { Span } from './calendar.js';

/** Why a budget denies a request. */
export type BudgetDenialReason =
  /** What was spent leaves less than the request may cost: the next window helps. */
  | 'budget_exhausted'
  /** What calls in flight hold leaves less: their end may help. */
  | 'budget_held'
  /** The whole budget is smaller than what the request may cost. */
  | 'request_exceeds_budget';

/** How one budget of a key stands. All amounts are nano-USD (10^-9 USD). */
export interface BudgetStanding {
  readonly period: BudgetLimit['period'];
  /** Raises for this window included. */
  readonly limitNanoUsd: number;
  /** Settled in the current window. */
  readonly spentNanoUsd: number;
  /** Reserved by calls that have not been settled. */
  readonly heldNanoUsd: number;
  /** Settled since the key is known, over all windows. */
  readonly totalNanoUsd: number;
  /** When all of the window is over, by the store's clock. `Infinity`: it never is. */
  readonly resetsAtMs: number;
}

/** What a settlement added to a budget. */
export interface BudgetSpending {
  readonly limitName: string;
  readonly key: string;
  readonly beforeNanoUsd: number;
  readonly standing: BudgetStanding;
}

/** One part of a window, with what was taken in it. */
export interface BudgetPart extends Span {
  spent: number;
  held: number;
}

/** A denial, and how long it lasts: `Infinity` where no time ends it. */
export interface Denial {
  readonly reason: BudgetDenialReason;
  readonly waitMs: number;
}

/** What was spent and is held under one key and one budget. */
export class BudgetAccount {
  /** The oldest first. */
  parts: BudgetPart[] = [];
  total = 0;
  /** Added to the limit until `raisedUntilMs`. */
  raisedNanoUsd = 0;
  raisedUntilMs = 0;

  get spent(): number {
    let sum = 0;
    for (let i = 0; i < this.parts.length; i++) sum = addNanoUsd(sum, this.parts[i].spent);
    return sum;
  }

  get held(): number {
    let sum = 0;
    for (let i = 0; i < this.parts.length; i++) sum = addNanoUsd(sum, this.parts[i].held);
    return sum;
  }

  /** The limit with its raise. Pruned before. */
  limitOf({ nanoUsd }: BudgetLimit): number {
    return addNanoUsd(nanoUsd, this.raisedNanoUsd);
  }

  /** Whether nothing of it counts any more. Pruned before. */
  get isIdle(): boolean {
    return this.parts.length === 0 && this.raisedNanoUsd === 0;
  }

  /** Whether no time ends what it counts. */
  get isEndless(): boolean {
    return this.parts.length > 0 && this.parts[0].endMs === Infinity;
  }

  /** Forgets the parts, and the raise, that are over at `nowMs`. */
  prune(nowMs: number): this {
    if (this.raisedUntilMs <= nowMs) this.raisedNanoUsd = 0;
    while (this.parts.length > 0 && this.parts[0].endMs <= nowMs) this.parts.shift();
    return this;
  }

  /** Whether `ask` may not be taken. Pruned before. */
  denial(budget: BudgetLimit, ask: number, nowMs: number): Denial | undefined {
    const { spent } = this;
    const limit = this.limitOf(budget);
    if (ask > limit) return { reason: 'request_exceeds_budget', waitMs: Infinity };
    if (spent + ask > limit) return { reason: 'budget_exhausted', waitMs: this.waitFor(spent + ask - limit, nowMs) };
    return spent + this.held + ask > limit ? { reason: 'budget_held', waitMs: Infinity } : undefined;
  }

  /** The part that a taking at `nowMs` counts in. Pruned before. */
  part({ window }: BudgetLimit, nowMs: number): BudgetPart {
    const newest = this.parts.at(-1);
    const { startMs, endMs } = window.partAt(nowMs, newest);
    if (newest?.startMs === startMs) return newest;
    const part = { startMs, endMs, spent: 0, held: 0 };
    this.parts.push(part);
    return part;
  }

  /** Replaces what was spent in the window. Pruned before. */
  setSpent(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const current = this.part(budget, nowMs);
    this.total = addNanoUsd(this.total, nanoUsd - this.spent);
    for (const part of this.parts) part.spent = part === current ? nanoUsd : 0;
  }

  /** Adds to what was spent in the window. Pruned before. */
  addSpent(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    const part = this.part(budget, nowMs);
    part.spent = addNanoUsd(part.spent, nanoUsd);
    this.total = addNanoUsd(this.total, nanoUsd);
  }

  /** Raises the limit until the window of a taking at `nowMs` is over. Pruned before. */
  raise(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    this.raisedNanoUsd = addNanoUsd(this.raisedNanoUsd, nanoUsd);
    this.raisedUntilMs = this.part(budget, nowMs).endMs;
  }

  /** @param pending What a decision would hold on top. Pruned before. */
  standing(budget: BudgetLimit, nowMs: number, pending = 0): BudgetStanding {
    return {
      period: budget.period,
      limitNanoUsd: this.limitOf(budget),
      spentNanoUsd: this.spent,
      heldNanoUsd: addNanoUsd(this.held, pending),
      totalNanoUsd: this.total,
      resetsAtMs: this.resetsAt(budget.window, nowMs, pending > 0),
    };
  }

  private resetsAt(window: BudgetWindow, nowMs: number, isTaken: boolean): number {
    const newest = this.parts.at(-1);
    if (window.kind === 'calendar' || window.kind === 'total' || isTaken) return window.partAt(nowMs, newest).endMs;
    return newest?.endMs ?? nowMs;
  }

  /** Time until so much of what was spent is out of the window. */
  private waitFor(over: number, nowMs: number): number {
    let freed = 0;
    const last = this.parts.find((part) => (freed += part.spent) >= over);
    return last === undefined ? Infinity : last.endMs - nowMs;
  }
}

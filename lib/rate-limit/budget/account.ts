import { addNanoUsd } from '../../common/nano-usd.js';
import type { BudgetLimit, BudgetWindow } from './budget-limits.js';
import type { Span } from './calendar.js';
import { FIGURES, type FigurePlace } from './figure-space.js';

/** Why a budget denies a request. */
export type BudgetDenialReason =
  /** Spend leaves less than the request may cost; retry in the next window. */
  | 'budget_exhausted'
  /** Holds of calls in flight leave less; retry when they end. */
  | 'budget_held'
  /** The whole budget is smaller than what the request may cost. */
  | 'request_exceeds_budget';

/** State of one budget of a key. All amounts are nano-USD (10^-9 USD). */
export interface BudgetStanding {
  readonly period: BudgetLimit['period'];
  /** Includes raises for the current window. */
  readonly limitNanoUsd: number;
  /** Settled spend in the current window. */
  readonly spentNanoUsd: number;
  /** Held by calls that have not been settled. */
  readonly heldNanoUsd: number;
  /** Settled since the key was first seen, over all windows. */
  readonly totalNanoUsd: number;
  /** When the whole window has ended, by the store's clock. `Infinity`: never. */
  readonly resetsAtMs: number;
}

/** The amount that a settlement added to a budget. */
export interface BudgetSpending {
  readonly limitName: string;
  readonly key: string;
  readonly beforeNanoUsd: number;
  readonly standing: BudgetStanding;
}

/** One part of a window, with its charges. */
export interface BudgetPart extends Span {
  readonly spent: number;
  readonly held: number;
}

/** State of an account. */
export interface AccountRecord {
  readonly total: number;
  /** The oldest first. */
  readonly parts: readonly BudgetPart[];
  /** Added to the limit until `raisedUntilMs`. */
  readonly raisedNanoUsd: number;
  readonly raisedUntilMs: number;
}

/** A denial, and how long it lasts: `Infinity` if no time ends it. */
export interface Denial {
  readonly reason: BudgetDenialReason;
  readonly waitMs: number;
}

/** Places of an account's numbers: of its newest part first, whose end is 0 if there is none. */
const START = 0;
const END = 1;
const SPENT = 2;
const HELD = 3;
const TOTAL = 4;
const RAISED = 5;
const RAISED_UNTIL = 6;
const USED_AT = 7;
/** Of accounts that are not kept: nothing was ever taken from them. */
const NOTHING: FigurePlace = { figures: new Float64Array(FIGURES), at: 0 };

/** Spend and holds of one key under one budget. */
export class BudgetAccount implements AccountRecord {
  private figures = NOTHING.figures;
  private at = NOTHING.at;
  /** Parts of a sliding window before the newest one, the oldest first. */
  private earlier: Writable<BudgetPart>[] | null = null;

  /** Whether it has a place of its own; without one nothing can be taken from it. */
  get isKept(): boolean {
    return this.figures !== NOTHING.figures;
  }

  /** Starts to record charges. */
  keepIn({ figures, at }: FigurePlace): void {
    this.figures = figures;
    this.at = at;
  }

  /** Forgets everything, and hands its place back. */
  leave(): FigurePlace {
    const place = { figures: this.figures, at: this.at };
    this.keepIn(NOTHING);
    this.earlier = null;
    return place;
  }

  restore({ total, parts, raisedNanoUsd, raisedUntilMs }: AccountRecord): void {
    this.set(TOTAL, total);
    this.set(RAISED, raisedNanoUsd);
    this.set(RAISED_UNTIL, raisedUntilMs);
    for (const { startMs, endMs, spent, held } of parts) {
      this.begin({ startMs, endMs });
      this.set(SPENT, spent);
      this.set(HELD, held);
    }
  }

  get parts(): readonly BudgetPart[] {
    const { newest, earlier } = this;
    return newest === undefined ? [] : [...(earlier ?? []), newest];
  }

  get total(): number {
    return this.get(TOTAL);
  }

  get raisedNanoUsd(): number {
    return this.get(RAISED);
  }

  get raisedUntilMs(): number {
    return this.get(RAISED_UNTIL);
  }

  get usedAtMs(): number {
    return this.figures[this.at + USED_AT];
  }

  set usedAtMs(nowMs: number) {
    this.figures[this.at + USED_AT] = nowMs;
  }

  get spent(): number {
    return this.earlier === null ? this.get(SPENT) : this.sumOf('spent');
  }

  get held(): number {
    return this.earlier === null ? this.get(HELD) : this.sumOf('held');
  }

  /** The limit with its raise. Pruned before. */
  limitOf({ nanoUsd }: BudgetLimit): number {
    const raised = this.get(RAISED);
    return raised === 0 ? nanoUsd : addNanoUsd(nanoUsd, raised);
  }

  /** Whether nothing of it counts any longer. Pruned before. */
  get isIdle(): boolean {
    return this.get(END) === 0 && this.get(RAISED) === 0;
  }

  /** Whether its charges never expire. */
  get isEndless(): boolean {
    return this.get(END) === Infinity;
  }

  /** Removes parts, and the raise, that have expired at `nowMs`. */
  prune(nowMs: number): this {
    if (!this.isPlain(nowMs)) this.forgetBefore(nowMs);
    return this;
  }

  /** Whether `ask` may not be taken. Prunes. */
  denial(budget: BudgetLimit, ask: number, nowMs: number): Denial | undefined {
    const { figures, at } = this;
    const fits = this.isPlain(nowMs) && figures[at + SPENT] + figures[at + HELD] + ask <= budget.nanoUsd;
    return fits ? undefined : this.prune(nowMs).reasonOf(budget, ask, nowMs);
  }

  /** Whether it is one part that still counts, and its limit is not raised: nearly all are. */
  private isPlain(nowMs: number): boolean {
    const { figures, at } = this;
    return figures[at + END] > nowMs && this.earlier === null && figures[at + RAISED] === 0;
  }

  private reasonOf(budget: BudgetLimit, ask: number, nowMs: number): Denial | undefined {
    const { spent, held } = this;
    const limit = this.limitOf(budget);
    if (spent + held + ask <= limit) return undefined;
    if (ask > limit) return { reason: 'request_exceeds_budget', waitMs: Infinity };
    if (spent + ask > limit) return { reason: 'budget_exhausted', waitMs: this.waitFor(spent + ask - limit, nowMs) };
    return { reason: 'budget_held', waitMs: Infinity };
  }

  /** Holds in the part that `nowMs` is in; returns its beginning, for `move`. Pruned before. */
  hold(budget: BudgetLimit, nanoUsd: number, nowMs: number): number {
    this.beginAt(budget.window, nowMs);
    const { figures, at } = this;
    figures[at + HELD] = addNanoUsd(figures[at + HELD], nanoUsd);
    return figures[at + START];
  }

  /** Whether spending `more` may reach a share of the budget. Also right before `prune`. */
  mayReach(share: number, { nanoUsd }: BudgetLimit, more: number): boolean {
    const { figures, at } = this;
    const spent = this.earlier === null ? figures[at + SPENT] : this.sumOf('spent');
    return figures[at + RAISED] !== 0 || spent + more >= share * nanoUsd;
  }

  /**
   * Changes the holds and spend in a hold's part. If the part has expired, only the total remains.
   */
  move(partStartMs: number, held: number, spent: number): void {
    const { figures, at } = this;
    figures[at + TOTAL] = addNanoUsd(figures[at + TOTAL], spent);
    if (figures[at + START] === partStartMs && figures[at + END] > 0) {
      figures[at + HELD] = addNanoUsd(figures[at + HELD], held);
      figures[at + SPENT] = addNanoUsd(figures[at + SPENT], spent);
    } else if (this.earlier !== null) this.moveEarlier(partStartMs, held, spent);
  }

  private moveEarlier(partStartMs: number, held: number, spent: number): void {
    const part = this.earlier?.find(({ startMs }) => startMs === partStartMs);
    if (part === undefined) return;
    part.held = addNanoUsd(part.held, held);
    part.spent = addNanoUsd(part.spent, spent);
  }

  /** Sets the spend in the window. Must be pruned before. */
  setSpent(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    this.add(TOTAL, nanoUsd - this.spent);
    this.beginAt(budget.window, nowMs);
    this.set(SPENT, nanoUsd);
    for (const part of this.earlier ?? []) part.spent = 0;
  }

  /** Adds to the spend in the window. Must be pruned before. */
  addSpent(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    this.beginAt(budget.window, nowMs);
    const { figures, at } = this;
    figures[at + SPENT] = addNanoUsd(figures[at + SPENT], nanoUsd);
    figures[at + TOTAL] = addNanoUsd(figures[at + TOTAL], nanoUsd);
  }

  /** Raises the limit until the end of the window at `nowMs`. Prune first. */
  raise(budget: BudgetLimit, nanoUsd: number, nowMs: number): void {
    this.beginAt(budget.window, nowMs);
    this.add(RAISED, nanoUsd);
    this.set(RAISED_UNTIL, this.get(END));
  }

  /** @param pending What a decision would hold on top. Pruned before. */
  standing(budget: BudgetLimit, nowMs: number, pending = 0): BudgetStanding {
    const { figures, at, earlier } = this;
    const held = earlier === null ? figures[at + HELD] : this.sumOf('held');
    return {
      period: budget.period,
      limitNanoUsd: figures[at + RAISED] === 0 ? budget.nanoUsd : this.limitOf(budget),
      spentNanoUsd: earlier === null ? figures[at + SPENT] : this.sumOf('spent'),
      heldNanoUsd: pending === 0 ? held : addNanoUsd(held, pending),
      totalNanoUsd: figures[at + TOTAL],
      resetsAtMs: this.isCurrent(budget.window, nowMs) ? figures[at + END] : this.resetsAt(budget.window, nowMs, pending > 0),
    };
  }

  private sumOf(kind: 'spent' | 'held'): number {
    return (this.earlier ?? []).reduce((sum, part) => addNanoUsd(sum, part[kind]), this.get(kind === 'spent' ? SPENT : HELD));
  }

  private forgetBefore(nowMs: number): void {
    if (this.get(RAISED_UNTIL) <= nowMs) this.set(RAISED, 0);
    const { earlier } = this;
    if (earlier !== null) while (earlier.length > 0 && earlier[0].endMs <= nowMs) earlier.shift();
    if (this.get(END) <= nowMs) this.setNewest(earlier?.pop());
    if (earlier?.length === 0) this.earlier = null;
  }

  private resetsAt(window: BudgetWindow, nowMs: number, isTaken: boolean): number {
    const endMs = this.get(END);
    if (window.kind === 'calendar' || window.kind === 'total' || isTaken) return window.partAt(nowMs, this.newest).endMs;
    return endMs === 0 ? nowMs : endMs;
  }

  /** Time until this much of the spend has left the window. */
  private waitFor(over: number, nowMs: number): number {
    let freed = 0;
    const last = this.parts.find((part) => (freed += part.spent) >= over);
    return last === undefined ? Infinity : last.endMs - nowMs;
  }

  private get newest(): BudgetPart | undefined {
    const endMs = this.get(END);
    return endMs === 0 ? undefined : { startMs: this.get(START), endMs, spent: this.get(SPENT), held: this.get(HELD) };
  }

  /** Whether a taking at `nowMs` counts in the newest part. */
  private isCurrent({ kind, lengthMs }: BudgetWindow, nowMs: number): boolean {
    const { figures, at } = this;
    const endMs = figures[at + END];
    return nowMs >= figures[at + START] && nowMs < (kind === 'sliding' ? endMs - lengthMs : endMs);
  }

  /** Makes the part that `nowMs` is in the newest one. */
  private beginAt(window: BudgetWindow, nowMs: number): void {
    if (!this.isCurrent(window, nowMs)) this.begin(window.partAt(nowMs, this.newest));
  }

  private begin({ startMs, endMs }: Span): void {
    const { newest } = this;
    if (newest?.startMs === startMs) return;
    if (newest !== undefined) (this.earlier ??= []).push(newest);
    this.setNewest({ startMs, endMs, spent: 0, held: 0 });
  }

  private setNewest({ startMs, endMs, spent, held }: BudgetPart = NO_PART): void {
    this.set(START, startMs);
    this.set(END, endMs);
    this.set(SPENT, spent);
    this.set(HELD, held);
  }

  private get(place: number): number {
    return this.figures[this.at + place];
  }

  private set(place: number, value: number): void {
    this.figures[this.at + place] = value;
  }

  private add(place: number, nanoUsd: number): void {
    const index = this.at + place;
    this.figures[index] = addNanoUsd(this.figures[index], nanoUsd);
  }
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const NO_PART: BudgetPart = { startMs: 0, endMs: 0, spent: 0, held: 0 };

import type { EngineChoice } from '../../../engine/engine-choice.js';
import type { Chooser } from './chooser.js';
import { fillArrays } from '../../engine/engine-arrays.js';
import { Question, QUESTION_LENGTH, type Members, type RouterEngine } from '../../engine/engine.js';
import type { RouterMemory } from '../../state/memory.js';
import { isOut, respectsLimits, Standing, standingOf, wakeOf } from '../eligibility.js';
import type { Order } from './strategies.js';
import type { Watcher } from './watcher.js';

/** What orders and draws are made under. */
export interface OrderSettings {
  /** Whether rpm and tpm refuse under every strategy. */
  readonly limits: boolean;
  readonly buffer: number;
  readonly sampleTtlMs: number;
  readonly random: () => number;
}

/** What an order is made with. */
export interface OrderContext {
  readonly choice: EngineChoice<RouterEngine>;
  readonly group: string;
  readonly memory: RouterMemory;
  readonly members: Members;
  readonly order: Order;
  readonly settings: OrderSettings;
}

const NOBODY = -1;

/**
 * The members in the order of a strategy, which is brought up to date when it is asked for the best. Flags that every request asks are false where all is ordinary:
 * to find that a field is false is one comparison, that it is true takes five.
 */
export abstract class MemberOrder implements Chooser, Watcher {
  /** What the members are compared by; `Infinity` where one may not be chosen. */
  protected readonly keys: Float64Array;
  protected readonly ties: Int32Array;
  protected readonly winners: Int32Array;
  protected readonly memory: RouterMemory;
  protected readonly members: Members;
  protected readonly slots: Int32Array;
  /** Its figure or its place among equals is another one, which the order has not been changed for: one change does for several. */
  protected unsettled = NOBODY;
  private readonly question = new Float64Array(QUESTION_LENGTH);
  private readonly limits: boolean;
  /** Whether those that are not out may be at a limit. */
  private readonly isLimited: boolean;
  private readonly ttlMs: number;
  private wakeAtMs = -Infinity;

  constructor(private readonly context: OrderContext) {
    const { memory, members, order, settings } = context;
    const count = members.slots.length;
    const leaves = 2 ** Math.ceil(Math.log2(count));
    this.memory = memory;
    this.members = members;
    this.slots = members.slots;
    this.keys = new Float64Array(leaves).fill(Infinity);
    this.winners = new Int32Array(2 * leaves);
    // Not every process begins with the same one.
    const first = Math.floor(settings.random() * count);
    this.ties = Int32Array.from({ length: leaves }, (_, position) => (position + count - first) % count);
    this.isLimited = members.unlimited !== true;
    this.limits = settings.limits || respectsLimits(order);
    this.ttlMs = settings.sampleTtlMs;
    this.question[Question.order] = order;
    this.question[Question.limits] = this.limits ? 1 : 0;
    this.question[Question.sampleTtlMs] = settings.sampleTtlMs;
  }

  best(nowMs: number): number {
    if (nowMs >= this.wakeAtMs) this.rebuild(nowMs);
    if (this.unsettled >= 0) this.settle(nowMs);
    return this.first();
  }

  abstract chosen(position: number, nowMs: number): void;

  update(position: number, nowMs: number): void {
    if (this.unsettled === position) return;
    if (this.unsettled >= 0) this.settle(nowMs);
    this.unsettled = position;
  }

  forget(): void {
    this.wakeAtMs = -Infinity;
  }

  /** The best, in an order that is up to date. */
  protected abstract first(): number;
  /** Its figure, where it may be chosen. */
  protected abstract figure(position: number, slot: number, nowMs: number): number;
  /** Gives the unsettled one its place. */
  protected abstract settle(nowMs: number): void;
  /** `keys` are figures that the engine has just found, `winners` the tournament over them. */
  protected abstract rebuilt(nowMs: number): void;

  /** Its figure, or `Infinity` where it may not be chosen. */
  protected current(position: number, nowMs: number): number {
    const slot = this.slots[position];
    if (this.isLimited || isOut(this.memory, slot, nowMs)) return this.figureIfFree(position, slot, nowMs);
    return this.figure(position, slot, nowMs);
  }

  /** The time alone changes a figure then. */
  protected wakeBy(wakeAtMs: number): void {
    if (wakeAtMs < this.wakeAtMs) this.wakeAtMs = wakeAtMs;
  }

  private figureIfFree(position: number, slot: number, nowMs: number): number {
    const { memory, members } = this;
    const out = isOut(memory, slot, nowMs);
    if (out) this.wakeBy(wakeOf(memory, members, position, this.context.order, nowMs, this.ttlMs));
    const free = !out && standingOf(memory, members, position, nowMs, 0, this.limits, false) === Standing.free;
    return free ? this.figure(position, slot, nowMs) : Infinity;
  }

  private rebuild(nowMs: number): void {
    const { memory, members, question, keys, ties, winners } = this;
    const { choice, group } = this.context;
    question[Question.nowMs] = nowMs;
    fillArrays(choice, 'rank', group, members.slots.length, [question, keys, winners], (engine, asked, figures, places) =>
      engine.rank(memory, members, asked, figures, ties, places),
    );
    this.wakeAtMs = question[Question.wakeAtMs];
    this.unsettled = NOBODY;
    this.rebuilt(nowMs);
  }
}

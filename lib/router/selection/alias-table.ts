import type { EngineChoice } from '../../engine/engine-choice.js';
import type { Chooser } from './strategies/chooser.js';
import type { DeploymentStates } from '../state/deployment-states.js';
import { fillArrays } from '../engine/engine-arrays.js';
import type { OrderSettings } from './strategies/member-order.js';
import { Question, QUESTION_LENGTH, type Members, type RouterEngine } from '../engine/engine.js';
import { Standing, standingOf } from './eligibility.js';
import { Order } from './strategies/strategies.js';

/** Draws before the rest is left to a scan: of those in the table too many are busy. */
const DRAWS = 8;

/**
 * Draws members by their weight, at the same cost whatever their number: an alias table over those that do not cool,
 * made anew when one begins to, or comes back. Where there are limits, or other threads, what is drawn is looked at again.
 */
export class Lottery implements Chooser {
  private readonly chances: Float64Array;
  private readonly aliases: Int32Array;
  private readonly question = new Float64Array(QUESTION_LENGTH);
  /** Whether a member may be kept from being chosen by what is not known when the table is made. */
  private readonly isUnsure: boolean;
  private places = 0;
  private exclusions = -1;
  private wakeAtMs = -Infinity;

  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly group: string,
    private readonly states: DeploymentStates,
    private readonly members: Members,
    private readonly settings: OrderSettings,
  ) {
    this.chances = new Float64Array(members.slots.length);
    this.aliases = new Int32Array(2 * members.slots.length);
    this.isUnsure = members.unlimited !== true || states.memory.isShared;
    this.question[Question.order] = Order.shuffle;
    this.question[Question.limits] = settings.limits ? 1 : 0;
  }

  /** Drawn; -2: too many are busy. */
  best(nowMs: number): number {
    if (nowMs >= this.wakeAtMs || this.exclusions !== this.states.exclusions) this.rebuild(nowMs);
    if (this.places === 0) return -1;
    return this.isUnsure ? this.drawFree(nowMs) : this.drawn();
  }

  chosen(): void {}

  forget(): void {
    this.wakeAtMs = -Infinity;
  }

  private drawn(): number {
    const { chances, aliases } = this;
    const value = this.settings.random() * this.places;
    const place = Math.floor(value);
    return aliases[value - place < chances[place] ? 2 * place : 2 * place + 1];
  }

  private drawFree(nowMs: number): number {
    const { members } = this;
    const { memory } = this.states;
    for (let draw = 0; draw < DRAWS; draw++) {
      const position = this.drawn();
      const standing = standingOf(memory, members, position, nowMs, 0, this.settings.limits, false);
      if (standing === Standing.free) return position;
      if (standing !== Standing.cooling && standing !== Standing.unhealthy) continue;
      // Another thread has taken it out.
      this.rebuild(nowMs);
      if (this.places === 0) return -1;
    }
    return -2;
  }

  private rebuild(nowMs: number): void {
    const { choice, members, question, chances, aliases } = this;
    const { memory, exclusions } = this.states;
    question[Question.nowMs] = nowMs;
    this.exclusions = exclusions;
    fillArrays(choice, 'lottery', this.group, members.slots.length, [question, chances, aliases], (engine, ...arrays) =>
      engine.lottery(memory, members, ...arrays),
    );
    this.wakeAtMs = question[Question.wakeAtMs];
    this.places = question[Question.count];
  }
}

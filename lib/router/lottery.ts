import type { EngineChoice } from '../engine/engine-choice.js';
import { fillArrays } from './engine-arrays.js';
import type { OrderSettings } from './ranking.js';
import { Question, QUESTION_LENGTH, type Members, type RouterEngine } from './router.engine.js';
import type { RouterMemory } from './router.memory.js';
import { Standing, standingOf } from './router.standing.js';
import { Order } from './router.strategies.js';

/** Draws before the rest is left to a scan: of those in the table too many are busy. */
const DRAWS = 8;

/**
 * Draws members by their weight, at the same cost whatever their number: an alias table over those that do not cool,
 * made anew when one begins to, or comes back. What is drawn is looked at again, so it need not hear of changes.
 */
export class Lottery {
  private readonly chances: Float64Array;
  private readonly aliases: Int32Array;
  private readonly question = new Float64Array(QUESTION_LENGTH);
  private places = 0;
  private wakeAtMs = -Infinity;

  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly group: string,
    private readonly memory: RouterMemory,
    private readonly members: Members,
    private readonly settings: OrderSettings,
  ) {
    this.chances = new Float64Array(members.slots.length);
    this.aliases = new Int32Array(2 * members.slots.length);
    this.question[Question.order] = Order.shuffle;
    this.question[Question.limits] = settings.limits ? 1 : 0;
  }

  /** A member's position; -1: none may be chosen; -2: too many are busy, so that a scan has to find one. */
  draw(nowMs: number): number {
    if (nowMs >= this.wakeAtMs) this.rebuild(nowMs);
    const { chances, aliases, memory, members } = this;
    const { random, limits } = this.settings;
    for (let draw = 0; draw < DRAWS; draw++) {
      if (this.places === 0) return -1;
      const value = random() * this.places;
      const place = Math.floor(value);
      const position = aliases[value - place < chances[place] ? 2 * place : 2 * place + 1];
      if (members.unlimited === true) {
        const slot = members.slots[position];
        if (memory.coolingUntil[slot] <= nowMs && memory.unhealthyUntil[slot] <= nowMs) return position;
      }
      const standing = standingOf(memory, members, position, nowMs, 0, limits, false);
      if (standing === Standing.free) return position;
      if (standing === Standing.cooling || standing === Standing.unhealthy) this.rebuild(nowMs);
    }
    return -2;
  }

  forget(): void {
    this.wakeAtMs = -Infinity;
  }

  private rebuild(nowMs: number): void {
    const { choice, memory, members, question, chances, aliases } = this;
    question[Question.nowMs] = nowMs;
    fillArrays(choice, 'lottery', this.group, members.slots.length, [question, chances, aliases], (engine, ...arrays) =>
      engine.lottery(memory, members, ...arrays),
    );
    this.wakeAtMs = question[Question.wakeAtMs];
    this.places = question[Question.count];
  }
}

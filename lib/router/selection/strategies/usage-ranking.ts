import { Ranking, TURNS } from './ranking.js';
import { minuteOf } from '../../state/memory.js';

// A constant of this module: a property of another module's exports is one that V8 reads anew at each use.
const TOKEN = TURNS;

/**
 * By the tokens of the minute. They are below 2 ** 32, so that with a turn they are exact: keys are figure and tie in one. Where the figures of all grow one after the
 * other, that is a shorter walk; by other orders it takes longer.
 */
export class UsageRanking extends Ranking {
  protected figure(_position: number, slot: number, nowMs: number): number {
    return this.memory.tokensOf(slot, minuteOf(nowMs));
  }

  protected override key(position: number, nowMs: number): number {
    return this.current(position, nowMs) * TOKEN + this.ties[position];
  }

  protected override rebuilt(): void {
    const { keys, ties } = this;
    for (let position = 0; position < this.slots.length; position++) keys[position] = keys[position] * TOKEN + ties[position];
  }
}
